"""Tracked flows that contradict the table, and the netlink messages to list and delete flows.

The kernel looks a frontend up for the first packet of a flow only and keeps the answer. A flow whose backend is gone
therefore has to be forgotten, so that its next packet is balanced again: UDP always (a client may keep its port for
hours), echo requests too (a `ping` that runs), TCP and SCTP as long as nobody has answered (a SYN that is sent again).
Connections that are under way drain. The same goes for a flow that began before its frontend had a backend, and was routed
on untranslated.
Source: `linux/netfilter/nfnetlink_conntrack.h`.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from moorage.datapath import netlink
from moorage.datapath.netlink import Message, Reply, attribute, be32, nested
from moorage.datapath.nft.elements import Place, protocol_number, protocol_port, range_key
from moorage.datapath.nft.spaces import Space
from moorage.model.net import Family, Prefix, Protocol

_GET, _DELETE, _GET_STATS = 1, 2, 5
_TUPLE_ORIG, _TUPLE_REPLY, _STATUS, _FILTER, _STATUS_MASK = 1, 2, 3, 25, 26
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_IP_SOURCE = {Family.IPV4: 1, Family.IPV6: 3}
_IP_DESTINATION = {Family.IPV4: 2, Family.IPV6: 4}
_PROTO_NUMBER, _PROTO_SOURCE_PORT, _PROTO_DESTINATION_PORT = 1, 2, 3
_FILTER_ORIG_FLAGS, _FILTER_REPLY_FLAGS = 1, 2
_COMPARE_PROTOCOL, _COMPARE_PORT = 1 << 3, 1 << 5
"""Flags of `CTA_FILTER` (Linux 5.8) for the protocol and the destination port of `CTA_TUPLE_ORIG`."""
_SEEN_REPLY = 1 << 1
"""`IPS_SEEN_REPLY` of `CTA_STATUS`: packets have come back."""

_UDP = Protocol.UDP.number
_ECHO = {Family.IPV4: 1, Family.IPV6: 58}
"""ICMP and ICMPv6, which have no ports."""
_NEVER_ENDING = {_UDP, *_ECHO.values()}
_NUMBERS = {each.number for each in Protocol} | _NEVER_ENDING
_SINGLE_QUERIES = 4
"""Up to this many UDP ports are asked for one by one; for more, all UDP flows are listed once."""


class Moved(NamedTuple):
    """A frontend that has lost backends, or got its first: where connections to it may go now (`Backend.endpoint`), and for a
    port range its first and last port.
    """

    endpoints: frozenset[bytes]
    ports: tuple[int, int] = (0, 0)


class Flow(NamedTuple):
    """One tracked flow: where its first packet was sent, and who answers it (an address and a port, as `Backend.endpoint`)."""

    address: bytes
    protocol: int
    port: int
    backend: bytes
    replied: bool
    original: bytes
    """`CTA_TUPLE_ORIG` as the kernel sent it, which names the flow when it is to be deleted."""

    @property
    def untranslated(self) -> bool:
        return self.backend == self.address + self.port.to_bytes(2, "big")


class Ours(NamedTuple):
    """What belongs to Services besides the frontends that are looked at: `own` are addresses of the node, `clusters` ranges of
    ClusterIPs. Where `clusters` is given, all frontends are looked at, and a flow to any other ClusterIP leads nowhere.
    """

    own: Collection[bytes] = ()
    clusters: tuple[Prefix, ...] = ()


def echo_place(family: Family, address: bytes) -> Place:
    """Where echo requests to an address would be found, if they had a frontend."""
    return Place(Space.ADDRESS, address + protocol_port(_ECHO[family], 0))


def stale(flow: Flow, moved: Mapping[Place, Moved], ours: Ours = Ours()) -> bool:  # noqa: B008
    """Whether the flow should be forgotten. An untranslated flow to the port of a NodePort contradicts the table only where it
    ends at the node itself.
    """
    if flow.replied and flow.protocol not in _NEVER_ENDING:
        return False
    found = _moved(flow, moved)
    if found is None:
        return not flow.untranslated and bool(ours.clusters) and _in(flow.address, ours.clusters)
    if found[0] is Space.NODE_PORT and flow.untranslated and flow.address not in ours.own:
        return False
    space, (endpoints, _) = found
    backend = flow.backend[:-2] + bytes(2) if space is Space.RANGE else flow.backend
    return backend not in endpoints and bool(endpoints or not flow.untranslated)


def _moved(flow: Flow, moved: Mapping[Place, Moved]) -> tuple[Space, Moved] | None:
    """The frontend that the flow was sent to, if it is one of these."""
    pair = protocol_port(flow.protocol, flow.port)
    for space, key in ((Space.ADDRESS, flow.address + pair), (Space.NODE_PORT, pair)):
        if (place := Place(space, key)) in moved:
            return space, moved[place]
    ranged = moved.get(range_key(flow.address, flow.protocol))
    if ranged is not None and ranged.ports[0] <= flow.port <= ranged.ports[1]:
        return Space.RANGE, ranged
    return None


def _in(address: bytes, prefixes: Iterable[Prefix]) -> bool:
    size = len(address)
    number = int.from_bytes(address, "big")
    return any(
        each.max_prefixlen == 8 * size and int(each.network_address) <= number <= int(each.broadcast_address)
        for each in prefixes
    )


def queries(family: Family, moved: Mapping[Place, Moved], ours: Ours = Ours()) -> list[Message]:  # noqa: B008
    """Listings that together hold every flow to these frontends that can be stale, filtered by the kernel.

    Each listing makes the kernel walk its whole table (6 ms with 262,144 buckets), so there are few of them. A kernel that
    does not know a filter lists more, which costs time only. The filter for addresses is not used: in IPv6 it lists the
    flows to every other address instead (Linux 6.18).
    """
    if ours.clusters:
        moved = dict.fromkeys((*moved, *_any_place(family)), Moved(frozenset()))
    udp = [place for place in moved if protocol_number(place) == _UDP]
    ports = sorted({place.key[-4:-2] for place in udp})
    single = len(ports) <= _SINGLE_QUERIES and all(place.space is not Space.RANGE for place in udp)
    filters = [_to(_UDP, port) for port in ports] if single else [_to(_UDP)]
    unanswered = be32(_STATUS, 0) + be32(_STATUS_MASK, _SEEN_REPLY)
    others = sorted({protocol_number(place) for place in moved} - {_UDP})
    filters += [_to(each) + (b"" if each in _NEVER_ENDING else unanswered) for each in others]
    what = f"list the tracked flows of {family.value}"
    return [Message(_request(family, _GET, netlink.NLM_F_DUMP, each), what) for each in filters]


def _any_place(family: Family) -> list[Place]:
    """One of each protocol, for which no filter names a port."""
    any_address = bytes(family.bits // 8)
    return [range_key(any_address, number) for number in (*(each.number for each in Protocol), _ECHO[family])]


def ask_count() -> Message:
    """How many flows there are: a question that costs nothing."""
    return Message(netlink.message(netlink.SUBSYSTEM_CONNTRACK << 8 | _GET_STATS, 0, 0), "ask for the number of tracked flows")


def deletion(family: Family, flow: Flow) -> Message:
    """Refused with ENOENT where the flow is gone already."""
    return Message(_request(family, _DELETE, 0, nested(_TUPLE_ORIG, flow.original)), f"forget a flow of {family.value}")


def read_flows(family: Family, listing: Iterable[Reply]) -> Iterator[Flow]:
    """The flows of one family that may belong to a frontend, or be echo requests to one; of other protocols none."""
    for reply in listing:
        fields = dict(netlink.attributes(reply.body))
        if reply.family != netlink.NFPROTO[family] or _TUPLE_REPLY not in fields:
            continue
        address, protocol, port = _end(fields[_TUPLE_ORIG], _IP_DESTINATION[family], _PROTO_DESTINATION_PORT)
        if protocol not in _NUMBERS:
            continue
        answering, _, answering_port = _end(fields[_TUPLE_REPLY], _IP_SOURCE[family], _PROTO_SOURCE_PORT)
        replied = int.from_bytes(fields.get(_STATUS, b""), "big") & _SEEN_REPLY
        backend = answering + answering_port.to_bytes(2, "big")
        yield Flow(address, protocol, port, backend, bool(replied), fields[_TUPLE_ORIG])


def _end(tuple_: bytes, address_type: int, port_type: int) -> tuple[bytes, int, int]:
    """(address, protocol, port) of one end of a tuple; port 0 where the protocol has none."""
    fields = dict(netlink.attributes(tuple_))
    address = dict(netlink.attributes(fields[_TUPLE_IP]))[address_type]
    proto = dict(netlink.attributes(fields[_TUPLE_PROTO]))
    return address, proto[_PROTO_NUMBER][0], int.from_bytes(proto.get(port_type, b""), "big")


def _to(protocol: int, port: bytes = b"") -> bytes:
    """The filter for a protocol and, where given, a destination port. Its flags are the one thing in host byte order."""
    compare = _COMPARE_PROTOCOL | (_COMPARE_PORT if port else 0)
    proto = attribute(_PROTO_NUMBER, bytes([protocol])), attribute(_PROTO_DESTINATION_PORT, port or bytes(2))
    flags = attribute(_FILTER_ORIG_FLAGS, struct.pack("=I", compare)), attribute(_FILTER_REPLY_FLAGS, bytes(4))
    return nested(_TUPLE_ORIG, nested(_TUPLE_PROTO, *proto)) + nested(_FILTER, *flags)


def _request(family: Family, kind: int, flags: int, body: bytes) -> bytes:
    return netlink.message(netlink.SUBSYSTEM_CONNTRACK << 8 | kind, flags, netlink.NFPROTO[family], body)
