"""A watch in protobuf tells what one in JSON does."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.client.binary import FOLLOWED, decode_frame
from moorage.client.frames import LIMIT, Frames
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Condition, ManagedFieldsEntry, Object, ObjectMeta
from moorage.model.ports import BOOKMARK, DELETED, WatchEvent
from moorage.model.protobuf_numbers import EMBEDDED, NUMBERS
from moorage.model.service import Service
from moorage.model.slices import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from moorage.model.wire import ApiType
from tests.model.protobuf_writer import enveloped, event, field, framed

NOT_THERE: dict[type[ApiType], set[str]] = {Condition: {"observedGeneration", "lastHeartbeatTime", "lastProbeTime"}}
"""Fields that the types of ours have and those of Kubernetes, whose place they take, have not."""

SLICE = EndpointSlice(
    api_version="discovery.k8s.io/v1",
    kind="EndpointSlice",
    metadata=ObjectMeta(name="web-1", namespace="shop", resource_version="7", labels={"kubernetes.io/service-name": "web"}),
    address_type="IPv4",
    endpoints=(
        Endpoint(addresses=("10.244.1.1",), conditions=EndpointConditions(ready=True, serving=True), node_name="node-1"),
        Endpoint(addresses=("10.244.2.1",), conditions=EndpointConditions(ready=False), zone="zone-1"),
    ),
    ports=(EndpointPort(name="http", protocol="TCP", port=8080),),
)


def cut(data: bytes) -> list[bytes]:
    return list(Frames().feed(data))


def test_an_event_is_the_object_that_it_tells_of() -> None:
    (frame,) = cut(event(DELETED, SLICE))
    assert decode_frame(frame, EndpointSlice) == WatchEvent(DELETED, SLICE)


def test_a_bookmark_has_a_version() -> None:
    (frame,) = cut(event(BOOKMARK, Service(metadata=ObjectMeta(resource_version="42"))))
    found = decode_frame(frame, Service)
    assert (found.type, found.obj.metadata.resource_version, found.obj.kind) == (BOOKMARK, "42", "Service")


def test_of_the_owners_of_fields_those_of_a_services_status_are_kept() -> None:
    owners = (
        ManagedFieldsEntry(manager="kubectl", fields_v1=msgspec.Raw(b"{}")),
        ManagedFieldsEntry(manager="metallb", subresource="status", fields_v1=msgspec.Raw(b'{"f:status":{}}')),
    )
    (frame,) = cut(event("MODIFIED", Service(metadata=ObjectMeta(name="web", managed_fields=owners))))
    kept = decode_frame(frame, Service).obj.metadata.managed_fields
    assert kept is not None
    assert [(each.manager, bytes(each.fields_v1)) for each in kept] == [("metallb", b'{"f:status":{}}')]


def test_an_error_is_raised_with_its_code_and_reason() -> None:
    details = field(4, field(1, "Cause") + field(2, "why")) + field(5, 3)
    status = field(2, "Failure") + field(3, "too old resource version: 1 (9)") + field(4, "Expired") + field(5, details)
    (frame,) = cut(framed("ERROR", enveloped(status + field(6, 410), "v1", "Status")))
    with pytest.raises(ApiError, match="too old resource version") as caught:
        decode_frame(frame, Service)
    assert (caught.value.code, caught.value.reason, caught.value.retry_after) == (410, "Expired", 3.0)


@pytest.mark.parametrize("frame", [b"", b"{}", field(1, "ADDED"), field(1, "ADDED") + field(2, field(1, b"k8s"))])
def test_what_is_no_event_is_a_failure_of_the_server(frame: bytes) -> None:
    with pytest.raises(HostError, match="no watch event of services"):
        decode_frame(frame, Service)


@given(st.lists(st.binary(max_size=9), max_size=5), st.integers(1, 7))
def test_frames_come_out_whole_however_they_arrive(frames: list[bytes], size: int) -> None:
    stream = b"".join(len(each).to_bytes(4, "big") + each for each in frames)
    splitter = Frames()
    assert [each for at in range(0, len(stream), size) for each in splitter.feed(stream[at : at + size])] == frames


def test_a_length_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(HostError, match="this is no protobuf stream"):
        Frames().feed((LIMIT + 1).to_bytes(4, "big"))


@pytest.mark.parametrize("type_", sorted(FOLLOWED, key=str), ids=lambda each: each.__name__)
def test_nothing_that_a_kind_has_is_lost(type_: type[Object]) -> None:
    """A watch in this encoding tells as much as one in JSON."""
    lost: dict[str, set[str]] = {}
    for each in reachable(type_):
        inner = {name for fields in EMBEDDED.get(each, {}).values() for name in fields.values()}
        names = {one.encode_name for one in msgspec.structs.fields(each)} - {"kind", "apiVersion"}
        if missing := names - set(NUMBERS[each].values()) - inner - NOT_THERE.get(each, set()):
            lost[each.__name__] = missing
    assert not lost


def reachable(type_: type[ApiType]) -> set[type[ApiType]]:
    found, left = set(), [type_]
    while left:
        each = left.pop()
        if each not in found:
            found.add(each)
            hints = typing.get_type_hints(each)
            names = {one.name for one in msgspec.structs.fields(each) if one.encode_name in NUMBERS[each].values()}
            leaves = (leaf for name in names for leaf in leaves_of(hints[name]))
            left += [leaf for leaf in leaves if isinstance(leaf, type) and issubclass(leaf, ApiType)]
    return found


def leaves_of(hint: Any) -> set[Any]:
    arguments = typing.get_args(hint)
    return set().union(*map(leaves_of, arguments)) if arguments else {hint}
