"""The cluster with a node and without it -> which load-balancer addresses move, and which nobody would serve any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from moorage.announce.selection import L2Wish, bgp_wishes, l2_wishes
from moorage.balance.edge import edge_table
from moorage.model.cluster import Node
from moorage.model.meta import Key, is_true
from moorage.model.metallb import ServiceL2Status
from moorage.model.net import Address
from moorage.model.service import EDGE, Service
from moorage.model.snapshot import Snapshot
from moorage.table.ingress import ingress_addresses

L2, BGP = "l2", "bgp"

Elect = Callable[[Mapping[Address, L2Wish]], Mapping[Address, str]]
"""Who answers for each address among those that may; an address that is left out is not known of."""


def nobody_knows(wishes: Mapping[Address, L2Wish]) -> Mapping[Address, str]:
    """An election about which nothing can be said."""
    return {}


class AddressEffect(msgspec.Struct, frozen=True):
    """`how` is "edge", "l2" or "bgp". `moves`: another node answers for it afterwards; None where that is not known. `to` are
    those that may, or that share its traffic. `breaks`: nobody is left.
    """

    address: str
    services: tuple[str, ...]
    how: str
    moves: bool | None
    to: tuple[str, ...]
    breaks: bool
    message: str


def address_effects(snapshot: Snapshot, after: Snapshot, name: str, elect: Elect) -> tuple[AddressEffect, ...]:
    """Those that the node has a part in, in order."""
    found = [*_edge(snapshot, after, name), *_l2(snapshot, after, name, elect), *_bgp(snapshot, after, name)]
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


def _l2(snapshot: Snapshot, after: Snapshot, name: str, elect: Elect) -> Iterator[AddressEffect]:
    wishes, later = l2_wishes(snapshot), l2_wishes(after)
    owners = {**elect(wishes), **_owners(snapshot)}
    heirs = elect(later)
    for address, wish in wishes.items():
        owner = owners.get(address)
        if name not in wish.nodes or (owner is not None and owner != name):
            continue
        left = tuple(sorted(later[address].nodes)) if address in later else ()
        services = tuple(str(each) for each in wish.services)
        moves = True if owner == name else None
        yield AddressEffect(str(address), services, L2, moves, left, not left, _l2_message(address, left, moves, heirs))


def _l2_message(address: Address, left: tuple[str, ...], moves: bool | None, heirs: Mapping[Address, str]) -> str:
    if not left:
        return f"{address} is announced by nobody any more"
    verb = "moves" if moves else "moves, if the node has it now,"
    if address in heirs:
        return f"{address} {verb} to {heirs[address]}"
    return f"{address} {verb} to {'one of ' if len(left) > 1 else ''}{', '.join(left)}"


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
