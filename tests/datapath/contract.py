"""What every datapath does, whatever is below it. Run against the fake (tests/datapath) and the kernel (tests/kernel)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Protocol

from moorage.datapath.nft.elements import Element
from moorage.datapath.types import Applied
from moorage.model.net import Family
from moorage.table.types import AddressKind, Choice, ForwardingTable, Frontend
from tests.datapath.tables import LOAD_BALANCER, SCTP, UDP, backend, frontend, node_port, table


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
    frontend("198.18.100.5", 80, protocol=SCTP, kind=LOAD_BALANCER, dropped=True),
    frontend("198.18.100.6", 80, kind=LOAD_BALANCER, backends=(1,), masquerade=True, sources=(ip_network("192.0.2.0/24"),)),
    frontend("198.18.100.6", 10000, UDP, (1, 2), LOAD_BALANCER, last=10999),
    frontend("198.18.100.6", 20000, SCTP, (), AddressKind.EXTERNAL_IP, last=20001),
    node_port(30080, backends=(1,), inside=(1, 2), affinity=600),
    node_port(30081, dropped=True, inside=(3,)),
    frontend("fd00:96::1", 443, backends=(7, 8), affinity=60),
    sources=("10.244.0.0/16", "198.18.0.5/32", "fd00:244::/64"),
    own=("198.18.0.5",),
    pods_here=("10.244.0.0/24",),
    node_port_addresses=("198.18.0.5/32", "127.0.0.0/8", "::1/128"),
    service_cidrs=("10.96.0.0/16",),
)

FULL_V4 = {
    "frontends 10.96.0.10 . tcp . 80 : pick-3",
    "backends 10.96.0.10 . tcp . 80 . 0 : 10.244.0.1 . 8080",
    "backends 10.96.0.10 . tcp . 80 . 1 : 10.244.0.2 . 8080",
    "backends 10.96.0.10 . tcp . 80 . 2 : 10.244.0.3 . 8080",
    "frontends 10.96.0.10 . udp . 53 : masq-pick-1",
    "backends 10.96.0.10 . udp . 53 . 0 : 10.244.0.4 . 8080",
    "rejected 10.96.0.11 . tcp . 80",
    "dropped 198.18.100.5 . sctp . 80",
    "frontends 198.18.100.6 . tcp . 80 : guarded-masq-pick-1",
    "backends 198.18.100.6 . tcp . 80 . 0 : 10.244.0.1 . 8080",
    "admitted 198.18.100.6 . tcp . 80 . 192.0.2.0-192.0.2.255",
    "range_frontends 198.18.100.6 . udp . 10000-10999 : range-pick-2",
    "range_backends 198.18.100.6 . udp . 0 : 10.244.0.1",
    "range_backends 198.18.100.6 . udp . 1 : 10.244.0.2",
    "range_rejected 198.18.100.6 . sctp . 20000-20001",
    "node_port_frontends tcp . 30080 : node-port-pick-1-inside-2-keep-600",
    "node_port_seats tcp . 30080 . 0 : 949",
    "node_port_seats tcp . 30080 . 32768 : 33717",
    "node_port_seats tcp . 30080 . 32769 : 48620",
    "node_port_backends tcp . 30080 . 949 : 10.244.0.1 . 8080",
    "node_port_backends tcp . 30080 . 33717 : 10.244.0.1 . 8080",
    "node_port_backends tcp . 30080 . 48620 : 10.244.0.2 . 8080",
    "node_port_frontends tcp . 30081 : node-port-pick-0-inside-1",
    "node_port_backends tcp . 30081 . 32768 : 10.244.0.3 . 8080",
    "node_port_dropped tcp . 30081",
    "cluster_ips 10.96.0.10",
    "cluster_ips 10.96.0.11",
    "load_balancer_ips 198.18.100.5",
    "load_balancer_ips 198.18.100.6",
    "pings 10.96.0.10 : 198.18.0.5",
    "pings 198.18.100.6 : 198.18.0.5",
    "unreachable 10.96.0.11",
    "unreachable 198.18.100.5",
    "cluster_sources 10.244.0.0-10.244.255.255",
    "cluster_sources 198.18.0.5",
    "pods_here 10.244.0.0-10.244.0.255",
    "node_port_addresses 127.0.0.0-127.255.255.255",
    "node_port_addresses 198.18.0.5",
    "service_cidrs 10.96.0.0-10.96.255.255",
}
FULL_V6 = {
    "frontends fd00:96::1 . tcp . 443 : pick-2-keep-60",
    "seats fd00:96::1 . tcp . 443 . 0 : 16973",
    "seats fd00:96::1 . tcp . 443 . 1 : 1392",
    "backends fd00:96::1 . tcp . 443 . 16973 : fd00:244::7 . 8080",
    "backends fd00:96::1 . tcp . 443 . 1392 : fd00:244::8 . 8080",
    "cluster_ips fd00:96::1",
    "cluster_sources fd00:244::-fd00:244::ffff:ffff:ffff:ffff",
    "node_port_addresses ::1",
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
    rebuilt = ForwardingTable(dict(FULL.services), locality=FULL.locality)
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
    about = {"cluster_ips 10.96.0.10", "unreachable 10.96.0.10"}
    assert shown(datapath) == {"rejected 10.96.0.10 . tcp . 80", *about}
    datapath.apply(table(frontend(dropped=True)))
    assert shown(datapath) == {"dropped 10.96.0.10 . tcp . 80", *about}
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


def an_address_answers_pings_while_one_of_its_ports_has_a_backend(datapath: Inspectable) -> None:
    datapath.start()
    served, empty = frontend(port=80, backends=(1,)), frontend(port=81)
    datapath.apply(table(served, empty, own=("198.18.0.5",)))
    assert "pings 10.96.0.10 : 198.18.0.5" in shown(datapath)
    datapath.apply(table(served, empty, own=("198.18.0.6",)))
    assert "pings 10.96.0.10 : 198.18.0.6" in shown(datapath)
    datapath.apply(table(empty, own=("198.18.0.6",)))
    assert {each for each in shown(datapath) if each.startswith(("pings", "unreachable"))} == {"unreachable 10.96.0.10"}
    datapath.apply(table(served))
    assert not any(each.startswith(("pings", "unreachable")) for each in shown(datapath))


def seats_stay_with_their_backends(datapath: Inspectable) -> None:
    """Slots are closed up, seats are not: a client's memory stays true while others come and go."""
    datapath.start()
    datapath.apply(table(frontend(backends=(1, 2, 3), affinity=60)))
    kept = {each for each in shown(datapath) if each.startswith("backends") and not each.endswith("10.244.0.1 . 8080")}
    assert len(kept) == 2
    datapath.apply(table(frontend(backends=(2, 3), affinity=60)))
    assert {each for each in shown(datapath) if each.startswith("backends")} == kept
    datapath.apply(table(frontend(backends=(2, 3, 4), affinity=60)))
    (new,) = {each for each in shown(datapath) if each.startswith("backends")} - kept
    assert new.endswith("10.244.0.4 . 8080")
    assert sum(each.startswith("seats") for each in shown(datapath)) == 3


def weights_are_numbers_of_slots(datapath: Inspectable) -> None:
    datapath.start()
    two = Choice((backend(1, weight=4), backend(2, weight=2)))
    datapath.apply(table(Frontend(frontend().match, AddressKind.CLUSTER_IP, two)))
    assert [each.split(" : ")[1] for each in sorted(shown(datapath)) if each.startswith("backends")] == [
        "10.244.0.1 . 8080",
        "10.244.0.1 . 8080",
        "10.244.0.2 . 8080",
    ]


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
    an_address_answers_pings_while_one_of_its_ports_has_a_backend,
    seats_stay_with_their_backends,
    weights_are_numbers_of_slots,
    removes_everything,
)
