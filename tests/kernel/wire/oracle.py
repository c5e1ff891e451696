"""What the table says of a packet against what the kernel does with it.

`Judge.send` sends a packet, with its verdict by `table.trace`; `Judge.complaints` collects what came of all of them, and says
for each one where the two differ: the backend, the source that it sees, whether it is refused, dropped, answered or left alone.
"""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from moorage.model.net import Address, Family
from moorage.table.trace import Action, Source, Verdict
from moorage.table.trace import Packet as Question
from tests.kernel.wire.frames import Kind
from tests.kernel.wire.local import WireError
from tests.kernel.wire.node import KEPT, Captured, WireNode
from tests.kernel.wire.packets import Packet, Transport
from tests.kernel.wire.plan import LAN, NODE, PODS, pod

_PORT_UNREACHABLE = {4: (3, 3), 6: (1, 4)}
_HOST_UNREACHABLE = {4: (3, 1), 6: (1, 3)}
_LINKS = {pod(number, family): f"pod{number}" for number in PODS for family in Family}
_FIRST_PORT, _LAST_PORT = 1024, 60999
"""Source ports: each packet has its own, so that masquerading never has to choose another."""
_ENOUGH = 40_000
"""Packets after which tracked connections are forgotten and source ports begin anew."""


class Sent(NamedTuple):
    packet: Packet
    verdict: Verdict
    local: bool
    errno: int


class Judge:
    """One judge for one `WireNode`. Packets are numbered; a number is the identity of one packet."""

    def __init__(self, wire: WireNode) -> None:
        self._wire = wire
        self._sent: dict[int, Sent] = {}
        self._number = 0
        self._forgotten = 0
        """The last packet whose connection is no longer tracked."""
        self.last: dict[int, tuple[Address, int] | None] = {}
        """Where the packets of the last batch went."""

    def send(self, asked: Question, verdict: Verdict) -> int:
        """The packet's number. A packet that is not the node's own comes by the link behind which its source lives."""
        self._number += 1
        transport = Transport.ECHO if asked.protocol is None else Transport.of(asked.protocol)
        port = _FIRST_PORT + self._number - self._forgotten
        if port > _LAST_PORT:
            raise WireError(f"more than {_LAST_PORT - _FIRST_PORT - _ENOUGH} packets between two calls of `complaints`")
        packet = Packet(asked.source, asked.destination, transport, port, asked.destination_port, self._number)
        code = 0
        if asked.local:
            code = self._wire.send_local(packet)
        else:
            self._wire.inject(link_of(asked.source), packet)
        self._sent[self._number] = Sent(packet, verdict, asked.local, code)
        return self._number

    def complaints(self) -> list[str]:
        """Empty where the kernel agrees. What was sent is then forgotten."""
        seen: dict[int, list[Captured]] = defaultdict(list)
        found = []
        for captured in self._wire.collect():
            if captured.packet.identity in self._sent:
                seen[captured.packet.identity].append(captured)
            if captured.packet.intact is False:
                found.append(f"a checksum is wrong: {captured}")
        for number, sent in self._sent.items():
            found += [f"{_told(sent)}: {complaint}" for complaint in _judge(sent, seen[number])]
        self.last = {number: delivered(seen[number]) for number in self._sent}
        self._sent = {}
        if self._number - self._forgotten > _ENOUGH:
            self._wire.reset()
            self._forgotten = self._number
        return found


def link_of(address: Address) -> str:
    return _LINKS.get(address, LAN.name)


def delivered(seen: list[Captured]) -> tuple[Address, int] | None:
    """Where the first packet of a connection went."""
    for each in seen:
        if each.packet.kind is Kind.PACKET:
            return each.packet.destination, each.packet.destination_port
    return None


def _told(sent: Sent) -> str:
    packet, verdict = sent.packet, sent.verdict
    who = f"{packet.source}{' (a process)' if sent.local else ''}"
    to = f"{packet.destination} {packet.transport.name} {packet.destination_port}"
    return f"{who} -> {to}: the table says {verdict.action.value} ({verdict.reason.value})"


def _judge(sent: Sent, seen: list[Captured]) -> Iterator[str]:
    match sent.verdict.action:
        case Action.FORWARD:
            yield from _forwarded(sent, seen)
        case Action.ANSWER:
            yield from _answered(sent, seen)
        case Action.REJECT:
            yield from _refused(sent, seen)
        case Action.DROP:
            yield from _dropped(sent, seen)
        case Action.ROUTE:
            yield from _routed(sent, seen)


def _first_packets(seen: list[Captured]) -> list[Captured]:
    return [each for each in seen if each.packet.kind is Kind.PACKET]


def _forwarded(sent: Sent, seen: list[Captured]) -> Iterator[str]:
    packets = _first_packets(seen)
    if len(packets) != 1:
        yield f"{len(packets)} packets came out: {seen}, errno {sent.errno}"
        return
    (captured,) = packets
    packet = captured.packet
    chosen = [
        each
        for each in sent.verdict.deliveries
        if each.backend.address == packet.destination
        and (each.backend.port or sent.packet.destination_port) == packet.destination_port
    ]
    if not chosen:
        yield f"{packet.destination}:{packet.destination_port} is none of {[str(each) for each in sent.verdict.backends]}"
        return
    expected = KEPT if packet.destination in NODE.values() else link_of(packet.destination)
    if captured.link != expected:
        yield f"it left by {captured.link}, not by {expected}"
    kept = chosen[0].source is Source.KEPT
    if kept and (packet.source, packet.source_port) != (sent.packet.source, sent.packet.source_port):
        yield f"its source is {packet.source}:{packet.source_port}, not its own"
    if not kept and packet.source not in NODE.values():
        yield f"its source is {packet.source}, not the node's"
    if not kept and packet.source_port != sent.packet.source_port:
        yield f"its source port is {packet.source_port}, though its own was free"


def _answered(sent: Sent, seen: list[Captured]) -> Iterator[str]:
    answers = [each for each in seen if each.packet.kind is Kind.ANSWER]
    if [each.packet.source for each in answers] != [sent.packet.destination]:
        yield f"answers: {answers}"
    elif answers[0].packet.destination != sent.packet.source:
        yield f"the answer went to {answers[0].packet.destination}"


def _refused(sent: Sent, seen: list[Captured]) -> Iterator[str]:
    if _first_packets(seen):
        yield f"it came out: {_first_packets(seen)}"
    refusals = [each.packet for each in seen if each.packet.refusal]
    if len(refusals) != 1:
        yield f"{len(refusals)} refusals: {seen}, errno {sent.errno}"
        return
    (refusal,) = refusals
    version = sent.packet.source.version
    ping = sent.packet.transport is Transport.ECHO
    expected = (_HOST_UNREACHABLE if ping else _PORT_UNREACHABLE)[version]
    if sent.packet.transport is Transport.TCP:
        if refusal.kind is not Kind.RESET or refusal.source != sent.packet.destination:
            yield f"refused by {refusal}, not by a reset of {sent.packet.destination}"
    elif refusal.icmp != expected:
        yield f"refused by {refusal}, not by ICMP {expected}"


def _dropped(sent: Sent, seen: list[Captured]) -> Iterator[str]:
    if seen:
        yield f"something came of it: {seen}"
    if sent.local and sent.errno != errno.EPERM:
        yield f"sending gave errno {sent.errno}, not EPERM"


def _routed(sent: Sent, seen: list[Captured]) -> Iterator[str]:
    packets = _first_packets(seen)
    if len(packets) != 1:
        yield f"{len(packets)} packets came out: {seen}, errno {sent.errno}"
        return
    packet = packets[0].packet
    before = (sent.packet.source, sent.packet.source_port, sent.packet.destination, sent.packet.destination_port)
    after = (packet.source, packet.source_port, packet.destination, packet.destination_port)
    if before != after:
        yield f"it was changed to {after}"
