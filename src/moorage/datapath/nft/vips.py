"""How many frontends use an address -> what the maps say of the address as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from moorage.datapath.nft.elements import Element
from moorage.datapath.nft.spaces import CLUSTER_IPS, PINGS, UNREACHABLE
from moorage.table.types import AddressKind, Frontend


class Use(NamedTuple):
    """Frontends at one address: ClusterIPs, those whose address answers pings, and how many of these have a backend."""

    cluster: int = 0
    pingable: int = 0
    serving: int = 0

    def __add__(self, other: tuple[object, ...]) -> Use:
        assert isinstance(other, Use)
        return Use(self.cluster + other.cluster, self.pingable + other.pingable, self.serving + other.serving)

    def __neg__(self) -> Use:
        return Use(-self.cluster, -self.pingable, -self.serving)


def used_more(gone: Iterable[Frontend], wanted: Iterable[Frontend]) -> Mapping[bytes, Use]:
    """By how much the use of each address changes."""
    uses: dict[bytes, Use] = defaultdict(Use)
    for each in gone:
        if each.kind.answers_pings:
            uses[each.match.address.packed] += -_use(each)
    for each in wanted:
        if each.kind.answers_pings:
            uses[each.match.address.packed] += _use(each)
    return uses


def _use(frontend: Frontend) -> Use:
    return Use(frontend.kind is AddressKind.CLUSTER_IP, 1, frontend.serves)


def vip_elements(address: bytes, use: Use, own: bytes) -> Iterator[Element]:
    """What the maps hold for an address. `own` answers its pings; without one nobody does."""
    if use.cluster > 0:
        yield Element(CLUSTER_IPS, address)
    if use.pingable > 0 and use.serving <= 0:
        yield Element(UNREACHABLE, address)
    elif use.pingable > 0 and own:
        yield Element(PINGS, address, own)
