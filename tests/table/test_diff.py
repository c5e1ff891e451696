from __future__ import annotations

import msgspec

from moorage.model.meta import Key
from moorage.model.net import Protocol
from moorage.table.diff import diff
from moorage.table.types import ForwardingTable, Frontend, FrontendAddress, Scope, TableChange
from tests.table.objects import ip, net

A, B, C = (Frontend(FrontendAddress(ip(f"10.96.0.{last}"), Protocol.TCP, 80), Scope.CLUSTER, ()) for last in (1, 2, 3))
B2 = msgspec.structs.replace(B, masquerade=True)
ONE, TWO = Key("default", "one"), Key("default", "two")
TABLE = ForwardingTable({ONE: (A, B), TWO: (C,)}, {}, (net("10.244.0.0/16"),))


def table(**services: tuple[Frontend, ...]) -> ForwardingTable:
    return ForwardingTable({Key("default", name): each for name, each in services.items()}, {}, TABLE.cluster_sources)


def test_equal_tables_differ_in_nothing() -> None:
    assert not diff(TABLE, TABLE)
    assert not diff(TABLE, table(two=(C,), one=(A, B)))
    assert not diff(TABLE, msgspec.structs.replace(TABLE, verdicts={}))


def test_from_nothing_and_to_nothing() -> None:
    empty = ForwardingTable()
    assert diff(empty, TABLE) == TableChange((), ((None, A), (None, B), (None, C)), TABLE.cluster_sources)
    assert diff(TABLE, empty) == TableChange((A, B, C), (), ())


def test_only_what_differs() -> None:
    assert diff(TABLE, table(one=(A, B2), two=(C,))) == TableChange((), ((B, B2),))


def test_added_and_removed_services() -> None:
    assert diff(table(one=(A,)), table(one=(A,), two=(C,))) == TableChange((), ((None, C),))
    assert diff(table(one=(A,), two=(C,)), table(one=(A,))) == TableChange((C,))
    assert diff(table(one=(A,), two=(C,)), table(two=(C,))) == TableChange((A,))


def test_an_address_that_changes_its_service_is_changed_not_removed() -> None:
    assert diff(table(one=(A, B), two=(C,)), table(one=(A,), two=(C, B2))) == TableChange((), ((B, B2),))
    assert not diff(table(one=(A, B), two=(C,)), table(two=(C, B), one=(A,)))


def test_cluster_sources() -> None:
    moved = msgspec.structs.replace(TABLE, cluster_sources=(net("10.0.0.0/8"),))
    assert diff(TABLE, moved) == TableChange(cluster_sources=(net("10.0.0.0/8"),))
    assert diff(moved, msgspec.structs.replace(TABLE, cluster_sources=())) == TableChange(cluster_sources=())
