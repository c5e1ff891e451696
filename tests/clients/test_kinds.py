"""The life of an object of every kind, through the dynamic client of `kubernetes`: found by discovery, written, watched."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import dynamic
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError

from moorage.model.kinds import KINDS, Kind
from tests.clients.samples import manifest
from tests.server import eventually

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource)
def test_a_life(api: Any, namespace: str, number: int, kind: Kind) -> None:
    resource = dynamic.DynamicClient(api).resources.get(api_version=kind.api_version, kind=kind.kind)
    assert (resource.name, resource.namespaced) == (kind.plural, kind.namespaced)
    body = manifest(kind, number, namespace)
    name, where = body["metadata"]["name"], {"namespace": namespace} if kind.namespaced else {}

    created = resource.create(body=body, **where)
    assert (created.kind, created.apiVersion, created.metadata.name) == (kind.kind, kind.api_version, name)
    assert created.metadata.uid
    assert created.metadata.creationTimestamp
    with pytest.raises(ConflictError) as refused:
        resource.create(body=body, **where)
    assert refused.value.summary().endswith("already exists")

    assert resource.get(name=name, **where).to_dict() == created.to_dict()
    listed = resource.get(label_selector="made-by=samples", **where)
    assert listed.kind == f"{kind.kind}List"
    assert name in {each.metadata.name for each in listed.items}

    changed = resource.get(name=name, **where).to_dict()
    changed["metadata"]["labels"]["turn"] = "replaced"
    replaced = resource.replace(body=changed, **where)
    assert replaced.metadata.labels.turn == "replaced"
    assert int(replaced.metadata.resourceVersion) > int(created.metadata.resourceVersion)
    with pytest.raises(ConflictError, match="the object has been modified"):
        resource.replace(body=created.to_dict(), **where)

    merged = resource.patch(
        name=name, body={"metadata": {"labels": {"turn": None, "merged": "yes"}}}, content_type=MERGE, **where
    )
    assert merged.metadata.labels.merged == "yes"
    assert "turn" not in merged.metadata.labels.to_dict()
    steps = [{"op": "add", "path": "/metadata/annotations", "value": {"steps": "yes"}}]
    assert resource.patch(name=name, body=steps, content_type=JSON_PATCH, **where).metadata.annotations.steps == "yes"

    resource.delete(name=name, body={"gracePeriodSeconds": 0}, **where)
    eventually(lambda: _is_gone(resource, name, where))
    told = []
    for each in resource.watch(resource_version=created.metadata.resourceVersion, timeout=20, **where):
        if each["object"].metadata.name == name:
            told.append(each["type"])
            if each["type"] == "DELETED":
                break
    assert (told[:3], told[-1]) == (["MODIFIED"] * 3, "DELETED")


def _is_gone(resource: Any, name: str, where: dict[str, str]) -> bool:
    try:
        resource.get(name=name, **where)
    except NotFoundError:
        return True
    return False
