from __future__ import annotations

import struct

from moorage.datapath import netlink
from moorage.datapath.nft.interference import Interference, Watcher
from moorage.model.net import Family

OURS, NFT = 100, 4711
TABLE = netlink.text(1, "moorage")


def told(kind: int, body: bytes, port: int = NFT, family: int = 2) -> bytes:
    """A message as the kernel tells it: the header carries the port id of whoever made the change."""
    message = bytearray(netlink.message(netlink.SUBSYSTEM_NFTABLES << 8 | kind, 0, family, body))
    struct.pack_into("=I", message, 12, port)
    return bytes(message)


def generation(port: int = NFT, name: str = "nft") -> bytes:
    return told(15, netlink.be32(1, 7) + netlink.be32(2, port) + netlink.text(3, name), port, 0)


def read(*datagrams: bytes) -> list[Interference]:
    return list(Watcher("moorage").read(datagrams, {OURS}))


def test_who_did_what_in_one_transaction() -> None:
    element, rule = told(14, TABLE + netlink.text(2, "frontends")), told(8, TABLE + netlink.text(2, "services"))
    (found,) = read(element + element + rule, generation())
    changes = ("deleted an element of frontends (2 times)", "deleted a rule of services")
    assert found == Interference("nft", NFT, changes)
    assert str(found) == f"nft (process {NFT}) {', '.join(changes)}"


def test_changes_of_our_own_are_nothing_and_end_with_their_transaction() -> None:
    ours = told(12, TABLE + netlink.text(2, "frontends"), OURS)
    theirs = told(2, TABLE)
    found = read(ours, generation(OURS), theirs + generation())
    assert found == [Interference("nft", NFT, ("deleted the table",))]


def test_other_tables_and_other_families_are_nothing() -> None:
    assert read(told(2, netlink.text(1, "moorage-2")), generation()) == []
    assert read(told(2, TABLE, family=int(netlink.NFPROTO[Family.IPV4]) - 1), generation()) == []
    assert read(generation(), b"", b"short") == []


def test_a_transaction_may_come_in_pieces() -> None:
    watcher = Watcher("moorage")
    assert list(watcher.read([told(3, TABLE + netlink.text(3, "mine"))], {OURS})) == []
    (found,) = watcher.read([generation(name="")], {OURS})
    assert str(found) == f"a program (process {NFT}) added chain mine"


def test_a_long_list_is_cut() -> None:
    rules = b"".join(told(8, TABLE + netlink.text(2, f"chain-{number}")) for number in range(5))
    (found,) = read(rules, generation())
    assert str(found).endswith("deleted a rule of chain-2 and 2 more changes")
    assert str(Interference("a program", 0, ("deleted the table",))) == "somebody deleted the table"
