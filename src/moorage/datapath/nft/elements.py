"""Elements of maps: keys and values as the kernel compares them.

A key is a concatenation of fields, each padded to four bytes (nf_tables registers): addresses and ports in network byte order,
slots and seats in host byte order because the kernel counts in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from moorage.datapath.nft.spaces import ADMITTED, MAPS, Field, Shape, Space
from moorage.model.net import Family, Prefix, Protocol, collapsed
from moorage.table.types import FrontendAddress

_PROTOCOL = struct.Struct(">B3x")
_PORT = struct.Struct(">H2x")
_NUMBER = struct.Struct("=I")
_PADDING = bytes(2)

_PROTOCOLS = {each.number: each.value.lower() for each in Protocol}


class Place(NamedTuple):
    """Where a frontend is found: the maps of a space, and the key in them."""

    space: Space
    key: bytes


class Element(NamedTuple):
    """One element of a map or set. `value` is empty in sets; a verdict is the name of the chain to go to."""

    map: str
    key: bytes
    value: bytes = b""

    def __str__(self) -> str:
        return f"{self.map} {_shown(self)}"


def place(match: FrontendAddress) -> Place:
    if match.address.is_unspecified:
        return Place(Space.NODE_PORT, protocol_port(match.protocol.number, match.port))
    if match.last:
        return range_key(match.address.packed, match.protocol.number)
    return Place(Space.ADDRESS, match.address.packed + protocol_port(match.protocol.number, match.port))


def range_key(address: bytes, protocol: int) -> Place:
    return Place(Space.RANGE, address + _PROTOCOL.pack(protocol))


def address_of(place: Place) -> bytes:
    """The address of a frontend; of a NodePort, which has none, its key."""
    return {Space.ADDRESS: place.key[:-8], Space.NODE_PORT: place.key, Space.RANGE: place.key[:-4]}[place.space]


def protocol_number(place: Place) -> int:
    """The IP protocol of a frontend."""
    return place.key[-4 if place.space is Space.RANGE else -8]


def protocol_port(protocol: int, port: int) -> bytes:
    return _PROTOCOL.pack(protocol) + _PORT.pack(port)


def box(place: Place, ports: tuple[int, int]) -> bytes:
    """The key of a port range: address, protocol and first port, then address, protocol and last port."""
    return place.key + _PORT.pack(ports[0]) + place.key + _PORT.pack(ports[1])


def numbered(key: bytes, number: int) -> bytes:
    """The key of one slot or seat of a frontend."""
    return key + _NUMBER.pack(number)


def number(value: int) -> bytes:
    return _NUMBER.pack(value)


def read_number(data: bytes) -> int:
    """The slot or seat at the end of a key, or of a value."""
    value: int = _NUMBER.unpack(data[-4:])[0]
    return value


def endpoint_value(space: Space, endpoint: bytes) -> bytes:
    """What `backends` holds for an endpoint (`table.types.Backend.endpoint`)."""
    return endpoint[:-2] if space is Space.RANGE else endpoint + _PADDING


def lower_and_upper(prefix: Prefix) -> tuple[bytes, bytes]:
    return prefix[0].packed, prefix[-1].packed


def admitted(place: Place, first: bytes, last: bytes) -> Element:
    """The clients from one address to another may use a frontend."""
    return Element(place.space.map(ADMITTED), place.key + first + place.key + last)


def read_admitted(element: Element) -> tuple[bytes, bytes, bytes]:
    """The key of the frontend, the first address, the last address."""
    half = len(element.key) // 2
    size = 4 if half < _SHORTEST_OF_IPV6 else 16
    lower, upper = element.key[:half], element.key[half:]
    return lower[:-size], lower[-size:], upper[-size:]


_SHORTEST_OF_IPV6 = 24
"""The length of a NodePort's key and one address."""


def intervals(prefixes: Iterable[Prefix], family: Family) -> set[bytes]:
    """Disjoint intervals that cover the prefixes of one family: first address and last address, neighbours joined."""
    joined: list[tuple[int, int]] = []
    for prefix in collapsed(each for each in prefixes if Family.of(each) is family):
        first, last = int(prefix[0]), int(prefix[-1])
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    size = family.bits // 8
    return {first.to_bytes(size, "big") + last.to_bytes(size, "big") for first, last in joined}


def _shown(element: Element) -> str:
    """As `nft list` writes it, except that seats and slots are plain numbers."""
    kind, key = MAPS[element.map], element.key
    if kind.shape in _TWO_ENDED:
        half = len(key) // 2
        ends = zip(_words(kind.key, key[:half]), _words(kind.key, key[half:]), strict=True)
        parts = [low if low == high else f"{low}-{high}" for low, high in ends]
    else:
        parts = _words(kind.key, key)
    text = " . ".join(parts)
    return f"{text} : {' . '.join(_words(kind.value, element.value))}" if element.value else text


_TWO_ENDED = (Shape.INTERVAL, Shape.BOX, Shape.BOX_VERDICT)


def _words(fields: tuple[Field, ...], data: bytes) -> list[str]:
    addresses = fields.count(Field.ADDRESS)
    size = (len(data) - 4 * (len(fields) - addresses)) // addresses if addresses else 0
    words, position = [], 0
    for field in fields:
        end = position + (size if field is Field.ADDRESS else 4)
        words.append(_word(field, data[position:] if field is Field.CHAIN else data[position:end]))
        position = end
    return words


def _word(field: Field, data: bytes) -> str:
    match field:
        case Field.ADDRESS:
            return str(IPv4Address(data) if len(data) == 4 else IPv6Address(data))
        case Field.PROTOCOL:
            return _PROTOCOLS.get(data[0], str(data[0]))
        case Field.PORT:
            return str(_PORT.unpack(data)[0])
        case Field.NUMBER:
            return str(read_number(data))
        case Field.CHAIN:
            return data.decode()
