from __future__ import annotations

from moorage.datapath import netlink
from moorage.datapath.netlink import Reply
from moorage.datapath.nft.messages import Table, delete_table, list_elements, read_chains, read_layout
from moorage.model.net import Family

TABLE = Table(Family.IPV4, "moorage")


def test_tables_and_chains_are_found_by_name() -> None:
    ours = netlink.text(1, "moorage") + netlink.attribute(6, b"\0\x05abcd")
    other = netlink.text(1, "other")
    assert read_layout(TABLE, [Reply(0, 0, 2, other), Reply(0, 0, 2, ours)]) == b"\0\x05abcd"
    assert read_layout(TABLE, [Reply(0, 0, 2, netlink.text(1, "moorage"))]) == b""
    assert read_layout(TABLE, [Reply(0, 0, 2, other)]) is None
    chains = [netlink.text(1, name) + netlink.text(3, chain) for name, chain in (("moorage", "pick-1"), ("other", "pick-2"))]
    assert read_chains(TABLE, [Reply(0, 0, 2, each) for each in chains]) == {"pick-1"}


def test_requests_say_what_they_do() -> None:
    assert delete_table(TABLE).what == "delete table moorage (IPv4)"
    assert list_elements(Table(Family.IPV6, "moorage"), "backends").what == "list backends of moorage (IPv6)"
