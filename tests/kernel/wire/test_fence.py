"""What `collect` gives is complete, at once, and nothing comes later; and when it cannot be, it says so."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from moorage.model.net import Address, Family
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.topology import Namespace
from tests.kernel.wire.frames import Kind
from tests.kernel.wire.local import WireError
from tests.kernel.wire.node import KEPT, WireNode
from tests.kernel.wire.packets import Packet, Transport
from tests.kernel.wire.plan import NODE, PODS, pod
from tests.kernel.wire.rules import VIP, load, refuse, translate

pytestmark = [pytest.mark.kernel, needs_root]

V4 = Family.IPV4
OUTSIDE: dict[Family, Address] = {V4: ip_address("198.51.100.7"), Family.IPV6: ip_address("2001:db8:9::7")}
TRANSPORTS, FAMILIES = tuple(Transport), tuple(Family)
QUIET = 0.2
"""Seconds in which a late frame would show."""

FLOOD = """
import socket
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        out.sendto(bytes(100), ("127.0.0.1", 9))
    except ConnectionRefusedError:
        pass
"""


def mixed(first: int, count: int) -> Iterator[tuple[str, Packet]]:
    """Packets of all families and transports, from all links to all links and to the node, each with its own identity."""
    for number in range(first, first + count):
        family, transport = FAMILIES[number % 2], TRANSPORTS[number // 2 % 4]
        sender = number // 8 % (len(PODS) + 1)
        link, source = ("lan", OUTSIDE[family]) if sender == 0 else (f"pod{sender + 1}", pod(sender + 1, family))
        receiver = number // 72 % (len(PODS) + 2)
        destination = (OUTSIDE[family], NODE[family], *(pod(each, family) for each in PODS))[receiver]
        yield link, Packet(source, destination, transport, 1024 + number % 60000, 80, number)


def out_of(packet: Packet) -> str:
    family = Family.of(packet.source)
    if packet.destination == NODE[family]:
        return KEPT
    return next((f"pod{number}" for number in PODS if packet.destination == pod(number, family)), "lan")


def check_batch(wire: WireNode, first: int, count: int) -> None:
    """Each packet is out exactly once, at the right place, when `collect` returns."""
    batch = list(mixed(first, count))
    wire.inject_many(batch)
    found = sorted((each.packet.identity, each.link) for each in wire.collect() if each.packet.kind is Kind.PACKET)
    assert found == [(packet.identity, out_of(packet)) for _, packet in batch]


@contextmanager
def neighbour_that_floods() -> Iterator[None]:
    """A process on the same CPU that sends packets as fast as it can, in a namespace of its own."""
    elsewhere = Namespace(unique_instance("flood"))
    try:
        flood = elsewhere.run(lambda: subprocess.Popen([sys.executable, "-c", FLOOD]))
        try:
            yield
            assert flood.poll() is None
        finally:
            flood.kill()
            flood.wait()
    finally:
        elsewhere.close()


def test_twenty_thousand_packets_come_out_and_none_later(wire: WireNode) -> None:
    check_batch(wire, 1, 20_000)
    deadline = time.monotonic() + QUIET
    while (left := deadline - time.monotonic()) > 0 and wire.readable(left):
        assert wire.collect() == []


def test_every_one_of_many_small_batches_is_complete(wire: WireNode) -> None:
    for first in range(1, 20_000, 10):
        check_batch(wire, first, 10)


def test_a_busy_cpu_does_not_hold_back_what_came_before_the_fence(wire: WireNode) -> None:
    with neighbour_that_floods():
        for first in range(1, 10_000, 50):
            check_batch(wire, first, 50)


@pytest.mark.parametrize("family", Family)
def test_refusals_are_not_limited_in_number(wire: WireNode, family: Family) -> None:
    load(wire.node, refuse(family, "reject", "forward"))
    for number in range(1, 3001):
        wire.inject("pod2", Packet(pod(2, family), VIP[family], Transport.UDP, number, 80, number))
    assert [each.packet.identity for each in wire.collect() if each.packet.kind is Kind.ERROR] == list(range(1, 3001))


def test_a_full_buffer_is_an_error() -> None:
    with WireNode(room=1 << 14) as small:
        small.inject_many(("lan", Packet(OUTSIDE[V4], pod(2, V4), Transport.UDP, 1, 2, number)) for number in range(1, 200))
        with pytest.raises(WireError, match="no room"):
            small.collect()


def test_another_thread_may_not_use_it(wire: WireNode) -> None:
    """It may run on another CPU, ahead of the fence."""
    refused: list[WireError] = []

    def use() -> None:
        try:
            wire.collect()
        except WireError as error:
            refused.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert len(refused) == 1


def test_nothing_stays_behind() -> None:
    """Also where the test inside fails."""
    cpus = os.sched_getaffinity(0)
    names: list[str] = []

    def fail() -> None:
        with WireNode() as made:
            names.extend((made.node.name, made.world.name))
            assert all(Path("/run/netns", name).exists() for name in names)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names
    assert not any(Path("/run/netns", name).exists() for name in names)
    assert os.sched_getaffinity(0) == cpus


def packets_a_second(wire: WireNode, size: int, total: int = 10_000) -> float:
    """Built as bytes, sent through the kernel, collected and parsed, in batches of `size`."""
    packets = list(mixed(1, total))
    started = time.perf_counter()
    for first in range(0, total, size):
        wire.inject_many(packets[first : first + size])
        wire.collect()
    return total / (time.perf_counter() - started)


def test_how_fast_it_is(wire: WireNode, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not judged. With the rules every packet's connection is tracked."""
    for rules, text in (("no rules", ""), ("tracked", "".join(translate(family, pod(2, family), 8080) for family in Family))):
        for size in (50, 500):
            load(wire.node, text)
            wire.reset()
            speed = packets_a_second(wire, size)
            with capsys.disabled():
                sys.stdout.write(f"\n{rules}, batches of {size}: {speed:,.0f} packets a second")
