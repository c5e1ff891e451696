"""How those who announce load-balancer addresses speak through the API: what their Leases and statuses are called.

Leases are in moorage-system. Those of edges have "edge" in place of "node":

    announce-node-NAME               renewed by the agent of each node that may announce
    announce-view-node               the view: its number in `leaseTransitions`, its members in an annotation

Statuses are of nodes only:

    ServiceL2Status l2-HASH.NODE     a node answers for the addresses of a Service; in moorage-system
    ServiceBGPStatus bgp-NODE-HASH   a node announces them to routers; in the namespaces of its BGPPeers
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from moorage.model.cluster import SYSTEM_NAMESPACE, Lease
from moorage.model.meta import Key

MEMBERS_ANNOTATION = "moorage.dev/members"


class Group(msgspec.Struct, frozen=True):
    """Speakers that share addresses: the nodes of the cluster, or its edges. They meet at UDP `port`; a machine may be
    both, and has a speaker of each group then.
    """

    word: str
    port: int

    @property
    def view(self) -> Key:
        return Key(SYSTEM_NAMESPACE, f"announce-view-{self.word}")

    def lease(self, name: str) -> Key:
        return Key(SYSTEM_NAMESPACE, f"announce-{self.word}-{name}")

    def speaker(self, lease: Key) -> str | None:
        """Whose Lease it is, or None for another object."""
        prefix = f"announce-{self.word}-"
        is_ours = lease.namespace == SYSTEM_NAMESPACE and lease.name.startswith(prefix)
        return lease.name.removeprefix(prefix) if is_ours else None

    def speakers(self, leases: Iterable[Key]) -> frozenset[str]:
        """Those whose Leases are among these."""
        return frozenset(name for name in map(self.speaker, leases) if name is not None)


NODES, EDGES = Group("node", 7577), Group("edge", 7578)


def members_of(view: Lease | None) -> tuple[str, ...]:
    """Those who vote, as a view says; none where there is none."""
    members = view.metadata.annotations.get(MEMBERS_ANNOTATION, "") if view is not None else ""
    return tuple(members.split(",")) if members else ()


def l2_status_name(node: str, service: Key) -> str:
    """A node may write the names that end in its own after the first dot."""
    return f"l2-{hashlib.blake2b(str(service).encode(), digest_size=8).hexdigest()}.{node}"


def l2_status_node(status: Key) -> str:
    """The node whose ServiceL2Status it is, empty for one that is not ours."""
    name = re.fullmatch(r"l2-[0-9a-f]{16}\.(.+)", status.name)
    return name[1] if name is not None and status.namespace == SYSTEM_NAMESPACE else ""


def bgp_status_name(node: str, service: Key) -> str:
    """Made of both and not at random, so that a node can be given the right to its own."""
    return f"bgp-{node}-{hashlib.sha256(str(service).encode()).hexdigest()[:10]}"


def bgp_status_node(name: str) -> str:
    """The node whose ServiceBGPStatus has this name, empty for one that is not ours."""
    found = re.fullmatch(r"bgp-(.+)-[0-9a-f]{10}", name)
    return found[1] if found is not None else ""
