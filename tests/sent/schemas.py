"""Published OpenAPI schemas of Kubernetes: does an object fit a version?

Source: the package `kubernetes-validate`, made from Kubernetes' own `api/openapi-spec`. Kinds of MetalLB are not among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

OLDEST, NEWEST = "1.29", "1.36"
"""The versions of Kubernetes that Moorage works with."""

PUBLISHED = re.compile(r"^(v1|(apps|policy)/v1|[a-z0-9.]+\.k8s\.io/v[a-z0-9]+)$")
"""The apiVersions of Kubernetes itself."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_FORMATS = jsonschema.FormatChecker(formats=())
_FORMATS.checks("date-time")(lambda value: not isinstance(value, str) or _RFC3339.fullmatch(value) is not None)


def problems(tree: Mapping[str, Any], version: str, *, strict: bool, partial: bool = False) -> list[str]:
    """Where an object does not fit the schema of its kind in a version of Kubernetes, as `path: what`.

    `strict` refuses fields that the version does not know; `partial` forgives what is missing, as in a patch. Raises
    LookupError for a kind that the version does not have.
    """
    found = _validator(str(tree["kind"]), str(tree["apiVersion"]), version, strict).iter_errors(tree)
    return sorted({_words(each) for each in _leaves(found) if not (partial and each.validator == "required")})


@cache
def _validator(kind: str, api_version: str, version: str, strict: bool) -> Any:
    folder = f"kubernetes-json-schema/v{version}.0-local{'-strict' if strict else ''}"
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    try:
        schema = schema_contents(f"{folder}/{kind.lower()}-{group}.json", version)
    except FileNotFoundError as error:
        raise LookupError(f"Kubernetes {version} has no {kind} in {api_version}") from error
    registry: Registry[Any] = _definitions(folder, version) @ Registry()
    return jsonschema.Draft202012Validator(schema, registry=registry, format_checker=_FORMATS)


@cache
def _definitions(folder: str, version: str) -> Resource[Any]:
    return Resource.from_contents(schema_contents(f"{folder}/_definitions.json", version))


def _leaves(errors: Any) -> Iterator[Any]:
    """An error that is made of others is told by the others."""
    for each in errors:
        if each.context:
            yield from _leaves(each.context)
        else:
            yield each


def _words(error: Any) -> str:
    return f"{'.'.join(map(str, error.absolute_path)) or '(root)'}: {error.message}"
