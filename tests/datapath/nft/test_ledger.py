from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.datapath.conntrack import Moved, echo_place
from moorage.datapath.fake import FakeDatapath
from moorage.datapath.nft.elements import place
from moorage.datapath.nft.ledger import FamilyPlan, Installed, Ledger, nothing
from moorage.model.meta import Key
from moorage.model.net import Family, Protocol
from moorage.table.types import ForwardingTable, Frontend
from tests.datapath.contract import FULL, shown
from tests.datapath.tables import CLUSTER_IP, LOAD_BALANCER, SCTP, TCP, UDP, backend, frontend, node_port, table


def after(*tables: ForwardingTable) -> FamilyPlan:
    """The IPv4 plan for the last table, the others being applied."""
    ledger = Ledger(nothing())
    for each in tables[:-1]:
        ledger.commit(ledger.plan(each))
    return ledger.plan(tables[-1]).families[Family.IPV4]


def test_planning_changes_nothing() -> None:
    ledger = Ledger(nothing())
    assert str(ledger.plan(FULL)) == str(ledger.plan(FULL))
    ledger.commit(ledger.plan(FULL))
    assert len(ledger.plan(FULL)) == 0
    assert str(ledger.plan(FULL)) == ""


def test_a_plan_can_be_read() -> None:
    ledger = Ledger(nothing())
    ledger.commit(ledger.plan(table(frontend(backends=(1,)))))
    assert str(ledger.plan(table(frontend(backends=(1, 2, 3), masquerade=True)))).splitlines() == [
        "IPv4: add chain pick-3",
        "IPv4: add chain masq-pick-3",
        "IPv4: delete frontends 10.96.0.10 . tcp . 80 : pick-1",
        "IPv4: add frontends 10.96.0.10 . tcp . 80 : masq-pick-3",
        "IPv4: add backends 10.96.0.10 . tcp . 80 . 1 : 10.244.0.2 . 8080",
        "IPv4: add backends 10.96.0.10 . tcp . 80 . 2 : 10.244.0.3 . 8080",
    ]


def test_chains_are_made_when_they_are_needed() -> None:
    one, two = table(frontend(backends=(1,))), table(frontend(backends=(1, 2), masquerade=True))
    assert after(one).chains == ("pick-1",)
    assert after(one, two).chains == ("pick-2", "masq-pick-2")
    assert after(one, two, one).chains == ()
    assert after(table(frontend())).chains == ()


def test_only_services_that_are_other_objects_are_looked_at() -> None:
    kept, changed = (frontend(backends=(1,)),), (frontend(port=81, backends=(1,)),)
    before = ForwardingTable({Key("a", "kept"): kept, Key("a", "changed"): changed})
    now = ForwardingTable({Key("a", "kept"): kept, Key("a", "changed"): (frontend(port=81, backends=(2,)),)})
    assert set(after(before, now).entries) == {place(changed[0].match)}


def test_frontends_that_lose_a_backend_may_leave_flows_behind() -> None:
    both, one = table(frontend(backends=(1, 2))), table(frontend(backends=(2,)))
    at, last = place(frontend().match), backend(2).endpoint
    assert after(both, one).moved == {at: Moved(frozenset({last}))}
    assert after(one, both).moved == {}
    assert after(one, table()).moved == {at: Moved(frozenset())}
    assert after(one, table(frontend())).moved == {at: Moved(frozenset())}


@pytest.mark.parametrize("protocol", [TCP, UDP, SCTP])
def test_before_the_first_backend_packets_were_passed_on_untranslated(protocol: Protocol) -> None:
    moved = after(table(frontend(protocol=protocol)), table(frontend(protocol=protocol, backends=(1,)))).moved
    assert moved == {place(frontend(protocol=protocol).match): Moved(frozenset({backend(1).endpoint}))}


def test_echo_requests_go_elsewhere_when_who_answers_them_changes() -> None:
    own = "198.18.0.5", "198.18.0.6"
    served, empty = table(frontend(backends=(1,)), own=own[:1]), table(frontend(), own=own[:1])
    at = echo_place(Family.IPV4, frontend().match.address.packed)
    here, there = (Moved(frozenset({ip_address(each).packed + bytes(2)})) for each in own)
    assert after(empty, served).moved[at] == here
    assert after(served, table(frontend(backends=(1,)), own=own[1:])).moved[at] == there
    assert after(served, empty).moved[at] == Moved(frozenset())
    assert after(served, table(own=own[:1])).moved[at] == Moved(frozenset())
    assert at not in after(served, table(frontend(backends=(1, 2)), own=own[:1])).moved
    assert [after(each).moved[at] for each in (served, empty)] == [here, Moved(frozenset())]


def test_at_first_every_flow_may_be_stale() -> None:
    served = table(frontend(protocol=UDP, backends=(1,)), frontend(backends=(1,)), node_port(protocol=UDP))
    expected = {place(each.match) for each in served.frontends()}
    assert set(after(served).moved) == expected


def test_where_nobody_knows_what_the_maps_hold_everything_is_written_anew() -> None:
    ledger = Ledger({family: Installed(chains={"pick-3", "masq-pick-1"}, unknown=True) for family in Family})
    plan = ledger.plan(FULL)
    first = plan.families[Family.IPV4]
    assert first.elements.anew
    assert first.elements.stages() == (first.elements,)
    assert str(first.elements).splitlines()[0] == "delete everything"
    assert "pick-3" not in first.chains
    assert "guarded-masq-pick-1" in first.chains
    ledger.commit(plan)
    later = ledger.plan(table(frontend(backends=(1,)))).families[Family.IPV4]
    assert not later.elements.anew
    assert later.elements.removed


def test_a_range_tells_its_ports() -> None:
    ranged = frontend("198.18.0.1", 1000, UDP, (1,), last=1999)
    (moved,) = after(table(ranged)).moved.values()
    assert moved == Moved(frozenset({backend(1, port=0).endpoint}), (1000, 1999))


FRONTENDS = st.builds(
    frontend,
    address=st.sampled_from(["10.96.0.1", "10.96.0.2", "fd00:96::1"]),
    port=st.sampled_from([80, 81]),
    backends=st.lists(st.integers(1, 5), unique=True).map(lambda numbers: tuple(sorted(numbers))),
    masquerade=st.booleans(),
    kind=st.sampled_from([CLUSTER_IP, LOAD_BALANCER]),
    affinity=st.sampled_from([0, 60]),
    inside=st.sampled_from([None, (1,), (1, 2)]),
    dropped=st.booleans(),
    consistent=st.booleans(),
)
TABLES = st.lists(
    st.tuples(st.sampled_from("abc"), FRONTENDS),
    unique_by=lambda named: (named[1].match.address, named[1].match.port),
    max_size=6,
)


def grouped(named: list[tuple[str, Frontend]]) -> ForwardingTable:
    services: dict[Key, tuple[Frontend, ...]] = {}
    for name, each in named:
        services[Key("default", name)] = (*services.get(Key("default", name), ()), each)
    return ForwardingTable(services)


def without_numbers(fake: FakeDatapath) -> list[str]:
    """Slots and seats depend on the way; what is in them does not."""
    lines = sorted(shown(fake) | shown(fake, Family.IPV6))
    bare = []
    for line in lines:
        name, _, rest = line.partition(" ")
        key, _, value = rest.partition(" : ")
        key = key.rpartition(" . ")[0] if name in ("backends", "seats") else key
        bare.append(f"{name} {key} : {'' if name == 'seats' else value}")
    return sorted(bare)


@settings(max_examples=60)
@given(st.lists(TABLES, min_size=1, max_size=5))
def test_the_way_to_a_table_does_not_matter(histories: list[list[tuple[str, Frontend]]]) -> None:
    walked, direct = FakeDatapath(), FakeDatapath()
    for named in histories:
        walked.apply(grouped(named))
    direct.apply(grouped(histories[-1]))
    assert without_numbers(walked) == without_numbers(direct)
    walked.apply(ForwardingTable())
    assert not shown(walked) | shown(walked, Family.IPV6)
