"""Strategic merge patch on our kinds: merge keys, directives, order. Cases follow `strategicpatch/patch_test.go`."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.api.patch.json_patch import copied
from moorage.api.patch.strategic import apply_strategic_patch
from moorage.model.cluster import Node
from moorage.model.errors import ApiError
from moorage.model.pods import Pod
from moorage.model.service import Service


def patch_service(document: Any, patch: Any) -> Any:
    before = copied(document)
    result = apply_strategic_patch(document, patch, Service)
    assert document == before, "the given document was changed"
    return result


def patch_pod(document: Any, patch: Any) -> Any:
    return apply_strategic_patch(document, patch, Pod)


def ports(*numbers: int) -> dict[str, Any]:
    return {"spec": {"ports": [{"port": number, "protocol": "TCP"} for number in numbers]}}


def test_maps_merge_and_null_removes() -> None:
    document = {"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"type": "ClusterIP"}}
    patch = {
        "metadata": {"labels": {"a": None, "c": "3"}, "annotations": {"x": "y", "gone": None}},
        "spec": {"type": "NodePort"},
    }
    assert patch_service(document, patch) == {
        "metadata": {"labels": {"b": "2", "c": "3"}, "annotations": {"x": "y"}},
        "spec": {"type": "NodePort"},
    }


def test_ports_of_a_service_merge_by_port() -> None:
    patched = patch_service(ports(80, 443), {"spec": {"ports": [{"port": 443, "name": "tls"}, {"port": 8080}]}})
    assert patched["spec"]["ports"] == [
        {"port": 80, "protocol": "TCP"},
        {"port": 443, "protocol": "TCP", "name": "tls"},
        {"port": 8080},
    ]


@pytest.mark.parametrize(
    ("server", "patch", "expected"),
    [
        ([80], [443], [443, 80]),
        ([80, 443], [443, 8080], [80, 443, 8080]),
        ([80, 443], [8080, 443], [8080, 80, 443]),
        ([80, 443, 53], [443], [80, 443, 53]),
        ([80, 443], [443, 80], [443, 80]),
    ],
)
def test_what_is_new_goes_first(server: list[int], patch: list[int], expected: list[int]) -> None:
    """`mergeSortedSlice` of `strategicpatch/patch.go`, and the task page "Update API Objects in Place Using kubectl patch"."""
    patched = patch_service(ports(*server), {"spec": {"ports": [{"port": each} for each in patch]}})
    assert [each["port"] for each in patched["spec"]["ports"]] == expected


def test_the_same_port_twice_keeps_its_place() -> None:
    document = {"spec": {"ports": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}, {"port": 80}]}}
    patched = patch_service(document, {"spec": {"ports": [{"port": 80, "name": "http"}]}})
    assert [each["port"] for each in patched["spec"]["ports"]] == [53, 53, 80]


def test_containers_and_what_is_in_them_merge_by_their_keys() -> None:
    document = {
        "spec": {
            "containers": [
                {"name": "a", "image": "one", "env": [{"name": "X", "value": "1"}], "ports": [{"containerPort": 80}]},
                {"name": "b", "image": "two"},
            ],
            "tolerations": [{"key": "old"}],
        }
    }
    patch = {
        "spec": {
            "containers": [
                {"name": "a", "env": [{"name": "Y", "value": "2"}], "ports": [{"containerPort": 80, "name": "http"}]}
            ],
            "tolerations": [{"key": "new"}],
        }
    }
    patched = patch_pod(document, patch)["spec"]
    assert patched["containers"] == [
        {
            "name": "a",
            "image": "one",
            "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}],
            "ports": [{"containerPort": 80, "name": "http"}],
        },
        {"name": "b", "image": "two"},
    ]
    assert patched["tolerations"] == [{"key": "new"}]


def test_lists_of_plain_values_are_sets_where_the_type_says_so() -> None:
    document = {"metadata": {"finalizers": ["a", "b"]}, "spec": {"externalIPs": ["192.0.2.1"]}}
    patch = {"metadata": {"finalizers": ["b", "c"]}, "spec": {"externalIPs": ["192.0.2.2"]}}
    patched = patch_service(document, patch)
    assert patched == {"metadata": {"finalizers": ["a", "b", "c"]}, "spec": {"externalIPs": ["192.0.2.2"]}}


def test_delete_from_a_primitive_list() -> None:
    document = {"metadata": {"finalizers": ["a", "b", "c"]}}
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"], "finalizers": ["d"]}}
    assert patch_service(document, patch) == {"metadata": {"finalizers": ["d", "a", "c"]}}


def test_delete_directive_removes_an_item() -> None:
    patched = patch_service(ports(80, 443), {"spec": {"ports": [{"port": 80, "$patch": "delete"}, {"port": 81}]}})
    assert [each["port"] for each in patched["spec"]["ports"]] == [81, 443]


def test_replace_directive_in_a_list() -> None:
    patched = patch_service(ports(80, 443), {"spec": {"ports": [{"$patch": "replace"}, {"port": 81}]}})
    assert patched["spec"]["ports"] == [{"port": 81}]


def test_replace_and_delete_directives_in_a_map() -> None:
    document = {"spec": {"selector": {"app": "a", "tier": "b"}}, "metadata": {"labels": {"x": "1"}}}
    patch = {"spec": {"selector": {"$patch": "replace", "app": "c"}}, "metadata": {"labels": {"$patch": "delete"}}}
    assert patch_service(document, patch) == {"spec": {"selector": {"app": "c"}}, "metadata": {"labels": {}}}


def test_retain_keys_drops_the_other_members_of_a_union() -> None:
    document = {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}}
    patch = {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}]}}
    assert patch_pod(document, patch)["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_conditions_and_addresses_of_a_node_merge_by_type() -> None:
    document = {
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "Hostname", "address": "n"}]}
    }
    patch = {
        "status": {
            "conditions": [{"type": "Ready", "status": "Unknown"}, {"type": "DiskPressure", "status": "False"}],
            "addresses": [{"type": "InternalIP", "address": "198.18.0.11"}],
        }
    }
    status = apply_strategic_patch(document, patch, Node)["status"]
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [
        ("Ready", "Unknown"),
        ("DiskPressure", "False"),
    ]
    assert [each["type"] for each in status["addresses"]] == ["InternalIP", "Hostname"]


@pytest.mark.parametrize(
    ("server", "wanted", "patch", "expected"),
    [
        ([80, 81, 82], [82, 80], [], [81, 82, 80]),
        ([80, 81, 82], [82, 81, 80], [], [82, 81, 80]),
        ([80, 90, 81], [81, 80, 82], [82], [90, 81, 80, 82]),
        ([1, 2, 3], [1, 4, 3], [4], [1, 4, 2, 3]),
        ([], [81, 80], [81, 80], [81, 80]),
    ],
)
def test_element_order(server: list[int], wanted: list[int], patch: list[int], expected: list[int]) -> None:
    spec: dict[str, Any] = {"$setElementOrder/ports": [{"port": each} for each in wanted]}
    if patch:
        spec["ports"] = [{"port": each} for each in patch]
    patched = patch_service(ports(*server), {"spec": spec})
    assert [each["port"] for each in patched["spec"]["ports"]] == expected


def test_element_order_of_plain_values() -> None:
    patch = {"metadata": {"$setElementOrder/finalizers": ["c", "a"], "finalizers": ["c"]}}
    assert patch_service({"metadata": {"finalizers": ["a", "b"]}}, patch) == {"metadata": {"finalizers": ["c", "a", "b"]}}


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"spec": {"ports": [{"name": "no key"}]}}, 422),
        ({"spec": {"ports": ["text"]}}, 400),
        ({"metadata": {"finalizers": [{}]}}, 400),
        ({"$patch": "spam"}, 400),
        ({"spec": {"ports": [{"port": 80, "$patch": "spam"}]}}, 400),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}}, 400),
        ({"spec": {"$setElementOrder/ports": "a"}}, 400),
        ({"spec": {"$setElementOrder/ports": [{"port": 80}], "ports": [{"port": 81}]}}, 400),
        ({"spec": {"$setElementOrder/ports": [{"port": 1}, {"port": 2}], "ports": [{"port": 2}, {"port": 1}]}}, 400),
        ({"spec": {"$retainKeys": ["type"], "ports": []}}, 400),
    ],
)
def test_malformed_patches_are_refused(patch: Any, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        patch_service(ports(80), patch)
    assert caught.value.code == code


def test_a_list_against_another_type_is_replaced() -> None:
    assert patch_service({"spec": {"ports": "broken"}}, {"spec": {"ports": [{"port": 80}]}}) == {
        "spec": {"ports": [{"port": 80}]}
    }
    assert patch_service({"spec": "broken"}, {"spec": {"type": "NodePort"}}) == {"spec": {"type": "NodePort"}}
