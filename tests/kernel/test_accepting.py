"""Addresses that the kernel takes in, and that nobody but the speaker answers for."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from ipaddress import IPv4Address
from types import SimpleNamespace

import pytest

from moorage.announce import accepting_io, arp
from moorage.announce.accepting_io import Accepting
from moorage.lab import netns_io
from moorage.model.net import Address
from tests.kernel.lan import VIP, VIP6, Lan, Machine, eventually
from tests.kernel.needs import needs_root
from tests.table.objects import ip

pytestmark = [pytest.mark.kernel, needs_root]

SECOND, THIRD = ip("198.18.100.2"), ip("198.18.100.3")
ONE, NEIGHBOUR = IPv4Address("198.18.0.1"), IPv4Address("198.18.0.100")
BOTH = pytest.mark.parametrize("vip", [VIP, VIP6], ids=["ipv4", "ipv6"])
_TRANSPARENT = {4: (socket.IPPROTO_IP, 19), 6: (socket.IPPROTO_IPV6, 75)}
"""IP_TRANSPARENT and IPV6_TRANSPARENT, as HAProxy sets it."""


def accept(machine: Machine, *addresses: Address, may_stay: Iterable[Address] = (), by: Accepting | None = None) -> None:
    machine.run(lambda: (by or Accepting()).accept(addresses, may_stay))


def shown(machine: Machine, *command: str, check: bool = True) -> str:
    return machine.execute(lambda: subprocess.run(["ip", *command], capture_output=True, text=True, check=check).stdout)


def routes(machine: Machine) -> set[str]:
    """`ip` fails where there is no such table."""
    both = "".join(shown(machine, each, "route", "show", "table", "7577", check=False) for each in ("-4", "-6"))
    return {each.split()[1] for each in both.splitlines()}


def rules(machine: Machine) -> int:
    """How many there are that look into the table."""
    return shown(machine, "rule").count(" 7577") + shown(machine, "-6", "rule").count(" 7577")


def family(address: Address) -> socket.AddressFamily:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def serve(machine: Machine, vip: Address) -> socket.socket:
    """Tells whoever connects from where it comes."""

    def listen() -> socket.socket:
        made = socket.socket(family(vip), socket.SOCK_STREAM)
        made.setsockopt(*_TRANSPARENT[vip.version], 1)
        made.bind((str(vip), 80))
        made.listen()
        return made

    def answer() -> None:
        while True:
            try:
                came, peer = listening.accept()
            except OSError:
                return
            with came:
                came.send(peer[0].encode())

    listening = machine.execute(listen)
    threading.Thread(target=answer, daemon=True).start()
    return listening


def connect(machine: Machine, vip: Address) -> str:
    def talk() -> str:
        with socket.socket(family(vip), socket.SOCK_STREAM) as asking:
            asking.settimeout(3)
            asking.connect((str(vip), 80))
            return asking.recv(100).decode()

    return machine.execute(talk)


@BOTH
def test_the_kernel_does_not_answer_for_it(lan: Lan, vip: Address) -> None:
    accept(lan.one, vip)
    lan.neighbour.source_towards(vip)
    assert not eventually(lambda: lan.neighbour.neighbour(vip) is not None, 1.0)


def test_the_kernel_would_answer_for_a_route_of_the_table_local(lan: Lan) -> None:
    """Why there is a table of our own."""
    shown(lan.one, "route", "add", "local", str(VIP), "dev", "lo")
    lan.neighbour.source_towards(VIP)
    assert eventually(lambda: lan.neighbour.neighbour(VIP) == lan.one.mac)


@BOTH
def test_who_has_learnt_where_it_is_is_served(lan: Lan, vip: Address) -> None:
    accept(lan.one, vip)
    lan.neighbour.believe(vip, lan.one.mac)
    with closing(serve(lan.one, vip)) as listening:
        assert ip(connect(lan.neighbour, vip)) in (NEIGHBOUR, ip("2001:db8::100:1"))
        assert connect(lan.one, vip), "this machine itself"
        listening.shutdown(socket.SHUT_RDWR)


def test_the_kernel_does_not_ask_in_its_name(lan: Lan) -> None:
    """An answer from the address is what makes it ask; neighbours would learn the address from the question."""
    accept(lan.one, VIP)
    lan.neighbour.believe(VIP, lan.one.mac)
    shown(lan.one, "neigh", "flush", "all")
    with netns_io.inside(lan.neighbour.namespace):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(arp.ETHERTYPE))
    with wire, closing(serve(lan.one, VIP)) as listening:
        wire.settimeout(3)
        connect(lan.neighbour, VIP)
        heard = arp.read(wire.recv(2048))
        while heard is None or not heard.asks or heard.mac.hex(":") != lan.one.mac:
            heard = arp.read(wire.recv(2048))
        assert (heard.sender, heard.target) == (ONE, NEIGHBOUR)
        listening.shutdown(socket.SHUT_RDWR)


def test_our_own_connections_do_not_come_from_it(lan: Lan) -> None:
    accept(lan.one, VIP, VIP6)
    assert lan.one.source_towards(NEIGHBOUR) == str(ONE)
    assert lan.one.source_towards(ip("2001:db8::100:1")) == "2001:db8::1:1"


def test_exactly_the_wanted_ones_and_those_that_may_stay_are_accepted(lan: Lan) -> None:
    before, accepting = lan.one.addresses(), Accepting()
    accept(lan.one, VIP, SECOND, VIP6, by=accepting)
    assert routes(lan.one) == {str(VIP), str(SECOND), str(VIP6)}
    assert rules(lan.one) == 4
    assert lan.one.addresses() == before, "no interface has any"
    accept(lan.one, THIRD, may_stay=[SECOND, THIRD], by=accepting)
    assert routes(lan.one) == {str(SECOND), str(THIRD)}
    assert rules(lan.one) == 2
    assert lan.one.run(accepting.release) == (SECOND, THIRD)
    assert (routes(lan.one), rules(lan.one)) == (set(), 0)
    assert lan.one.run(accepting.release) == ()


def test_what_a_crashed_run_left_is_taken_over_or_away_and_others_are_not_touched(lan: Lan) -> None:
    accept(lan.one, VIP, SECOND)
    shown(lan.one, "route", "add", "local", str(THIRD), "dev", "lo", "table", "7577")
    shown(lan.one, "rule", "add", "priority", "99", "lookup", "7577")
    accept(lan.one, may_stay=[VIP])
    assert routes(lan.one) == {str(VIP), str(THIRD)}
    lan.one.run(Accepting().release)
    assert routes(lan.one) == {str(THIRD)}
    assert rules(lan.one) == 1


def test_what_others_take_away_comes_back(lan: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    """As systemd-networkd does with rules when it starts."""
    accepting = Accepting()
    assert accepting.look_in is None
    accept(lan.one, VIP, SECOND, by=accepting)
    shown(lan.one, "rule", "del", "table", "7577")
    shown(lan.one, "rule", "del", "table", "7577")
    shown(lan.one, "route", "flush", "table", "7577")
    accept(lan.one, VIP, may_stay=[SECOND], by=accepting)
    assert (routes(lan.one), rules(lan.one)) == (set(), 0), "the kernel is not asked with every change"
    later = time.monotonic() + accepting_io.LOOK
    monkeypatch.setattr(accepting_io, "time", SimpleNamespace(monotonic=lambda: later))
    assert accepting.look_in == 0.0
    accept(lan.one, VIP, may_stay=[SECOND], by=accepting)
    assert (routes(lan.one), rules(lan.one)) == ({str(VIP), str(SECOND)}, 2)
