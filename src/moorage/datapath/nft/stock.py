"""A listing of the kernel's maps -> what is installed. Runs once, when an agent starts or finds that somebody interfered."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence

from moorage.datapath.nft.chains import INSIDE, Pick, read_chain, read_pick
from moorage.datapath.nft.elements import Element, Place, numbered, read_admitted, read_endpoint, read_number
from moorage.datapath.nft.entry import NOBODY, Entry, Side, elements, frame, side_elements
from moorage.datapath.nft.ledger import OF_LOCALITY, Installed
from moorage.datapath.nft.spaces import ADMITTED, BACKENDS, DROPPED, FRONTENDS, MAPS, OF_ADDRESSES, REJECTED, SEATS, Space
from moorage.model.net import Family, Prefix
from moorage.table.types import NoBackend

Found = Mapping[str, Sequence[Element]]


def take_stock(found: Found, chains: Iterable[str]) -> Installed:
    """Elements by map, and the names of all chains -> what is installed. What belongs to no whole entry is astray."""
    entries: dict[Place, Entry] = {}
    for space in Space:
        entries |= _entries(space, found)
    listed = {each for name in _OF_ENTRIES if name not in _BACKENDS for each in found.get(name, ())}
    torn = [place for place, entry in entries.items() if not listed.issuperset(_but_backends(place, entry))]
    for each in torn:
        del entries[each]
    flat = {name: {each.key: each.value for each in found.get(name, ())} for name in (*OF_ADDRESSES, *OF_LOCALITY)}
    return Installed(entries, flat, {name for name in chains if read_chain(name)}, _strays(found, entries))


_OF_ENTRIES = tuple(name for name in MAPS if name not in OF_ADDRESSES and name not in OF_LOCALITY)
_BACKENDS = tuple(space.map(BACKENDS) for space in Space)


def _but_backends(place: Place, entry: Entry) -> Iterator[Element]:
    """The elements of an entry that making it did not look at."""
    yield from frame(place, entry)
    for offset, side in ((0, entry.outside), (INSIDE, entry.inside)):
        if side.seats:
            yield from (each for each in side_elements(place, offset, side) if each.map not in _BACKENDS)


def nothing(families: Iterable[Family]) -> dict[Family, Installed]:
    """What an empty kernel holds."""
    return {family: Installed() for family in families}


def _entries(space: Space, found: Found) -> dict[Place, Entry]:
    """The frontends of one space that are there as a whole, or nearly: what is missing is written again."""
    backends = {each.key: each.value for each in found.get(space.map(BACKENDS), ())}
    seats = {each.key: each.value for each in found.get(space.map(SEATS), ())}
    unserved = {
        each.key: without
        for name, without in ((REJECTED, NoBackend.REJECT), (DROPPED, NoBackend.DROP))
        for each in found.get(space.map(name), ())
    }
    sources = _sources(found.get(space.map(ADMITTED), ()))
    picks = {each.key: read_pick(each.value.decode()) for each in found.get(space.map(FRONTENDS), ())}
    entries = {}
    for key in {**picks, **unserved}:
        pick = picks.get(key)
        if key in picks and (pick is None or pick.space is not space):
            continue
        found_at, ports = _place(space, key)
        entry = _entry(found_at, pick or Pick(space, 0), backends, seats)
        if entry is not None:
            admitted = sources.get(found_at.key, ()) if pick is not None and pick.guarded else ()
            without = unserved.get(key, NoBackend.REJECT)
            entries[found_at] = Entry(entry.outside, entry.inside, entry.masquerade, entry.affinity, without, ports, admitted)
    return entries


def _place(space: Space, key: bytes) -> tuple[Place, tuple[int, int]]:
    if space is not Space.RANGE:
        return Place(space, key), (0, 0)
    half = len(key) // 2
    ports = tuple(int.from_bytes(end[-4:-2], "big") for end in (key[:half], key[half:]))
    return Place(space, key[: half - 4]), (ports[0], ports[1])


def _entry(place: Place, pick: Pick, backends: Mapping[bytes, bytes], seats: Mapping[bytes, bytes]) -> Entry | None:
    """None where a slot that the chain may draw is empty."""
    outside = _side(place, 0, pick.outside, bool(pick.affinity), backends, seats)
    inside = _side(place, INSIDE, pick.inside, bool(pick.affinity), backends, seats)
    if outside is None or inside is None:
        return None
    return Entry(outside, inside, pick.masquerade, pick.affinity)


def _side(
    place: Place, offset: int, count: int, kept: bool, backends: Mapping[bytes, bytes], seats: Mapping[bytes, bytes]
) -> Side | None:
    numbers = list(range(offset, offset + count))
    if kept:
        drawn = [seats.get(numbered(place.key, each)) for each in numbers]
        if None in drawn:
            return None
        numbers = [read_number(each) for each in drawn if each is not None]
    values = [backends.get(numbered(place.key, each)) for each in numbers]
    if None in values:
        return None
    slots = tuple(read_endpoint(place.space, each) for each in values if each is not None)
    return Side(slots, tuple(each - offset for each in numbers) if kept else ()) if slots else NOBODY


def _sources(admitted: Iterable[Element]) -> Mapping[bytes, tuple[Prefix, ...]]:
    """Clients by the key of the frontend that admits them. What is no prefix is left out, and so becomes astray."""
    sources: dict[bytes, list[Prefix]] = {}
    for each in admitted:
        key, first, last = read_admitted(each)
        prefix = _prefix(first, last)
        if prefix is not None:
            sources.setdefault(key, []).append(prefix)
    return {key: tuple(sorted(prefixes, key=_order)) for key, prefixes in sources.items()}


def _order(prefix: Prefix) -> int:
    return int(prefix.network_address)


def _prefix(first: bytes, last: bytes) -> Prefix | None:
    """The prefix that an interval is; None where it is none."""
    bits = 8 * len(first)
    length = bits - (int.from_bytes(first, "big") ^ int.from_bytes(last, "big")).bit_length()
    found = ipaddress.ip_network((first, length), strict=False)
    return found if (found[0].packed, found[-1].packed) == (first, last) else None


def _strays(found: Found, entries: Mapping[Place, Entry]) -> tuple[Element, ...]:
    """What is there and belongs to no entry. Every element of an entry is there."""
    if sum(len(found.get(name, ())) for name in _OF_ENTRIES) == sum(entry.size for entry in entries.values()):
        return ()
    ours = {element for place, entry in entries.items() for element in elements(place, entry)}
    return tuple(each for name in _OF_ENTRIES for each in found.get(name, ()) if each not in ours)
