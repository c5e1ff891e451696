from __future__ import annotations

from moorage.datapath.fake import FakeDatapath
from moorage.datapath.nft.elements import Element, frontend_key, slot_key
from moorage.datapath.nft.ledger import Ledger
from moorage.datapath.nft.stock import nothing, take_stock
from moorage.model.net import Family
from tests.datapath.contract import FULL
from tests.datapath.tables import frontend, table

KEY = frontend_key(frontend().match)
BACKEND = bytes([10, 244, 0, 1, 0, 80, 0, 0])


def test_what_was_applied_is_found_again() -> None:
    fake = FakeDatapath()
    fake.apply(FULL)
    found = {family: take_stock(held, ["services", "pick-3", "masq-pick-1"]) for family, held in fake.installed().items()}
    assert found[Family.IPV4].chains == {"pick-3", "masq-pick-1"}
    assert not any(each.strays for each in found.values())
    assert len(Ledger(found).plan(FULL)) == 0


def test_what_belongs_to_no_whole_entry_is_astray() -> None:
    found = {
        "frontends": [Element("frontends", KEY, b"pick-2")],
        "backends": [Element("backends", slot_key(KEY, 0), BACKEND), Element("backends", slot_key(KEY, 7), BACKEND)],
    }
    stock = take_stock(found, [])
    assert stock.entries == {}
    assert set(stock.strays) == {element for held in found.values() for element in held}


def test_strays_go_and_the_rest_stays() -> None:
    whole = [Element("frontends", KEY, b"pick-1")], [Element("backends", slot_key(KEY, 0), BACKEND)]
    foreign = Element("frontends", KEY[:-4] + b"\0\x51\0\0", b"somewhere")
    twice = Element("rejected", KEY)
    found = {"frontends": [*whole[0], foreign], "backends": whole[1], "rejected": [twice]}
    ledger = Ledger({**nothing(Family), Family.IPV4: take_stock(found, [])})
    assert ledger.installed[Family.IPV4].strays == (foreign, twice)
    plan = ledger.plan(table())
    assert plan.families[Family.IPV4].elements.removed == (foreign, twice, *whole[0], *whole[1])
    ledger.commit(plan)
    assert ledger.installed[Family.IPV4].strays == ()
