"""The speaker's program on a real bridge: it answers ARP and NDP for addresses that no interface has."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from moorage.announce.wish import State, View, Wanted, Wish
from moorage.model.net import Address
from tests.kernel.lan import VIP, VIP6, WRONG_MAC, Lan, eventually
from tests.kernel.needs import needs_root

pytestmark = [pytest.mark.kernel, needs_root]

SECONDS = 10.0
PEERS = {"one": ("198.18.0.1",), "two": ("198.18.0.2",)}


class Program:
    """A speaker in a namespace, and what it said last."""

    def __init__(self, namespace: str, name: str) -> None:
        command = ["ip", "netns", "exec", namespace, sys.executable, "-m", "moorage.run.speaker", "node", name]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.state = State()
        self._said = b""

    def wish(self, wish: Wish) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(msgspec.json.encode(wish) + b"\n")
        self.child.stdin.flush()

    def holds(self, *addresses: Address) -> bool:
        """Whether it comes to hold exactly these."""
        return self.comes_to(lambda state: set(state.held) == set(map(str, addresses)))

    def comes_to(self, holds: object) -> bool:
        assert callable(holds)
        end = time.monotonic() + SECONDS
        while not holds(self.state):
            if time.monotonic() > end:
                return False
            self._hear()
        return True

    def _hear(self) -> None:
        assert self.child.stdout is not None
        if select.select([self.child.stdout], [], [], 0.1)[0]:
            *lines, self._said = (self._said + os.read(self.child.stdout.fileno(), 1 << 16)).split(b"\n")
            if lines:
                self.state = msgspec.json.decode(lines[-1], type=State)

    def close(self) -> None:
        with self.child:
            self.child.kill()


@contextmanager
def speaking(*names: str) -> Iterator[list[Program]]:
    programs = [Program(f"mt-{os.getpid()}-{name}", name) for name in names]
    try:
        yield programs
    finally:
        for each in programs:
            each.close()


def wish(name: str, *members: str, **more: object) -> Wish:
    wanted = tuple(Wanted(str(each), ("one", "two"), ("eth0",)) for each in (VIP, VIP6))
    fields: dict[str, object] = {
        "peers": PEERS,
        "wanted": wanted,
        "view": View(1, members or ("one",)),
        "healthy": True,
        **more,
    }
    return Wish(name, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("vip", [VIP, VIP6], ids=["ipv4", "ipv6"])
def test_a_neighbour_learns_an_address_that_no_interface_has(lan: Lan, vip: Address) -> None:
    with speaking("one") as (one,):
        lan.neighbour.believe(vip, WRONG_MAC)
        one.wish(wish("one"))
        assert one.holds(VIP, VIP6)
        assert eventually(lambda: lan.neighbour.neighbour(vip) == lan.one.mac), "not told of the takeover"
        lan.two.source_towards(vip)
        assert eventually(lambda: lan.two.neighbour(vip) == lan.one.mac), "not answered"
        assert not any(str(each) in text for each in (VIP, VIP6) for text in lan.one.addresses())


def test_what_is_not_wished_for_or_not_healthy_is_not_answered(lan: Lan) -> None:
    with speaking("one") as (one,):
        one.wish(wish("one"))
        assert one.holds(VIP, VIP6)
        one.wish(wish("one", healthy=False))
        assert one.holds()
        lan.neighbour.source_towards(VIP)
        time.sleep(0.3)
        assert lan.neighbour.neighbour(VIP) is None


def test_the_next_run_goes_on_at_once_and_the_last_one_ends(lan: Lan) -> None:
    with speaking("one") as (first,):
        first.wish(wish("one"))
        assert first.holds(VIP, VIP6)
        with speaking("one") as (second,):
            assert first.child.wait(SECONDS) == 0
            assert second.holds(VIP, VIP6)
            assert second.state.taken == 2
            second.wish(wish("one", leaving=True))
            assert second.child.wait(SECONDS) == 0


def test_one_that_is_left_alone_of_three_answers_for_nothing(lan: Lan) -> None:
    with speaking("one", "two") as (one, two):
        for name, each in (("one", one), ("two", two)):
            each.wish(wish(name, "one", "two", "three"))  # the third never runs
        assert one.comes_to(lambda state: state.authority)
        assert two.comes_to(lambda state: state.authority and len(state.peers) == 2)
        assert eventually(lambda: answered_once(lan))
        two.child.kill()
        assert one.comes_to(lambda state: not state.authority), "one of three is no majority"
        assert one.holds()


def answered_once(lan: Lan) -> bool:
    lan.neighbour.source_towards(VIP)
    return lan.neighbour.neighbour(VIP) in (lan.one.mac, lan.two.mac)
