"""Trees <-> typed objects."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.manifest.convert import decode, encode, load, to_tree
from moorage.model.errors import ApiError
from moorage.model.kinds import ENDPOINT_SLICES, KINDS, NODES, PODS, SERVICES, Kind
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice


def test_a_service_there_and_back() -> None:
    tree = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"ports": [{"port": 80, "targetPort": "http"}], "clusterIPs": ["10.96.0.1"]},
    }
    decoded = decode(SERVICES, tree)
    assert isinstance(decoded.obj, Service)
    assert decoded.obj.spec.cluster_ips == ("10.96.0.1",)
    assert decoded.unknown_fields == ()
    assert to_tree(encode(decoded.obj)) == tree
    assert load(SERVICES, encode(decoded.obj)) == decoded.obj


def test_nulls_count_as_absent() -> None:
    """Go clients write them for empty lists, times and structs."""
    tree = {
        "metadata": {"name": "web", "creationTimestamp": None, "labels": {"a": None}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": None}, "targetRef": None}],
        "ports": None,
    }
    decoded = decode(ENDPOINT_SLICES, tree)
    assert isinstance(decoded.obj, EndpointSlice)
    assert decoded.obj.ports == ()
    assert decoded.obj.metadata.labels == {"a": ""}
    assert decoded.obj.endpoints[0].conditions.ready is None
    assert decoded.unknown_fields == ()
    assert tree["ports"] is None  # the caller's tree is not touched


def test_free_form_fields_are_carried_unchanged() -> None:
    affinity = {"nodeAffinity": {"anything": [None, {"x": None}]}}
    pod = decode(PODS, {"spec": {"affinity": affinity, "containers": [{"name": "c", "resources": {"limits": {"cpu": 1}}}]}}).obj
    assert isinstance(pod, Pod)
    assert pod.spec.affinity == affinity
    assert pod.spec.containers[0].resources == {"limits": {"cpu": 1}}


@pytest.mark.parametrize(
    ("tree", "paths"),
    [
        ({"foo": 1}, ("foo",)),
        ({"spec": {"foo": 1, "ports": [{"port": 1}, {"prot": 2}]}, "bar": {}}, ("spec.foo", "spec.ports[1].prot", "bar")),
        ({"spec": {"sessionAffinityConfig": {"clientIP": {"timeout": 3}}}}, ("spec.sessionAffinityConfig.clientIP.timeout",)),
        ({"metadata": {"selfLink": "/x", "clusterName": "y"}}, ("metadata.clusterName",)),
        ({"metadata": {"labels": {"any": "key"}, "managedFields": [{"any": 1}]}}, ("metadata.managedFields[0].any",)),
        ({"metadata": {"managedFields": [{"fieldsV1": {"f:any": {}}}]}}, ()),
    ],
)
def test_unknown_fields_are_named(tree: dict[str, Any], paths: tuple[str, ...]) -> None:
    assert decode(SERVICES, tree).unknown_fields == paths


@pytest.mark.parametrize(
    ("tree", "why"),
    [
        ({"spec": {"ports": [{"port": "a"}]}}, "cannot unmarshal string into field spec.ports[0].port of type number"),
        ({"spec": {"ports": {}}}, "cannot unmarshal object into field spec.ports of type array"),
        ({"spec": []}, "cannot unmarshal array into field spec of type object"),
        ({"spec": {"ports": [{"port": 1.5}]}}, "cannot unmarshal number into field spec.ports[0].port of type number"),
        ({"spec": {"ports": [{"targetPort": []}]}}, "cannot unmarshal array into field spec.ports[0].targetPort of type number or string"),  # noqa: E501
        ({"spec": {"publishNotReadyAddresses": "y"}}, "cannot unmarshal string into field spec.publishNotReadyAddresses of type bool"),  # noqa: E501
        ({"metadata": {"labels": {"a": 1}}}, "cannot unmarshal number into field metadata.labels[...] of type string"),
        ({"metadata": "x"}, "cannot unmarshal string into field metadata of type object"),
    ],
)  # fmt: skip
def test_wrong_types_are_a_400_with_the_path(tree: dict[str, Any], why: str) -> None:
    with pytest.raises(ApiError) as caught:
        decode(SERVICES, tree)
    assert caught.value.code == 400
    assert caught.value.message == f'Service in version "v1" cannot be handled as a Service: json: {why}'


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"apiVersion": "v2"}, "the API version in the data (v2) does not match the expected API version (v1)"),
        ({"kind": "Pod"}, 'Pod in version "v1" cannot be handled as a Service: the kind does not match'),
    ],
)
def test_another_kind_is_a_400(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        decode(SERVICES, tree)
    assert (caught.value.code, caught.value.message) == (400, message)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_takes_an_empty_object(kind: Kind) -> None:
    decoded = decode(kind, {"kind": kind.kind, "apiVersion": kind.api_version})
    assert type(decoded.obj) is kind.type
    assert decoded.unknown_fields == ()


def test_what_a_kubelet_writes_is_known() -> None:
    status = {"volumesInUse": [], "nodeInfo": {"swap": {"capacity": 0}}, "runtimeHandlers": [{"name": ""}], "features": {}}
    assert decode(NODES, {"status": status}).unknown_fields == ()
