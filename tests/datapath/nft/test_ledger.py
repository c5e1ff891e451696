from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.datapath.fake import FakeDatapath
from moorage.datapath.nft.elements import endpoint_value, frontend_key
from moorage.datapath.nft.ledger import FamilyPlan, Ledger
from moorage.datapath.nft.stock import nothing
from moorage.model.meta import Key
from moorage.model.net import Family
from moorage.table.types import ForwardingTable, Frontend, Scope
from tests.datapath.contract import FULL, shown
from tests.datapath.tables import TCP, UDP, backend, frontend, table


def after(*tables: ForwardingTable) -> FamilyPlan:
    """The IPv4 plan for the last table, the others being applied."""
    ledger = Ledger(nothing(Family))
    for each in tables[:-1]:
        ledger.commit(ledger.plan(each))
    return ledger.plan(tables[-1]).families[Family.IPV4]


def test_planning_changes_nothing() -> None:
    ledger = Ledger(nothing(Family))
    assert str(ledger.plan(FULL)) == str(ledger.plan(FULL))
    ledger.commit(ledger.plan(FULL))
    assert len(ledger.plan(FULL)) == 0
    assert str(ledger.plan(FULL)) == ""


def test_a_plan_can_be_read() -> None:
    ledger = Ledger(nothing(Family))
    ledger.commit(ledger.plan(table(frontend(backends=(1,)))))
    assert str(ledger.plan(table(frontend(backends=(1, 2, 3), masquerade=True)))).splitlines() == [
        "IPv4: add chain masq-pick-3",
        "IPv4: delete frontends 10.96.0.10 . tcp . 80 : pick-1",
        "IPv4: add frontends 10.96.0.10 . tcp . 80 : masq-pick-3",
        "IPv4: add backends 10.96.0.10 . tcp . 80 . 1 : 10.244.0.2 . 8080",
        "IPv4: add backends 10.96.0.10 . tcp . 80 . 2 : 10.244.0.3 . 8080",
    ]


def test_chains_are_prepared_once_and_then_made_as_needed() -> None:
    one, nine = table(frontend(backends=(1,))), table(frontend(backends=tuple(range(1, 10)), masquerade=True))
    assert after(one).chains == tuple(f"pick-{count}" for count in range(1, 10))
    assert after(one, nine).chains == ("masq-pick-9",)
    assert after(one, table(frontend(backends=tuple(range(1, 11))))).chains == ("pick-10",)
    assert after(one, nine, one).chains == ()
    assert after(table(frontend())).chains == ()
    many = after(table(frontend(backends=tuple(range(1, 201))))).chains
    assert len(many) == 128 + 1
    assert "pick-200" in many


def test_only_services_that_are_other_objects_are_looked_at() -> None:
    kept, changed = (frontend(backends=(1,)),), (frontend(port=81, backends=(1,)),)
    before = ForwardingTable({Key("a", "kept"): kept, Key("a", "changed"): changed})
    now = ForwardingTable({Key("a", "kept"): kept, Key("a", "changed"): (frontend(port=81, backends=(2,)),)})
    assert set(after(before, now).entries) == {frontend_key(changed[0].match)}


def test_frontends_that_lose_a_backend_may_leave_flows_behind() -> None:
    both, one = table(frontend(backends=(1, 2))), table(frontend(backends=(2,)))
    key, last = frontend_key(frontend().match), endpoint_value(backend(2).address.packed, 8080)
    assert after(both, one).moved == {key: frozenset({last})}
    assert after(one, both).moved == {}
    assert after(one, table()).moved == {key: frozenset()}
    assert after(one, table(frontend())).moved == {key: frozenset()}


def test_the_first_backend_matters_to_udp_flows_only() -> None:
    for protocol, expected in ((TCP, 0), (UDP, 1)):
        assert (
            len(after(table(frontend(protocol=protocol)), table(frontend(protocol=protocol, backends=(1,)))).moved) == expected
        )


FRONTENDS = st.builds(
    frontend,
    address=st.sampled_from(["10.96.0.1", "10.96.0.2", "fd00:96::1"]),
    port=st.sampled_from([80, 81]),
    backends=st.lists(st.integers(1, 5), unique=True).map(lambda numbers: tuple(sorted(numbers))),
    masquerade=st.booleans(),
    scope=st.sampled_from(Scope),
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


def without_slots(fake: FakeDatapath) -> set[str]:
    lines = shown(fake) | shown(fake, Family.IPV6)
    return {line.rsplit(" . ", 3)[0] + line.split(" : ")[1] if line.startswith("backends") else line for line in lines}


@settings(max_examples=60)
@given(st.lists(TABLES, min_size=1, max_size=5))
def test_the_way_to_a_table_does_not_matter(histories: list[list[tuple[str, Frontend]]]) -> None:
    walked, direct = FakeDatapath(), FakeDatapath()
    for named in histories:
        walked.apply(grouped(named))
    direct.apply(grouped(histories[-1]))
    assert without_slots(walked) == without_slots(direct)
    walked.apply(ForwardingTable())
    assert not shown(walked) | shown(walked, Family.IPV6)
