"""`/openapi/v3`: an index, and one document for each group and version, made from the types of `model.kinds`; `/openapi/v2`:
the same in one document.

Good enough for kubectl to find out that the server validates fields (`fieldValidation`), for `kubectl explain`, and for
`kubectl apply` to read merge keys. A kind with parts that have no type here does not offer the strategic merge patch in its
document (the server takes it all the same): kubectl then uses the merge keys it knows itself, which are complete.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping

import msgspec

from moorage.api.discovery import VERSION
from moorage.api.exchange import JSON, Response, json_document
from moorage.api.gnostic import DOCUMENT, encode
from moorage.api.openapi_paths import paths_of
from moorage.api.openapi_schemas import add_kind
from moorage.api.openapi_v2 import merged
from moorage.model.kinds import KINDS
from moorage.model.wire import Tree

INDEX = "/openapi/v3"

V2 = "/openapi/v2"
"""For clients older than version 3 (KEP-2896), and for those that find a kind in no document of it."""

_GROUPS = tuple(dict.fromkeys((kind.group, kind.version) for kind in KINDS))

_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
_V2_CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""What is asked for is no media type by RFC 9110 (`@`), so the answer is labelled with one that is, as upstream does."""


def answer(path: str, accept: str, query: Mapping[str, str]) -> Response | None:
    """The index or a document; None for other paths. A document asked for by its hash may be kept for good."""
    if path == INDEX:
        return json_document(_index())
    if path == V2:
        return _version_2(_V2_PROTOBUF in accept)
    body = _documents().get(path.removeprefix(f"{INDEX}/"))
    if body is None:
        return None
    fixed = query.get("hash") == _hash(body)
    headers = ((b"cache-control", b"public, immutable, max-age=31536000"),) if fixed else ()
    return Response(200, JSON, (body,), headers)


@functools.cache
def _documents() -> Mapping[str, bytes]:
    """Path below the index -> document."""
    return {
        (f"apis/{group}/{version}" if group else f"api/{version}"): msgspec.json.encode(document(group, version))
        for group, version in _GROUPS
    }


def _index() -> Tree:
    return {"paths": {name: {"serverRelativeURL": f"{INDEX}/{name}?hash={_hash(body)}"} for name, body in _documents().items()}}


@functools.cache
def _version_2(encoded: bool) -> Response:
    """The whole API as one Swagger 2.0 document, in JSON, or in protobuf (gnostic's `openapi.v2.Document`) for kubectl."""
    whole = merged([document(group, version) for group, version in _GROUPS])
    if encoded:
        return Response(200, _V2_CONTENT_TYPE, (encode(whole, DOCUMENT),))
    return json_document(whole)


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest().upper()


def document(group: str, version: str) -> Tree:
    """The OpenAPI 3.0 document of one group and version."""
    paths: Tree = {}
    schemas: Tree = {}
    for kind in KINDS:
        if (kind.group, kind.version) == (group, version):
            paths |= paths_of(kind)
            add_kind(kind, schemas)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
        "components": {"schemas": schemas},
    }
