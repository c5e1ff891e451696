"""Rows are those of `pkg/api/v1/endpoints/util_test.go` (TestPackSubsets) and of TestTruncateEndpoints."""

from __future__ import annotations

import pytest

from moorage.control.subsets import repacked, truncated
from moorage.model.endpoints import EndpointAddress, EndpointSubset, SubsetPort
from moorage.model.meta import ObjectReference

A, B = "1.2.3.4", "5.6.7.8"


def subset(ready: str = "", waiting: str = "", *ports: int) -> EndpointSubset:
    """Addresses divided by blanks; `ADDRESS=UID` targets a Pod."""
    return EndpointSubset(
        addresses=tuple(map(address, ready.split())),
        not_ready_addresses=tuple(map(address, waiting.split())),
        ports=tuple(SubsetPort(port=each) for each in ports),
    )


def address(text: str) -> EndpointAddress:
    ip, equals, uid = text.partition("=")
    return EndpointAddress(ip=ip, target_ref=ObjectReference(kind="Pod", uid=uid) if equals else None)


Subsets = list[EndpointSubset]
ROWS: list[tuple[str, Subsets, Subsets]] = [
    ("empty everything", [subset()], []),
    ("empty addresses", [subset("", "", 111)], []),
    ("empty ports", [subset(A)], [subset(A)]),
    ("empty ports, not ready", [subset("", A)], [subset("", A)]),
    ("one set, one ip, one port (IPv6)", [subset("beef::1:2:3:4", "", 111)], [subset("beef::1:2:3:4", "", 111)]),
    ("one set, one ip, one UID, one port", [subset(f"{A}=uid-1", "", 111)], [subset(f"{A}=uid-1", "", 111)]),
    ("one set, two mixed ips, one port", [subset(A, B, 111)], [subset(A, B, 111)]),
    ("one set, two duplicate ips, one port, notReady is covered by ready", [subset(A, A, 111)], [subset("", A, 111)]),
    ("one set, one ip, two ports", [subset(A, "", 111, 222)], [subset(A, "", 111, 222)]),
    ("one set, dup ips, one port", [subset(f"{A} {A}", "", 111)], [subset(A, "", 111)]),
    (
        "one set, dup ips with target-refs, one port",
        [subset(f"{A}=foo {A}=bar", "", 111)],
        [subset(f"{A}=bar {A}=foo", "", 111)],
    ),
    ("one set, one ip, dup ports", [subset(A, "", 111, 111)], [subset(A, "", 111)]),
    ("two sets, dup ip, dup port", [subset(A, "", 111), subset(A, "", 111)], [subset(A, "", 111)]),
    ("two sets, dup ip, two ports", [subset(A, "", 111), subset(A, "", 222)], [subset(A, "", 111, 222)]),
    ("two sets, two ips, dup port", [subset(A, "", 111), subset(B, "", 111)], [subset(f"{A} {B}", "", 111)]),
    ("two sets, two ips, two mixed ports", [subset(A, "", 111), subset("", B, 222)], [subset(A, "", 111), subset("", B, 222)]),
    (
        "four sets, three ips, three ports, jumbled",
        [subset(A, "", 111), subset("1.2.3.5", "", 222), subset("1.2.3.6", "", 111), subset("1.2.3.5", "", 333)],
        [subset(f"{A} 1.2.3.6", "", 111), subset("1.2.3.5", "", 222, 333)],
    ),
    (
        "four sets, three mixed ips, three ports, jumbled",
        [subset(A, "", 111), subset("", "1.2.3.5", 222), subset("1.2.3.6", "", 111), subset("", "1.2.3.5", 333)],
        [subset(f"{A} 1.2.3.6", "", 111), subset("", "1.2.3.5", 222, 333)],
    ),
]


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_canonical_form(given: Subsets, expected: Subsets) -> None:
    assert list(repacked(given)) == expected
    assert repacked(repacked(given)) == repacked(reversed(given)) == tuple(expected)


CUTS: list[tuple[str, list[int], list[int], list[int], list[int], bool]] = [
    ("empty", [], [], [], [], False),
    ("total < max", [50, 100, 100], [50, 100, 100], [50, 100, 100], [50, 100, 100], False),
    ("total = max", [100] * 5, [100] * 5, [100] * 5, [100] * 5, False),
    (
        "ready < max, total > max",
        [90, 110, 50, 10, 20], [101, 200, 200, 201, 298], [90, 110, 50, 10, 20], [73, 144, 144, 145, 214], True,
    ),
    ("ready > max", [205, 400, 402, 400, 693], [100, 200, 200, 200, 300], [98, 191, 192, 191, 328], [0] * 5, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ready", "waiting", "kept", "waiting_kept", "cut"), [row[1:] for row in CUTS], ids=[row[0] for row in CUTS]
)
def test_truncation(ready: list[int], waiting: list[int], kept: list[int], waiting_kept: list[int], cut: bool) -> None:
    given = tuple(
        EndpointSubset(addresses=(EndpointAddress(ip=A),) * one, not_ready_addresses=(EndpointAddress(ip=B),) * two)
        for one, two in zip(ready, waiting, strict=True)
    )
    made, over = truncated(given)
    assert over is cut
    assert [len(each.addresses) for each in made] == kept
    assert [len(each.not_ready_addresses) for each in made] == waiting_kept
