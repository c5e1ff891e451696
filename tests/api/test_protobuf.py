"""Objects in Kubernetes' protobuf. The first bytes are what `kubectl create namespace foo` sends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.api.exchange import Request
from moorage.api.options import DeleteBody, delete_options
from moorage.api.protobuf import is_readable, read_protobuf
from moorage.api.protobuf_numbers import NUMBERS
from moorage.api.shapes import shape
from moorage.model.cluster import Event, Lease, Namespace
from moorage.model.errors import ApiError
from moorage.model.pods import Pod
from moorage.model.ports import DeleteOptions
from moorage.model.protobuf import MAGIC
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from tests.model.protobuf_writer import enveloped, field, varint

FOO = bytes.fromhex(
    "6b3873000a0f0a02763112094e616d657370616365121b0a130a03666f6f12001a0022002a0032003800420012001a020a001a002200"
)


def test_a_namespace_from_kubectl() -> None:
    tree = read_protobuf(FOO, Namespace)
    assert (tree["apiVersion"], tree["kind"], tree["metadata"]["name"]) == ("v1", "Namespace", "foo")
    assert msgspec.convert(tree, Namespace).metadata == msgspec.convert({"name": "foo"}, type(Namespace().metadata))


def test_a_service() -> None:
    owner = field(1, "Node") + field(3, "n") + field(4, "u") + field(5, "v1") + field(6, 1)
    metadata = b"".join(
        (
            field(1, "web"),
            field(8, field(1, 1767225600)),
            field(10, 5),
            field(11, field(1, "app") + field(2, "web")),
            field(11, field(1, "empty")),
            field(13, owner),
            field(14, "a"),
            field(14, "b"),
            field(17, field(1, "managed fields are skipped")),
        )
    )
    ports = [
        field(1, field(1, "http") + field(3, 80) + field(4, field(1, 0) + field(2, 8080)) + field(5, 30080)),
        field(1, field(2, "UDP") + field(3, 53) + field(4, field(1, 1) + field(3, "dns"))),
    ]
    affinity = field(14, field(1, field(1, 300)))
    spec = b"".join(
        [*ports, field(2, field(1, "app") + field(2, "web")), field(4, "NodePort"), field(13, 1), affinity, field(20, 0)]
    )
    tree = read_protobuf(enveloped(field(1, metadata) + field(2, spec)), Service)
    assert tree == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "web",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionGracePeriodSeconds": 5,
            "labels": {"app": "web", "empty": ""},
            "ownerReferences": [{"kind": "Node", "name": "n", "uid": "u", "apiVersion": "v1", "controller": True}],
            "finalizers": ["a", "b"],
        },
        "spec": {
            "ports": [
                {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
                {"protocol": "UDP", "port": 53, "targetPort": "dns"},
            ],
            "selector": {"app": "web"},
            "type": "NodePort",
            "publishNotReadyAddresses": True,
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 300}},
            "allocateLoadBalancerNodePorts": False,
        },
    }


def test_negative_numbers_stay_negative() -> None:
    spec = field(1, field(3, -1))
    assert read_protobuf(enveloped(field(2, spec)), Service)["spec"]["ports"] == [{"port": -1}]


def test_unknown_fields_of_every_wire_type_are_skipped() -> None:
    unknown = field(90, 7) + field(91, "x") + varint(92 << 3 | 1) + bytes(8) + varint(93 << 3 | 5) + bytes(4)
    assert read_protobuf(enveloped(unknown + field(1, field(1, "web"))), Service)["metadata"] == {"name": "web"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        MAGIC + b"\x0a",
        MAGIC + b"\x0a\x7f",
        MAGIC + b"\x0b",
        MAGIC + b"\x80" * 11,
        enveloped(field(1, 5)),
        enveloped(field(1, field(1, 5))),
        enveloped(field(1, field(1, b"\xff"))),
        enveloped(field(2, field(1, field(3, "text")))),
        enveloped(field(2, field(2, 5))),
        enveloped(varint(90 << 3 | 1) + b"short"),
        enveloped(field(1, field(8, field(1, 1 << 62)))),
        enveloped(field(1, field(8, field(1, -(1 << 62))))),
        enveloped(field(1, field(8, field(1, 1 << 40)))),
    ],
)
def test_malformed_bytes_are_a_bad_request(data: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        read_protobuf(data, Service)
    assert caught.value.code == 400


def test_numbers_name_fields_that_exist() -> None:
    unknown: dict[str, Any] = {}
    for type_, numbers in NUMBERS.items():
        if missing := set(numbers.values()) - set(shape(type_)):
            unknown[type_.__name__] = missing
    assert not unknown


def test_which_types_can_be_read() -> None:
    assert is_readable(Namespace)
    assert is_readable(Service)
    assert not is_readable(Pod)


def test_delete_options() -> None:
    conditions = field(1, "some-uid") + field(2, "7")
    raw = field(1, 0) + field(2, conditions) + field(4, "Foreground") + field(5, "All")
    tree = read_protobuf(enveloped(raw, kind="DeleteOptions"), DeleteBody)
    options = delete_options(Request("DELETE", "/", {}, {}, no_body), tree)
    assert options == DeleteOptions(
        grace_seconds=0, uid="some-uid", resource_version="7", dry_run=True, propagation="Foreground"
    )


async def no_body() -> bytes:
    return b""


def test_a_lease() -> None:
    renewed = field(1, 1_767_323_045) + field(2, 678_901_000)
    tree = read_protobuf(
        enveloped(field(1, field(1, "l")) + field(2, field(1, "me") + field(2, 15) + field(4, renewed))), Lease
    )
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.678901Z"}
    assert tree["spec"] == spec


def test_a_slice() -> None:
    endpoint = field(1, "10.244.1.1") + field(2, field(1, 1) + field(3, 0)) + field(6, "node-1")
    raw = field(1, field(1, "web-1")) + field(4, "IPv4") + field(2, endpoint) + field(3, field(1, "http") + field(3, 80))
    tree = read_protobuf(enveloped(raw), EndpointSlice)
    assert tree["addressType"] == "IPv4"
    conditions = {"ready": True, "terminating": False}
    assert tree["endpoints"] == [{"addresses": ["10.244.1.1"], "conditions": conditions, "nodeName": "node-1"}]
    assert tree["ports"] == [{"name": "http", "port": 80}]


def test_the_status_of_a_service() -> None:
    condition = (
        field(1, "Ready") + field(2, "True") + field(3, 2) + field(4, field(1, 1_767_323_045)) + field(5, "Good") + field(6, "")
    )
    ingress = field(1, "198.18.100.1") + field(2, "") + field(3, "VIP") + field(4, field(1, 80) + field(2, "TCP"))
    status = field(1, field(1, ingress)) + field(2, condition)
    tree = read_protobuf(enveloped(field(1, field(1, "web")) + field(3, status)), Service)
    port = {"port": 80, "protocol": "TCP"}
    assert tree["status"]["loadBalancer"] == {"ingress": [{"ip": "198.18.100.1", "ipMode": "VIP", "ports": [port]}]}
    (told,) = tree["status"]["conditions"]
    assert (told["observedGeneration"], told["lastTransitionTime"], told["message"]) == (2, "2026-01-02T03:04:05Z", "")


def test_an_event() -> None:
    about = field(1, "Service") + field(2, "default") + field(3, "web")
    raw = field(2, about) + field(3, "Noticed") + field(6, field(1, 1_767_323_045)) + field(8, 3) + field(10, b"")
    tree = read_protobuf(enveloped(raw, kind="Event"), Event)
    assert tree["involvedObject"] == {"kind": "Service", "namespace": "default", "name": "web"}
    assert (tree["firstTimestamp"], tree["count"], "eventTime" in tree) == ("2026-01-02T03:04:05Z", 3, False)
