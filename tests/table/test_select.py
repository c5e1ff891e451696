from __future__ import annotations

import msgspec
import pytest

from moorage.model.net import Family, Protocol
from moorage.model.reason import Reason
from moorage.model.slices import EndpointConditions
from moorage.table.select import Candidates, State, Wanted, candidates, explain, ready_on, select
from moorage.table.topology import Near
from moorage.table.types import Backend, Choice
from tests.table.objects import GONE, READY, TERMINATING, UNREADY, endpoint, ip, slice_

A, B, C = (Backend.at(ip(f"10.244.0.{last}"), 8080, node) for last, node in ((1, "node-1"), (2, "node-2"), (3, "node-1")))


def known(a: dict[str, object], b: dict[str, object], c: dict[str, object]) -> Candidates:
    parts = zip((A, B, C), (a, b, c), strict=True)
    return read(slice_(*(endpoint(str(each.address), each.node, conditions) for each, conditions in parts)))


def read(*slices: object) -> Candidates:
    return candidates(slices, Wanted(Family.IPV4, "", Protocol.TCP))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ((None, None, None), State.READY),
        ((True, True, False), State.READY),
        ((True, True, True), State.READY),  # publishNotReadyAddresses keeps a terminating Pod ready
        ((False, True, True), State.SERVING_WHILE_TERMINATING),
        ((False, None, True), State.SERVING_WHILE_TERMINATING),
        ((False, False, True), State.UNREADY),
        ((False, True, False), State.UNREADY),
        ((False, True, None), State.UNREADY),
    ],
)
def test_the_state_of_an_endpoint(conditions: tuple[bool | None, ...], state: State) -> None:
    ready, serving, terminating = conditions
    assert State.of(EndpointConditions(ready=ready, serving=serving, terminating=terminating)) is state


@pytest.mark.parametrize(
    ("states", "local_to", "expected"),
    [
        ((READY, READY, UNREADY), None, Choice((A, B), Reason.FORWARDED)),
        ((READY, TERMINATING, READY), None, Choice((A, C), Reason.FORWARDED)),
        ((UNREADY, TERMINATING, GONE), None, Choice((B,), Reason.FORWARDED)),
        ((UNREADY, GONE, GONE), None, Choice((), Reason.NO_READY_ENDPOINT)),
        ((READY, READY, UNREADY), "node-1", Choice((A,), Reason.FORWARDED)),
        ((TERMINATING, READY, UNREADY), "node-1", Choice((A,), Reason.FORWARDED)),
        ((UNREADY, READY, UNREADY), "node-1", Choice((), Reason.NO_LOCAL_ENDPOINT)),
        ((UNREADY, TERMINATING, UNREADY), "node-1", Choice((), Reason.NO_LOCAL_ENDPOINT)),
        ((UNREADY, UNREADY, UNREADY), "node-1", Choice((), Reason.NO_READY_ENDPOINT)),
        ((READY, READY, READY), "node-3", Choice((), Reason.NO_LOCAL_ENDPOINT)),
    ],
)
def test_selection(states: tuple[dict[str, object], ...], local_to: str | None, expected: Choice) -> None:
    assert select(known(*states), local_to) == expected


def test_every_endpoint_is_explained() -> None:
    assert explain(known(READY, TERMINATING, UNREADY)) == (
        (A, Reason.ENDPOINT_READY),
        (B, Reason.ENDPOINT_TERMINATING),
        (C, Reason.ENDPOINT_NOT_READY),
    )
    assert explain(known(TERMINATING, READY, UNREADY), "node-1") == (
        (A, Reason.ENDPOINT_TERMINATING_FALLBACK),
        (B, Reason.ENDPOINT_NOT_LOCAL),
        (C, Reason.ENDPOINT_NOT_READY),
    )


def test_hints_leave_out_ready_endpoints_of_other_zones_and_say_so() -> None:
    east, west = ({"hints": {"forZones": [{"name": zone}], "forNodes": [{"name": zone}]}} for zone in ("east", "west"))
    found = read(
        slice_(
            endpoint("10.244.0.1", "node-1", READY) | east,
            endpoint("10.244.0.2", "node-2", READY) | west,
            endpoint("10.244.0.3", "node-1", UNREADY) | west,
        )
    )
    assert select(found, near=Near("node-1", "east")) == Choice((A,), Reason.FORWARDED, Reason.SAME_ZONE)
    assert [reason for _, reason in explain(found, near=Near("node-1", "east"))] == [
        Reason.ENDPOINT_READY, Reason.ENDPOINT_OTHER_ZONE, Reason.ENDPOINT_NOT_READY
    ]  # fmt: skip
    assert select(found, near=Near("west", "east")) == Choice((B,), Reason.FORWARDED, Reason.SAME_NODE)
    assert explain(found, near=Near("west", "east"))[0] == (A, Reason.ENDPOINT_OTHER_NODE)
    assert select(found, "node-1", Near("west", "west")) == Choice((A,), Reason.FORWARDED)
    assert select(found, near=Near("node-3", "south")).backends == (A, B)


def test_hints_that_leave_out_nobody_narrow_nothing() -> None:
    found = read(slice_(endpoint("10.244.0.1") | {"hints": {"forZones": [{"name": "east"}]}}))
    assert select(found, near=Near("node-1", "east")) == Choice((A,), Reason.FORWARDED)


def test_an_address_in_two_slices_counts_once_with_its_better_state() -> None:
    one = slice_(endpoint("10.244.0.1", "node-1", UNREADY), endpoint("10.244.0.2", "node-2"), name="web-1")
    two = slice_(endpoint("10.244.0.1", "node-1", READY), endpoint("10.244.0.2", "node-2", GONE), name="web-2")
    assert select(read(one, two)) == select(read(two, one)) == Choice((A, B), Reason.FORWARDED)


def test_ports_match_by_name_and_protocol_and_slices_by_family() -> None:
    slices = [
        slice_(endpoint("10.244.0.1"), name="web-1", port_name="http", port=8080),
        slice_(endpoint("10.244.0.2"), name="web-2", port_name="http", port=9090),
        slice_(endpoint("10.244.0.3"), name="web-3", port_name="dns", protocol="UDP", port=53),
        slice_(endpoint("10.244.0.4"), name="web-4", port_name="http", protocol="", port=70),
        slice_(endpoint("fd00::1"), name="web-5", port_name="http", family="IPv6"),
        slice_(endpoint("example.com"), name="web-6", port_name="http", family="FQDN"),
    ]
    found = candidates(slices, Wanted(Family.IPV4, "http", Protocol.TCP))
    assert [(str(each.backend.address), each.backend.port) for each in found.endpoints] == [
        ("10.244.0.1", 8080),
        ("10.244.0.2", 9090),
        ("10.244.0.4", 70),
    ]
    six = candidates(slices, Wanted(Family.IPV6, "http", Protocol.TCP))
    assert [str(each.backend.address) for each in six.endpoints] == ["fd00::1"]
    assert not candidates(slices, Wanted(Family.IPV4, "dns", Protocol.TCP)).endpoints
    assert found.notes == ()


def test_what_cannot_be_used_is_left_out_and_noted() -> None:
    broken = slice_(endpoint("10.244.0.1"), endpoint("fd00::1"), {"addresses": []}, endpoint("10.244.0.01"))
    found = read(broken)
    assert select(found).backends == (A,)
    (note,) = found.notes
    assert note.reason is Reason.INVALID_OBJECT
    assert note.message.startswith("EndpointSlice default/web-1 is left out in part: 3 of its endpoints have no IPv4 address")
    assert note.message.endswith('the first says "fd00::1"')


@pytest.mark.parametrize(("port", "said"), [(None, "no port number"), (0, "port 0, which is"), (65536, "port 65536, which is")])
def test_a_slice_port_without_a_usable_number(port: int | None, said: str) -> None:
    found = read(slice_(endpoint("10.244.0.1"), port=port))
    assert found.endpoints == ()
    assert said in found.notes[0].message


def test_ports_can_be_given_in_place_of_the_slices() -> None:
    broken = slice_(endpoint("10.244.0.1"), port=None)
    for port in (0, 1000):
        (found,) = candidates([broken], Wanted(Family.IPV4, "", Protocol.TCP, port)).endpoints
        assert found.backend.port == port


def weighted(weight: str, *endpoints: dict[str, object], name: str = "web-1") -> object:
    made = slice_(*endpoints, name=name)
    return msgspec.structs.replace(
        made, metadata=msgspec.structs.replace(made.metadata, annotations={"moorage.dev/weight": weight})
    )


def test_an_endpoint_of_weight_zero_is_left_out_and_says_so() -> None:
    found = read(weighted("0", endpoint("10.244.0.1", "node-1")), slice_(endpoint("10.244.0.2", "node-2"), name="web-2"))
    assert [str(each) for each in select(found).backends] == ["10.244.0.2:8080"]
    assert [reason for _, reason in explain(found)] == [Reason.ENDPOINT_WEIGHT_ZERO, Reason.ENDPOINT_READY]
    alone = read(weighted("0", endpoint("10.244.0.1", "node-1")))
    assert len(select(alone).backends) == 1
    assert [reason for _, reason in explain(alone)] == [Reason.ENDPOINT_READY]


def test_a_weight_that_is_none_is_noted_and_counts_as_one() -> None:
    found = read(weighted("heavy", endpoint("10.244.0.1")))
    assert [each.weight for each in select(found).backends] == [1]
    assert 'its annotation moorage.dev/weight is "heavy"' in found.notes[0].message


def test_ready_endpoints_of_a_node_are_counted_by_address() -> None:
    found = read(
        slice_(endpoint("10.244.0.1", "node-1"), endpoint("10.244.0.2", "node-1", TERMINATING), endpoint("10.244.0.3", "b"))
    )
    assert ready_on(found, "node-1") == {ip("10.244.0.1").packed}
