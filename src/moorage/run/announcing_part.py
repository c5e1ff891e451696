"""What the nodes of a cluster and its edges do differently where they announce addresses.

Nodes announce what L2Advertisements ask for; the speaker of a node stays for a while when its agent ends, so that an
upgrade costs nothing, and hands over where the node is about to go away. Edges share the addresses of all Services that
they serve; one that ends hands over, as its HAProxy ends with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from moorage.announce.addresses import owned
from moorage.announce.links import Links
from moorage.announce.selection import L2Wish, l2_wishes
from moorage.model.announcing import EDGES, NODES, Group
from moorage.model.cluster import Node, eligible
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key, Object
from moorage.model.metallb import L2Advertisement
from moorage.model.net import Address, Family, parse_address
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot


class Part(msgspec.Struct, frozen=True):
    """Of the machine `name`, in what the API says: where the others meet its speaker; who of the speakers that are
    there may answer for which address; whether it may announce anything at all; and whether it stays where its agent
    ends (else it hands its addresses over).

    A change of a kind in `made_of` calls for new wishes. `has_statuses`: ServiceL2Status objects say what it
    announces. They are of nodes: MetalLB's kind names one, and they go with its Node object.
    """

    name: str
    group: Group
    made_of: tuple[type[Object], ...]
    addresses: Callable[[Snapshot, Links], tuple[Address, ...]]
    wishes: Callable[[Snapshot, frozenset[str]], Mapping[Address, L2Wish]]
    concerns: Callable[[Snapshot], bool]
    stays: Callable[[Snapshot], bool]
    has_statuses: bool


def node_part(name: str) -> Part:
    """A node announces what L2Advertisements say, and stays unless it is about to go away (KEP-3836)."""
    key = Key("", name)

    def addresses(snapshot: Snapshot, _: Links) -> tuple[Address, ...]:
        node = snapshot.get(Node, key)
        return _parsed(node.internal_ips) if node is not None else ()

    def wishes(snapshot: Snapshot, _: frozenset[str]) -> Mapping[Address, L2Wish]:
        return l2_wishes(snapshot) if snapshot.all(L2Advertisement) else {}

    def concerns(snapshot: Snapshot) -> bool:
        """Whether an advertisement selects this node, whatever it announces now."""
        node = snapshot.get(Node, key)
        if node is None:
            return False
        selectors = (each.spec.node_selectors for each in snapshot.all(L2Advertisement).values())
        return any(not each or any(one.matches(node.metadata.labels) for one in each) for each in selectors)

    return Part(
        name=name,
        group=NODES,
        made_of=(Service, Node, EndpointSlice, L2Advertisement, IPAddressPool),
        addresses=addresses,
        wishes=wishes,
        concerns=concerns,
        stays=lambda snapshot: eligible(snapshot.get(Node, key)),
        has_statuses=True,
    )


def edge_part(name: str, interface: str, meet_at: Iterable[str] = ()) -> Part:
    """An edge announces, at its interface, every address that edges serve. It is met at `meet_at`, else at the first address of
    each family that the interface has.
    """
    told = _parsed(meet_at)

    def addresses(_: Snapshot, links: Links) -> tuple[Address, ...]:
        here = [address for address, at in links.own.items() if at == interface]
        firsts = (next((each for each in here if Family.of(each) is family), None) for family in Family)
        return told or tuple(each for each in firsts if each is not None)

    def wishes(snapshot: Snapshot, speakers: frozenset[str]) -> Mapping[Address, L2Wish]:
        nodes = dict.fromkeys(sorted(speakers | {name}), (interface,))
        return {address: L2Wish(services, nodes) for address, services in owned(snapshot).items()}

    return Part(
        name=name,
        group=EDGES,
        made_of=(Service,),
        addresses=addresses,
        wishes=wishes,
        concerns=lambda _: True,
        stays=lambda _: False,
        has_statuses=False,
    )


def _parsed(addresses: Iterable[str]) -> tuple[Address, ...]:
    parsed = map(parse_address, addresses)
    return tuple(each for each in parsed if each is not None)
