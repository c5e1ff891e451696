from __future__ import annotations

import pytest

from moorage.client.routes import collection_path, creation_path, object_path
from moorage.model.errors import UserError
from moorage.model.kinds import ENDPOINT_SLICES, NODES, PODS
from moorage.model.meta import Key


def test_paths() -> None:
    assert collection_path(PODS) == "/api/v1/pods"
    assert collection_path(PODS, "web") == "/api/v1/namespaces/web/pods"
    assert collection_path(NODES, "ignored") == "/api/v1/nodes"
    assert creation_path(NODES, "") == "/api/v1/nodes"
    assert object_path(NODES, Key("", "node-1"), "status") == "/api/v1/nodes/node-1/status"
    assert object_path(ENDPOINT_SLICES, Key("a", "b")) == "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices/b"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb"])
def test_no_name_leaves_its_place_in_the_path(name: str) -> None:
    with pytest.raises(UserError, match="name"):
        object_path(PODS, Key("default", name))


def test_a_namespaced_object_needs_a_namespace() -> None:
    with pytest.raises(UserError, match="a Pod lives in a namespace"):
        object_path(PODS, Key("", "web"))
