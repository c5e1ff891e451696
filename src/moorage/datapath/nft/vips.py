"""How many frontends use an address -> what the maps say of the address as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from operator import add, neg
from typing import NamedTuple

from moorage.datapath.nft.elements import Element
from moorage.datapath.nft.spaces import CLUSTER_IPS, LOAD_BALANCER_IPS, PINGS, UNREACHABLE
from moorage.table.types import AddressKind, Frontend, NoBackend


class Use(NamedTuple):
    """Frontends at one address that is the cluster's as a whole: how many are ClusterIPs and how many a load balancer's, how
    many of them have a backend, and how many are left to the machine.
    """

    cluster: int = 0
    balanced: int = 0
    serving: int = 0
    left: int = 0

    @property
    def whole(self) -> int:
        return self.cluster + self.balanced

    def __add__(self, other: tuple[object, ...]) -> Use:
        assert isinstance(other, Use)
        return Use(*map(add, self, other))

    def __neg__(self) -> Use:
        return Use(*map(neg, self))


def used_more(gone: Iterable[Frontend], wanted: Iterable[Frontend]) -> Mapping[bytes, Use]:
    """By how much the use of each address changes."""
    uses: dict[bytes, Use] = defaultdict(Use)
    for each in gone:
        if each.kind.whole:
            uses[each.match.address.packed] += -_use(each)
    for each in wanted:
        if each.kind.whole:
            uses[each.match.address.packed] += _use(each)
    return uses


def _use(frontend: Frontend) -> Use:
    cluster = frontend.kind is AddressKind.CLUSTER_IP
    left = frontend.choice.without_backend is NoBackend.LEAVE and not frontend.choice.backends
    return Use(cluster, not cluster, frontend.serves, left)


def vip_elements(address: bytes, use: Use, own: bytes) -> Iterator[Element]:
    """What the maps hold for an address. `own` answers its pings; without one nobody does."""
    if use.cluster > 0:
        yield Element(CLUSTER_IPS, address)
    if use.balanced > 0 and use.left <= 0:
        yield Element(LOAD_BALANCER_IPS, address)
    if use.whole > 0 and use.serving <= 0:
        yield Element(UNREACHABLE, address)
    elif use.whole > 0 and own:
        yield Element(PINGS, address, own)
