from __future__ import annotations

from ipaddress import ip_address

from moorage.datapath.counts import Amount, Counts, Pair, Sent
from moorage.model.meta import Key
from moorage.model.net import Protocol
from moorage.observe.traffic import Owner, Places, Tally, Traffic
from moorage.table.types import ForwardingTable
from tests.datapath.tables import TCP, UDP, frontend, node_port, table

VIP, NODE, ENDPOINT, OTHER = (ip_address(each).packed for each in ("10.96.0.10", "198.18.0.5", "10.244.0.1", "10.244.0.2"))
TO_VIP, TO_NODE = Sent(VIP, 6, 80), Sent(NODE, 6, 30080)
ONE = Key("default", "service-0")
WEB = Owner(ONE, "80", TCP)
SERVED = table(frontend(backends=(1,)))


def counts(connections: int, packets: int, sent: Sent = TO_VIP, endpoint: bytes = ENDPOINT) -> Counts:
    pair = Pair(sent, endpoint)
    return Counts({pair: connections}, {pair: Amount(packets, packets * 100)}, {pair: Amount(packets, packets * 1000)})


def tally(connections: int, packets: int) -> Tally:
    return Tally(connections, Amount(packets, packets * 100), Amount(packets, packets * 1000))


def test_a_service_has_what_its_frontends_have_and_an_endpoint_its_own() -> None:
    both = ForwardingTable({ONE: (frontend(backends=(1, 2), port_name="web"), node_port(backends=(1, 2), port_name="web"))})
    one, other = counts(2, 20), counts(1, 10, TO_NODE, OTHER)
    traffic = Traffic()
    merged = Counts(*({**getattr(one, name), **getattr(other, name)} for name in ("connections", "requests", "replies")))
    assert traffic.read(merged, both) == []
    web = Owner(ONE, "web", TCP)
    assert traffic.services() == {web: tally(3, 30)}
    assert traffic.endpoints() == {(web, ip_address(ENDPOINT)): tally(2, 20), (web, ip_address(OTHER)): tally(1, 10)}


def test_a_pair_without_replies_counts_too() -> None:
    traffic = Traffic()
    traffic.read(Counts(requests={Pair(TO_VIP, ENDPOINT): Amount(1, 60)}), SERVED)
    assert traffic.services() == {WEB: Tally(0, Amount(1, 60))}


def test_a_gone_endpoint_is_forgotten_when_it_rests_and_its_service_keeps_the_number() -> None:
    traffic, without = Traffic(), table(frontend(backends=(2,)))
    assert traffic.read(counts(1, 10), SERVED) == []
    assert traffic.read(counts(1, 12), without) == []
    assert traffic.read(counts(1, 12), without) == [Pair(TO_VIP, ENDPOINT)]
    assert traffic.read(Counts(), without) == []
    assert traffic.services() == {WEB: tally(1, 12)}
    assert traffic.endpoints() == {}


def test_an_endpoint_that_is_there_is_not_forgotten() -> None:
    traffic = Traffic()
    assert [traffic.read(counts(1, 10), SERVED) for _ in range(3)] == [[], [], []]
    inside = table(node_port(backends=(), inside=(1,)))
    assert [traffic.read(counts(1, 10, TO_NODE), inside) for _ in range(3)] == [[], [], []]


def test_the_numbers_of_a_service_end_with_it() -> None:
    traffic = Traffic()
    traffic.read(counts(1, 10), SERVED)
    traffic.read(Counts(), table())
    assert traffic.services() == {}


def test_a_service_that_is_gone_still_owns_what_drains() -> None:
    traffic = Traffic()
    traffic.read(counts(1, 10), SERVED)
    assert traffic.read(counts(1, 11), table()) == []
    assert traffic.services() == {WEB: tally(1, 11)}


def test_what_the_kernel_counts_anew_is_added() -> None:
    traffic = Traffic()
    for reading in (counts(5, 50), counts(1, 10), counts(2, 20)):
        traffic.read(reading, SERVED)
    assert traffic.services() == {WEB: tally(7, 70)}


def test_refusals_belong_to_a_port_or_to_nobody() -> None:
    traffic = Traffic()
    refused = {TO_VIP: Amount(2, 120), Sent(VIP, 6, 81): Amount(1, 60), Sent(VIP, 17, 81): Amount(3, 90)}
    traffic.read(Counts(refusals=refused), SERVED)
    assert traffic.refusals() == {WEB: Amount(2, 120), None: Amount(4, 150)}


def test_places_are_found_as_packets_find_them() -> None:
    ranged = frontend("198.18.0.5", 30000, last=30100, backends=(1,))
    places = Places(ForwardingTable({ONE: (frontend(protocol=UDP), node_port(30080), node_port(30081, family=6), ranged)}))
    found = {port: places.owner(Sent(NODE, 6, port)) for port in (30000, 30080, 30100, 30101)}
    assert [each.port if each else None for each in found.values()] == ["30000", "30080", "30000", None]
    assert places.owner(Sent(ip_address("::1").packed, 6, 30081)) == Owner(ONE, "30081", TCP)
    assert places.owner(Sent(VIP, Protocol.UDP.number, 80)) == Owner(ONE, "80", UDP)
    assert places.owner(TO_VIP) is None


def test_tallies_add_up() -> None:
    assert tally(1, 2).plus(tally(3, 4)) == tally(4, 6)
