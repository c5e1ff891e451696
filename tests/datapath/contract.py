"""What every datapath does, whatever is below it. Run against the fake (tests/datapath) and the kernel (tests/kernel)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from moorage.datapath.nft.elements import Element
from moorage.datapath.types import Applied
from moorage.model.net import Family
from moorage.table.types import ForwardingTable, NoBackend, Scope
from tests.datapath.tables import SCTP, UDP, frontend, table


class Inspectable(Protocol):
    """A Datapath that shows its elements."""

    def start(self) -> None: ...
    def apply(self, table: ForwardingTable) -> Applied: ...
    def remove(self) -> None: ...
    def installed(self) -> Mapping[Family, Mapping[str, list[Element]]]: ...


FULL = table(
    frontend(backends=(1, 2, 3)),
    frontend(protocol=UDP, port=53, backends=(4,), masquerade=True),
    frontend("10.96.0.11", 80),
    frontend("198.18.0.5", 30080, protocol=SCTP, scope=Scope.ANYWHERE, without_backend=NoBackend.DROP),
    frontend("fd00:96::1", 443, backends=(7, 8)),
    sources=("10.244.0.0/16", "198.18.0.5/32", "fd00:244::/64"),
)

FULL_V4 = {
    "frontends 10.96.0.10 . tcp . 80 : pick-3",
    "backends 10.96.0.10 . tcp . 80 . 0 : 10.244.0.1 . 8080",
    "backends 10.96.0.10 . tcp . 80 . 1 : 10.244.0.2 . 8080",
    "backends 10.96.0.10 . tcp . 80 . 2 : 10.244.0.3 . 8080",
    "frontends 10.96.0.10 . udp . 53 : masq-pick-1",
    "backends 10.96.0.10 . udp . 53 . 0 : 10.244.0.4 . 8080",
    "rejected 10.96.0.11 . tcp . 80",
    "dropped 198.18.0.5 . sctp . 30080",
    "cluster_ips 10.96.0.10",
    "cluster_ips 10.96.0.11",
    "cluster_sources 10.244.0.0-10.244.255.255",
    "cluster_sources 198.18.0.5-198.18.0.5",
}
FULL_V6 = {
    "frontends fd00:96::1 . tcp . 443 : pick-2",
    "backends fd00:96::1 . tcp . 443 . 0 : fd00:244::7 . 8080",
    "backends fd00:96::1 . tcp . 443 . 1 : fd00:244::8 . 8080",
    "cluster_ips fd00:96::1",
    "cluster_sources fd00:244::-fd00:244::ffff:ffff:ffff:ffff",
}


def shown(datapath: Inspectable, family: Family = Family.IPV4) -> set[str]:
    return {str(each) for held in datapath.installed()[family].values() for each in held}


def holds_what_the_table_says(datapath: Inspectable) -> None:
    datapath.start()
    applied = datapath.apply(FULL)
    assert shown(datapath) == FULL_V4
    assert shown(datapath, Family.IPV6) == FULL_V6
    assert applied.operations == len(FULL_V4) + len(FULL_V6)


def does_nothing_the_second_time(datapath: Inspectable) -> None:
    datapath.start()
    datapath.apply(FULL)
    assert datapath.apply(FULL).operations == 0
    rebuilt = ForwardingTable(dict(FULL.services), cluster_sources=FULL.cluster_sources)
    assert datapath.apply(rebuilt).operations == 0


def touches_only_the_slots_that_differ(datapath: Inspectable) -> None:
    datapath.start()
    datapath.apply(table(frontend(backends=(1, 2, 3, 4))))
    assert datapath.apply(table(frontend(backends=(1, 3, 4)))).operations == 2 + 3
    assert {each for each in shown(datapath) if each.startswith("backends")} == {
        "backends 10.96.0.10 . tcp . 80 . 0 : 10.244.0.1 . 8080",
        "backends 10.96.0.10 . tcp . 80 . 1 : 10.244.0.4 . 8080",
        "backends 10.96.0.10 . tcp . 80 . 2 : 10.244.0.3 . 8080",
    }
    assert datapath.apply(table(frontend(backends=(1, 3, 5)))).operations == 2


def changes_between_serving_and_refusing(datapath: Inspectable) -> None:
    datapath.start()
    datapath.apply(table(frontend(backends=(1,))))
    datapath.apply(table(frontend()))
    assert shown(datapath) == {"rejected 10.96.0.10 . tcp . 80", "cluster_ips 10.96.0.10"}
    datapath.apply(table(frontend(without_backend=NoBackend.DROP)))
    assert shown(datapath) == {"dropped 10.96.0.10 . tcp . 80", "cluster_ips 10.96.0.10"}
    datapath.apply(table(frontend(backends=(1,), masquerade=True)))
    assert "frontends 10.96.0.10 . tcp . 80 : masq-pick-1" in shown(datapath)


def a_cluster_address_lives_as_long_as_its_last_frontend(datapath: Inspectable) -> None:
    datapath.start()
    first, second = frontend(port=80), frontend(port=81)
    datapath.apply(table(first, second))
    datapath.apply(table(first))
    assert "cluster_ips 10.96.0.10" in shown(datapath)
    datapath.apply(table())
    assert shown(datapath) == set()


def a_frontend_moves_between_services(datapath: Inspectable) -> None:
    datapath.start()
    moving, other = frontend(backends=(1,)), frontend(port=81, backends=(2,))
    datapath.apply(table(moving, other))
    before = shown(datapath)
    assert datapath.apply(table(other, moving)).operations == 0
    assert shown(datapath) == before


def sources_change(datapath: Inspectable) -> None:
    datapath.start()
    datapath.apply(table(sources=("10.0.0.0/9", "10.128.0.0/9", "10.3.0.0/16", "255.0.0.0/8")))
    wide = {"cluster_sources 10.0.0.0-10.255.255.255", "cluster_sources 255.0.0.0-255.255.255.255"}
    assert shown(datapath) == wide
    assert datapath.apply(table(sources=("0.0.0.0/0",))).operations == 3
    assert shown(datapath) == {"cluster_sources 0.0.0.0-255.255.255.255"}


def removes_everything(datapath: Inspectable) -> None:
    datapath.start()
    datapath.apply(FULL)
    datapath.remove()
    datapath.remove()
    datapath.start()
    assert shown(datapath) == set()
    assert datapath.apply(FULL).operations == len(FULL_V4) + len(FULL_V6)


CONTRACT = (
    holds_what_the_table_says,
    does_nothing_the_second_time,
    touches_only_the_slots_that_differ,
    changes_between_serving_and_refusing,
    a_cluster_address_lives_as_long_as_its_last_frontend,
    a_frontend_moves_between_services,
    sources_change,
    removes_everything,
)
