from __future__ import annotations

from moorage.datapath import netlink
from moorage.datapath.netlink import Reply
from moorage.datapath.nft.chains import OPENED
from moorage.datapath.nft.messages import Table
from moorage.datapath.nft.program import difference, in_order, list_rules, read_program
from moorage.model.net import Family

TABLE = Table(Family.IPV4, "moorage")


def chain(name: str, hook: bytes = b"", table: str = "moorage") -> Reply:
    body = netlink.text(1, table) + netlink.text(3, name) + (netlink.attribute(4, hook) if hook else b"")
    return Reply(0, 0, 2, body)


def rule(name: str, expressions: bytes, handle: int = 1, table: str = "moorage") -> Reply:
    body = (
        netlink.text(1, table)
        + netlink.text(2, name)
        + netlink.attribute(3, bytes([handle]))
        + netlink.attribute(4, expressions)
    )
    return Reply(0, 0, 2, body)


def test_a_program_is_its_chains_with_their_hooks_and_rules_in_order() -> None:
    chains = [chain("a", b"hook"), chain("b"), chain("c", table="other")]
    rules = [rule("a", b"one", 5), rule("a", b"two", 3), rule("c", b"x", table="other")]
    assert read_program(TABLE, chains, rules) == {"a": (b"hook", b"one", b"two"), "b": (b"",)}
    assert read_program(TABLE, chains, [rule("a", b"one", 9), rules[1]]) == read_program(TABLE, chains, rules)


def test_what_differs_is_named() -> None:
    right = {"a": (b"", b"1"), "b": (b"", b"2"), "c": (b"",)}
    found = {"a": (b"", b"1"), "b": (b"", b"2", b"3"), "mine": (b"",), OPENED: (b"",)}
    assert list(difference(right, right)) == []
    assert list(difference(right, found)) == ["chain b has other rules", "chain c is missing", "chain mine is not ours"]


def test_chains_are_made_after_those_that_they_lead_to() -> None:
    names = [
        "masq-pick-2-keep-60",
        "pick-1-inside-2-keep-60",
        "services",
        "pick-2-keep-60",
        "inside-pick-2-keep-60",
        "known-60",
    ]
    assert in_order(names) == [
        "known-60", "inside-pick-2-keep-60", "pick-2-keep-60", "pick-1-inside-2-keep-60", "masq-pick-2-keep-60"
    ]  # fmt: skip


def test_the_request_says_what_it_is_for() -> None:
    assert list_rules(Family.IPV6).what == "list the rules of IPv6"
