"""The cluster with a node and without it -> which load-balancer addresses move, and which nobody would serve any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from moorage.announce.election import elect
from moorage.announce.roll import view_of
from moorage.announce.selection import bgp_wishes, l2_wishes
from moorage.balance.edge import edge_table
from moorage.model.announcing import NODES
from moorage.model.cluster import Lease, Node
from moorage.model.meta import Key, is_true
from moorage.model.metallb import ServiceL2Status
from moorage.model.net import Address
from moorage.model.service import EDGE, Service
from moorage.model.snapshot import Snapshot
from moorage.table.ingress import ingress_addresses

L2, BGP = "l2", "bgp"


class AddressEffect(msgspec.Struct, frozen=True):
    """`how` is "edge", "l2" or "bgp". `moves`: another node answers for it afterwards. `to` are those, or those that share its
    traffic. `breaks`: nobody is left.
    """

    address: str
    services: tuple[str, ...]
    how: str
    moves: bool
    to: tuple[str, ...]
    breaks: bool
    message: str


def address_effects(snapshot: Snapshot, after: Snapshot, name: str) -> tuple[AddressEffect, ...]:
    """Those that the node has a part in, in order, and those that move between others because it is gone."""
    found = [*_edge(snapshot, after, name), *_l2(snapshot, after, name), *_bgp(snapshot, after, name)]
    return tuple(sorted(found, key=lambda each: (each.address, each.how)))


def _edge(snapshot: Snapshot, after: Snapshot, name: str) -> Iterator[AddressEffect]:
    """An edge keeps its addresses; it is its choice of nodes that changes."""
    nodes = {key.name for key, each in snapshot.all(Node).items() if is_true(each.status.conditions, "Ready")}
    before = _edge_nodes(snapshot, frozenset(nodes))
    now = _edge_nodes(after, frozenset(nodes - {name}))
    for (address, services), served in before.items():
        if name in served:
            left = tuple(sorted(now.get((address, services), ())))
            message = f"{address} stays at the edge, which sends its connections to {', '.join(left)}"
            if not left:
                message = f"{address} stays at the edge, which refuses connections: no node is left for {', '.join(services)}"
            yield AddressEffect(str(address), services, EDGE, False, left, not left, message)


def _edge_nodes(snapshot: Snapshot, healthy: frozenset[str]) -> Mapping[tuple[Address, tuple[str, ...]], set[str]]:
    """The nodes behind each address of each Service."""
    found: dict[tuple[Address, tuple[str, ...]], set[str]] = {}
    for key, frontends in edge_table(snapshot, healthy).services.items():
        for each in frontends:
            found.setdefault((each.match.address, (str(key),)), set()).update(one.node for one in each.backends)
    return found


def _l2(snapshot: Snapshot, after: Snapshot, name: str) -> Iterator[AddressEffect]:
    """The speakers' own election among those that vote. What a node says that it has counts for more: it may be unhealthy."""
    voters = frozenset(view_of(snapshot.get(Lease, NODES.view)).members)
    wishes = l2_wishes(snapshot)
    elected = elect({address: wish.nodes for address, wish in wishes.items()}, voters)
    heirs = elect({address: wish.nodes for address, wish in l2_wishes(after).items()}, voters - {name})
    owners = {**elected, **_owners(snapshot)}
    for address, wish in wishes.items():
        owner, heir = owners.get(address), heirs.get(address)
        is_pushed = owner is not None and owner == elected.get(address) and owner != heir
        if owner != name and not is_pushed:
            continue
        message = f"{address} moves {'' if owner == name else f'from {owner} '}to {heir}"
        if heir is None:
            message = f"{address} is announced by nobody any more"
        to, services = (() if heir is None else (heir,)), tuple(str(each) for each in wish.services)
        yield AddressEffect(str(address), services, L2, heir is not None, to, heir is None, message)


def _owners(snapshot: Snapshot) -> Mapping[Address, str]:
    """Who answers now, as the nodes say. Where several answer for a Service it is not known who for which address."""
    nodes: dict[Key, set[str]] = {}
    for each in snapshot.all(ServiceL2Status).values():
        nodes.setdefault(Key(each.status.service_namespace, each.status.service_name), set()).add(each.status.node)
    owners: dict[Address, str] = {}
    for key, names in nodes.items():
        service = snapshot.get(Service, key)
        if service is not None and len(names) == 1:
            owners |= dict.fromkeys(ingress_addresses(service), *names)
    return owners


def _bgp(snapshot: Snapshot, after: Snapshot, name: str) -> Iterator[AddressEffect]:
    mine = bgp_wishes(snapshot, name)
    if not mine:
        return
    left: dict[Address, list[str]] = {}
    for key in sorted(after.all(Node)):
        for address in bgp_wishes(after, key.name):
            left.setdefault(address, []).append(key.name)
    for address, wishes in mine.items():
        others = tuple(left.get(address, ()))
        services = tuple(sorted({str(each) for wish in wishes for each in wish.services}))
        message = f"{address} is withdrawn from the routers by {name}; {', '.join(others)} still announce it"
        if not others:
            message = f"{address} is withdrawn from the routers, and nobody else announces it"
        yield AddressEffect(str(address), services, BGP, True, others, not others, message)
