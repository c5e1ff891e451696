"""What the nodes of a cluster and its edges do differently where they announce addresses.

An edge that shares addresses with others has a Part of its own: `group` EDGES; `addresses` those at which the edges
meet; `wishes` each address with every edge whose Lease is there (`EDGES.speaker(key)`) and the one interface; it
`concerns` and `stays` always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from moorage.announce.roll import NODES, Group
from moorage.announce.selection import L2Wish, l2_wishes
from moorage.model.cluster import Node, eligible
from moorage.model.meta import Key
from moorage.model.metallb import L2Advertisement
from moorage.model.net import Address, parse_address
from moorage.model.snapshot import Snapshot


class Part(msgspec.Struct, frozen=True):
    """Of the machine `name`, in what the API says: where the others meet its speaker; who may answer for which address;
    whether it may announce anything at all; and whether it stays where its agent ends (else it hands its addresses
    over).
    """

    name: str
    group: Group
    addresses: Callable[[Snapshot], tuple[Address, ...]]
    wishes: Callable[[Snapshot], Mapping[Address, L2Wish]]
    concerns: Callable[[Snapshot], bool]
    stays: Callable[[Snapshot], bool]


def node_part(name: str) -> Part:
    """A node announces what L2Advertisements say, and stays unless it is about to go away (KEP-3836)."""
    key = Key("", name)

    def addresses(snapshot: Snapshot) -> tuple[Address, ...]:
        node = snapshot.get(Node, key)
        parsed = (parse_address(each) for each in node.internal_ips) if node is not None else ()
        return tuple(each for each in parsed if each is not None)

    def wishes(snapshot: Snapshot) -> Mapping[Address, L2Wish]:
        return l2_wishes(snapshot) if snapshot.all(L2Advertisement) else {}

    def concerns(snapshot: Snapshot) -> bool:
        """Whether an advertisement selects this node, whatever it announces now."""
        node = snapshot.get(Node, key)
        if node is None:
            return False
        selectors = (each.spec.node_selectors for each in snapshot.all(L2Advertisement).values())
        return any(not each or any(one.matches(node.metadata.labels) for one in each) for each in selectors)

    return Part(name, NODES, addresses, wishes, concerns, lambda snapshot: eligible(snapshot.get(Node, key)))
