from __future__ import annotations

from ipaddress import ip_network

import pytest

from moorage.datapath.fake import FakeDatapath
from moorage.datapath.nft.elements import Element, numbered, place
from moorage.datapath.nft.ledger import Ledger
from moorage.datapath.nft.stock import nothing, take_stock
from moorage.model.net import Family
from moorage.table.types import ForwardingTable
from tests.datapath.contract import FULL, shown
from tests.datapath.tables import UDP, frontend, node_port, table

KEY = place(frontend().match).key
BACKEND = bytes([10, 244, 0, 1, 0x1F, 0x90, 0, 0])
SOURCES = (ip_network("192.0.2.0/24"), ip_network("198.51.100.7/32"))


def after(applied: ForwardingTable, without: str = "") -> Ledger:
    """A ledger of what a datapath that has applied the table holds, except for one element."""
    fake = FakeDatapath()
    fake.apply(applied)
    found = {
        family: {name: [each for each in held if str(each) != without] for name, held in of_family.items()}
        for family, of_family in fake.installed().items()
    }
    return Ledger({family: take_stock(held, []) for family, held in found.items()})


def test_what_was_applied_is_found_again() -> None:
    fake = FakeDatapath()
    fake.apply(FULL)
    found = {family: take_stock(held, ["services", "pick-3", "masq-pick-1"]) for family, held in fake.installed().items()}
    assert found[Family.IPV4].chains == {"pick-3", "masq-pick-1"}
    assert not any(each.strays for each in found.values())
    assert len(Ledger(found).plan(FULL)) == 0


def lines() -> list[str]:
    fake = FakeDatapath()
    fake.apply(FULL)
    return sorted(shown(fake) | shown(fake, Family.IPV6))


@pytest.mark.parametrize("missing", lines())
def test_any_element_that_is_missing_is_written_again(missing: str) -> None:
    plan = after(FULL, missing).plan(FULL)
    added = [str(each) for family in plan.families.values() for each in family.elements.additions()]
    removed = [str(each) for family in plan.families.values() for each in family.elements.removed]
    assert missing in added
    assert missing not in removed


def test_what_belongs_to_no_whole_entry_is_astray() -> None:
    found = {
        "frontends": [Element("frontends", KEY, b"pick-2")],
        "backends": [Element("backends", numbered(KEY, 0), BACKEND), Element("backends", numbered(KEY, 7), BACKEND)],
    }
    stock = take_stock(found, [])
    assert stock.entries == {}
    assert set(stock.strays) == {element for held in found.values() for element in held}


def test_strays_go_and_the_rest_stays() -> None:
    whole = [Element("frontends", KEY, b"pick-1")], [Element("backends", numbered(KEY, 0), BACKEND)]
    foreign = Element("frontends", KEY[:-4] + b"\0\x51\0\0", b"somewhere")
    twice = Element("rejected", KEY)
    found = {"frontends": [*whole[0], foreign], "backends": whole[1], "rejected": [twice]}
    ledger = Ledger({**nothing(Family), Family.IPV4: take_stock(found, [])})
    assert set(ledger.installed[Family.IPV4].strays) == {foreign, twice}
    plan = ledger.plan(table(frontend(backends=(1,))))
    assert set(plan.families[Family.IPV4].elements.removed) == {foreign, twice}
    ledger.commit(plan)
    assert ledger.installed[Family.IPV4].strays == ()


def test_a_verdict_of_another_space_is_astray() -> None:
    found = {"frontends": [Element("frontends", KEY, b"node-port-pick-1")]}
    assert take_stock(found, []).strays == tuple(found["frontends"])


def test_ranges_sources_and_both_sides_are_found_again() -> None:
    wanted = table(
        frontend("198.18.0.1", 1000, UDP, (1, 2), last=1999, sources=SOURCES),
        node_port(dropped=True, inside=(1, 2), affinity=60),
        frontend("fd00:96::1", 53, UDP, (1,), sources=(ip_network("2001:db8::/32"),)),
    )
    assert len(after(wanted).plan(wanted)) == 0
