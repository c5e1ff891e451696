"""A listing of the kernel's maps -> what is installed. Runs once, when an agent starts or finds that somebody interfered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from moorage.datapath.nft.elements import Element, Entry, chain_meaning, elements, slot_key
from moorage.datapath.nft.ledger import Installed
from moorage.datapath.nft.ruleset import BACKENDS, CLUSTER_IPS, CLUSTER_SOURCES, DROPPED, FRONTENDS, REJECTED
from moorage.model.net import Family
from moorage.table.types import NoBackend

MAPS = (FRONTENDS, BACKENDS, REJECTED, DROPPED, CLUSTER_IPS, CLUSTER_SOURCES)
"""All that `take_stock` wants listed."""


def take_stock(found: Mapping[str, Sequence[Element]], chains: Iterable[str]) -> Installed:
    """Elements by map, and the names of all chains -> what is installed. What belongs to no whole entry is astray."""
    entries = _served(found)
    for name, without_backend in ((REJECTED, NoBackend.REJECT), (DROPPED, NoBackend.DROP)):
        for element in found.get(name, ()):
            entries.setdefault(element.key, Entry(without_backend=without_backend))
    return Installed(
        entries=entries,
        cluster_ips={element.key for element in found.get(CLUSTER_IPS, ())},
        cluster_sources={element.key for element in found.get(CLUSTER_SOURCES, ())},
        chains={name for name in chains if chain_meaning(name)},
        strays=_strays(found, entries),
    )


def nothing(families: Iterable[Family]) -> dict[Family, Installed]:
    """What an empty kernel holds."""
    return {family: Installed() for family in families}


def _served(found: Mapping[str, Sequence[Element]]) -> dict[bytes, Entry]:
    backends = {element.key: element.value for element in found.get(BACKENDS, ())}
    entries = {}
    for element in found.get(FRONTENDS, ()):
        meaning = chain_meaning(element.value.decode())
        if meaning is None:
            continue
        count, masquerade = meaning
        slots = tuple(backends.get(slot_key(element.key, slot), b"") for slot in range(count))
        if slots and all(slots):
            entries[element.key] = Entry(slots, masquerade)
    return entries


def _strays(found: Mapping[str, Sequence[Element]], entries: Mapping[bytes, Entry]) -> tuple[Element, ...]:
    listed = sum(len(found.get(name, ())) for name in (FRONTENDS, BACKENDS, REJECTED, DROPPED))
    if listed == sum(len(entry.backends) + 1 for entry in entries.values()):
        return ()
    ours = {element for key, entry in entries.items() for element in elements(key, entry)}
    return tuple(each for name in (FRONTENDS, BACKENDS, REJECTED, DROPPED) for each in found.get(name, ()) if each not in ours)
