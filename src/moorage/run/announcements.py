"""What an agent follows to announce load-balancer addresses, by L2 and by BGP: once for both, beside what it forwards by.

Forwarding does not wait for it: these are mirrors of their own.
"""

from __future__ import annotations

from collections.abc import Callable

from moorage.client.mirror_io import Mirror, Want
from moorage.model.cluster import SYSTEM_NAMESPACE, Lease
from moorage.model.lb import IPAddressPool
from moorage.model.metallb import BFDProfile, BGPAdvertisement, BGPPeer, Community, L2Advertisement
from moorage.model.snapshot import Changes, Snapshot

LEASES = Want(Lease, namespace=SYSTEM_NAMESPACE)
"""Who else announces, and who of them votes."""

WANTS = (
    *(Want(each, optional=True) for each in (IPAddressPool, L2Advertisement, BGPPeer, BGPAdvertisement, Community, BFDProfile)),
    LEASES,
)


class Known:
    """Several mirrors as one: no two of them follow the same kind."""

    def __init__(self, *mirrors: Mirror) -> None:
        self._mirrors = mirrors

    @property
    def synced(self) -> bool:
        return all(each.synced for each in self._mirrors)

    @property
    def snapshot(self) -> Snapshot:
        """The newest state. The objects of a kind in which nothing changed are the same mapping as before."""
        return Snapshot({type_: objects for each in self._mirrors for type_, objects in each.snapshot.by_type.items()})


async def follow(mirror: Mirror, tell: Callable[[Changes], None]) -> None:
    """Tells each change, until cancelled."""
    while True:
        _, changes = await mirror.next()
        tell(changes)
