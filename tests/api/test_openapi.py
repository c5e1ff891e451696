"""The OpenAPI documents: complete in themselves, and with what kubectl looks for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.api.descriptions import describe
from moorage.api.openapi import answer, document
from moorage.model.kinds import KINDS
from moorage.model.service import ServiceSpec

GROUPS = sorted({(kind.group, kind.version) for kind in KINDS})


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*map(references, value.values()))
    if isinstance(value, list):
        return set().union(*map(references, value))
    return set()


def without_text(schema: Any) -> Any:
    assert schema.pop("description")
    return schema


def patch_types(group: str, version: str, kind: str) -> set[str]:
    for path in document(group, version)["paths"].values():
        operation = path.get("patch", {})
        if operation.get("x-kubernetes-group-version-kind", {}).get("kind") == kind:
            return set(operation["requestBody"]["content"])
    raise AssertionError(kind)


@pytest.mark.parametrize(("group", "version"), GROUPS)
def test_every_reference_leads_somewhere(group: str, version: str) -> None:
    built = document(group, version)
    schemas = built["components"]["schemas"]
    assert references(built) <= {f"#/components/schemas/{name}" for name in schemas}
    named = [each["kind"] for schema in schemas.values() for each in schema.get("x-kubernetes-group-version-kind", ())]
    served = [kind for kind in KINDS if (kind.group, kind.version) == (group, version)]
    assert sorted(named) == sorted(name for kind in served for name in (kind.kind, kind.list_kind))


def test_operations_offer_field_validation() -> None:
    path = document("", "v1")["paths"]["/api/v1/namespaces/{namespace}/services/{name}"]
    assert "fieldValidation" in [each["name"] for each in path["patch"]["parameters"]]
    assert path["patch"]["x-kubernetes-group-version-kind"] == {"group": "", "version": "v1", "kind": "Service"}
    assert [each["name"] for each in path["parameters"]] == ["namespace", "name"]


def test_the_strategic_patch_is_offered_where_every_merge_key_is_known() -> None:
    strategic = "application/strategic-merge-patch+json"
    assert strategic in patch_types("", "v1", "Service")
    assert strategic in patch_types("discovery.k8s.io", "v1", "EndpointSlice")
    assert strategic not in patch_types("", "v1", "Pod")
    assert strategic not in patch_types("metallb.io", "v1beta1", "IPAddressPool")


def test_properties() -> None:
    schemas = document("", "v1")["components"]["schemas"]
    spec = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]
    assert spec["ports"] == {
        "description": describe(ServiceSpec).fields["ports"],
        "type": "array",
        "items": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.ServicePort"}]},
        "x-kubernetes-patch-strategy": "merge",
        "x-kubernetes-patch-merge-key": "port",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port"],
    }
    assert without_text(spec["selector"]) == {"type": "object", "additionalProperties": {"type": "string"}}
    assert without_text(spec["publishNotReadyAddresses"]) == {"type": "boolean"}
    port = schemas["io.k8s.api.core.v1.ServicePort"]["properties"]
    assert without_text(port["targetPort"]) == {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
    metadata = schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["properties"]
    assert (metadata["finalizers"]["x-kubernetes-patch-strategy"], metadata["finalizers"]["x-kubernetes-list-type"]) == (
        "merge",
        "set",
    )
    assert "x-kubernetes-patch-merge-key" not in metadata["finalizers"]
    pod = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]
    assert pod["volumes"]["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    assert without_text(pod["affinity"]) == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def test_documents_are_found_by_the_index_and_may_be_kept() -> None:
    index = answer("/openapi/v3", "", {})
    assert index is not None
    paths = msgspec.json.decode(b"".join(index.body))["paths"]
    assert set(paths) == {f"apis/{kind.api_version}" if kind.group else "api/v1" for kind in KINDS}
    url, _, digest = paths["api/v1"]["serverRelativeURL"].partition("?hash=")
    kept = answer(url, "", {"hash": digest})
    fresh = answer(url, "", {"hash": "old"})
    assert kept is not None
    assert fresh is not None
    assert kept.body == fresh.body
    assert (dict(kept.headers)[b"cache-control"], fresh.headers) == (b"public, immutable, max-age=31536000", ())
    assert answer("/openapi/v3/nothing", "", {}) is None
    assert answer("/nothing", "", {}) is None


def version_2() -> Any:
    response = answer("/openapi/v2", "application/json", {})
    assert response is not None
    return msgspec.json.decode(b"".join(response.body))


def test_version_2_is_the_whole_api_in_one_document() -> None:
    found = version_2()
    definitions = found["definitions"]
    assert found["swagger"] == "2.0"
    assert references(found) <= {f"#/definitions/{name}" for name in definitions}
    for group, version in GROUPS:
        built = document(group, version)
        assert set(built["paths"]) <= set(found["paths"])
        assert set(built["components"]["schemas"]) <= set(definitions)
    home = "io.k8s.api.core.v1"
    assert definitions[f"{home}.Service"]["properties"]["spec"]["$ref"] == f"#/definitions/{home}.ServiceSpec"
    port = definitions[f"{home}.ServicePort"]
    assert port["required"] == ["port"]
    assert without_text(port["properties"]["targetPort"]) == {"type": "string", "format": "int-or-string"}
    patch = found["paths"]["/api/v1/namespaces/{namespace}/services/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" in patch["consumes"]
    assert {each["name"] for each in patch["parameters"]} >= {"dryRun", "fieldValidation", "body"}


def test_the_document_in_protobuf() -> None:
    response = answer("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", {})
    assert response is not None
    assert response.content_type == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    assert b"".join(response.body).startswith(b"\x0a\x032.0")
