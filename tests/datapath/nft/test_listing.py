"""A listing of a map that grows meanwhile is repeated."""

from __future__ import annotations

import socket

import pytest

from moorage.datapath.netlink import Message, Reply
from moorage.datapath.netlink_io import Netlink
from moorage.datapath.nft import listing_io
from moorage.datapath.nft.listing_io import ATTEMPTS, listed
from moorage.datapath.nft.messages import Table
from moorage.model.errors import HostError
from moorage.model.net import Family

TABLE = Table(Family.IPV4, "moorage")


class Telling(Netlink):
    """A kernel that tells one listing after the other, and the last again and again."""

    def __init__(self, *listings: bytes) -> None:
        self._listings = list(listings)
        self.asked = 0

    def dump(self, request: Message) -> list[Reply]:
        assert request.what == "list backends of moorage (IPv4)"
        self.asked += 1
        found = self._listings.pop(0) if len(self._listings) > 1 else self._listings[0]
        return [Reply(0, 0, socket.AF_INET, found[:2]), Reply(0, 0, socket.AF_INET, found[2:])]


def read(listing: list[Reply]) -> bytes:
    """An element for each byte."""
    return b"".join(each.body for each in listing)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_io, "PAUSE", 0.0)


def ask(kernel: Netlink) -> bytes:
    found: list[int] = listed(kernel, TABLE, "backends", read, hash)
    return bytes(found)


def test_a_listing_in_which_nothing_comes_twice_is_whole() -> None:
    kernel = Telling(b"abcd")
    assert ask(kernel) == b"abcd"
    assert kernel.asked == 1


def test_one_in_which_something_comes_twice_lacks_something_and_is_repeated() -> None:
    kernel = Telling(b"abba", b"cbad")
    assert ask(kernel) == b"cbad"
    assert kernel.asked == 2


def test_a_map_that_does_not_come_to_rest_is_an_error() -> None:
    kernel = Telling(b"aba")
    with pytest.raises(HostError, match=r"list backends of moorage \(IPv4\): it kept changing"):
        ask(kernel)
    assert kernel.asked == ATTEMPTS
