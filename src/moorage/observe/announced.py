"""Who announces the load-balancer address of a Service now, as they say themselves; and where nobody does, why.

ServiceL2Status, the Lease of its node      the node that answers for it
ServiceBGPStatus                            the nodes that tell routers about it, and which routers
Leases of edges                             who is there; which edge has which address is not in the API
pools, advertisements, Nodes, the view      what is wrong where nobody announces it
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from moorage.announce.bgp_peers import peers_of
from moorage.announce.roll import LOST
from moorage.announce.selection import NETWORK_UNAVAILABLE, Coverage, coverage, selects
from moorage.model.announcing import EDGES, NODES, Group, members_of
from moorage.model.clock import parse_timestamp
from moorage.model.cluster import EXCLUDE_LABEL, Lease, Node
from moorage.model.meta import Key, is_true
from moorage.model.metallb import BGPAdvertisement, L2Advertisement, ServiceBGPStatus, ServiceL2Status
from moorage.model.net import Address
from moorage.model.reason import Reason
from moorage.model.service import ANNOUNCE, EDGE, Service, provider_of
from moorage.model.snapshot import Snapshot
from moorage.table.frontends import LOCAL
from moorage.table.ingress import ingress_addresses

L2, BGP = "l2", "bgp"


class Announcer(msgspec.Struct, frozen=True):
    """`how` is "l2" (with `interfaces`), "bgp" (with `peers`: names of BGPPeers) or "edge". One that is not `there`
    has said so and has not renewed its Lease for LOST, by the clock of whoever asks.
    """

    how: str
    name: str
    interfaces: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    there: bool = True


class Missing(msgspec.Struct, frozen=True):
    """Why nobody announces an address."""

    reason: Reason
    text: str
    advice: str = ""


def announcers(snapshot: Snapshot, service: Service, now: float) -> tuple[Announcer, ...]:
    """Those who say so, in order; for an edge-served Service every edge that is there. `now` is in seconds since the epoch."""
    if not ingress_addresses(service):
        return ()
    if provider_of(service) == EDGE:
        edges = sorted(EDGES.speakers(snapshot.all(Lease)))
        return tuple(Announcer(EDGE, name, there=_is_there(snapshot, EDGES, name, now)) for name in edges)
    if provider_of(service) != ANNOUNCE:
        return ()
    return (*_by_l2(snapshot, service.key, now), *_by_bgp(snapshot, service.key))


def _by_l2(snapshot: Snapshot, service: Key, now: float) -> Iterator[Announcer]:
    for _, each in sorted(snapshot.all(ServiceL2Status).items()):
        said = each.status
        if Key(said.service_namespace, said.service_name) == service:
            at = tuple(one.name for one in said.interfaces)
            yield Announcer(L2, said.node, interfaces=at, there=_is_there(snapshot, NODES, said.node, now))


def _by_bgp(snapshot: Snapshot, service: Key) -> Iterator[Announcer]:
    """One for each node: its statuses are in the namespaces of its peers. A node whose kubelet is silent says nothing."""
    peers: dict[str, list[str]] = {}
    for _, each in sorted(snapshot.all(ServiceBGPStatus).items()):
        said = each.status
        node = snapshot.get(Node, Key("", said.node))
        is_there = node is not None and is_true(node.status.conditions, "Ready")
        if Key(said.service_namespace, said.service_name) == service and is_there:
            peers.setdefault(said.node, []).extend(said.peers)
    yield from (Announcer(BGP, name, peers=tuple(names)) for name, names in sorted(peers.items()))


def _is_there(snapshot: Snapshot, group: Group, name: str, now: float) -> bool:
    """Whether its Lease has been renewed of late."""
    lease = snapshot.get(Lease, group.lease(name))
    try:
        return now - parse_timestamp((lease.spec.renew_time if lease is not None else "") or "") <= LOST
    except ValueError:
        return False


def why_nobody(snapshot: Snapshot, service: Service, now: float) -> Iterator[Missing]:
    """For each address of a Service that nodes announce: the first thing that stands in the way."""
    for address in ingress_addresses(service):
        yield _why(snapshot, service, address, coverage(snapshot, address), now)


def _why(snapshot: Snapshot, service: Service, address: Address, found: Coverage, now: float) -> Missing:
    if found.pool is None:
        text = f"{address} is in no IPAddressPool: no advertisement can cover it"
        return Missing(Reason.NO_ADVERTISEMENT, text, "was a pool edited? the controller gives another address once it may")
    if not found.l2 and not found.bgp:
        return _not_covered(snapshot, found.pool.key, address)
    if not found.nodes:
        return _no_node(snapshot, service, address)
    names = ", ".join(sorted({f"{type(each).__name__} {each.key}" for each in (*found.l2, *found.bgp)}))
    by_l2, by_bgp = (_selected(snapshot, found, each) for each in (found.l2, found.bgp))
    if not by_l2 and not by_bgp:
        able = ", ".join(sorted(found.nodes))
        text = f"the nodeSelectors of {names} select none of the nodes that may announce {address}: {able}"
        return Missing(Reason.NO_ANNOUNCER, text, "correct nodeSelectors, or the labels of a node")
    if by_bgp and not by_l2:
        return _no_session(snapshot, address, by_bgp)
    return _no_speaker(snapshot, address, by_l2, now)


def _selected(snapshot: Snapshot, found: Coverage, by: tuple[L2Advertisement | BGPAdvertisement, ...]) -> tuple[str, ...]:
    nodes = snapshot.all(Node)
    return tuple(name for name in sorted(found.nodes) if any(selects(each, nodes[Key("", name)]) for each in by))


def _not_covered(snapshot: Snapshot, pool: Key, address: Address) -> Missing:
    """The commonest first: none at all, then those of another namespace, then those that name other pools or Services."""
    every = [*snapshot.all(L2Advertisement).values(), *snapshot.all(BGPAdvertisement).values()]
    advice = f"write an L2Advertisement or BGPAdvertisement in the namespace {pool.namespace}"
    if not every:
        text = f"{address} is of the pool {pool}, and there is no L2Advertisement and no BGPAdvertisement"
        return Missing(Reason.NO_ADVERTISEMENT, text, advice)
    here = [each for each in every if each.metadata.namespace == pool.namespace]
    if not here:
        text = (
            f"{address} is of the pool {pool}, and every advertisement is in another namespace, where it does not count for it"
        )
        return Missing(Reason.NO_ADVERTISEMENT, text, advice)
    names = ", ".join(f"{type(each).__name__} {each.key.name}" for each in here)
    text = f"{address} is of the pool {pool}, and no advertisement covers it with this Service ({names})"
    return Missing(Reason.NO_ADVERTISEMENT, text, "look at their ipAddressPools, ipAddressPoolSelectors and serviceSelectors")


def _no_node(snapshot: Snapshot, service: Service, address: Address) -> Missing:
    nodes = snapshot.all(Node).values()
    excluded = [each.metadata.name for each in nodes if EXCLUDE_LABEL in each.metadata.labels]
    deaf = [each.metadata.name for each in nodes if is_true(each.status.conditions, NETWORK_UNAVAILABLE)]
    why = [f"the label {EXCLUDE_LABEL} excludes {', '.join(sorted(excluded))}"] if excluded else []
    why += [f"{NETWORK_UNAVAILABLE} of {', '.join(sorted(deaf))}"] if deaf else []
    if service.spec.external_traffic_policy == LOCAL:
        why.append("externalTrafficPolicy: Local asks for a node with an endpoint that takes connections")
    text = f"no node may announce {address}: {'; '.join(why) or 'no node can serve all Services that share it'}"
    return Missing(Reason.NO_ANNOUNCER, text)


def _no_session(snapshot: Snapshot, address: Address, names: tuple[str, ...]) -> Missing:
    nodes = snapshot.all(Node)
    where = ", ".join(names)
    if not any(peers_of(snapshot, nodes[Key("", name)]) for name in names):
        text = f"{where} should announce {address} by BGP, and no BGPPeer selects any of these nodes"
        return Missing(Reason.NO_ANNOUNCER, text, "write a BGPPeer, or correct its nodeSelectors")
    text = f"{where} should announce {address} by BGP, and none of these nodes says that a router has been told"
    advice = "is there a session, and a ready endpoint? kubectl get events -A --field-selector reason=BGPSessionDown"
    return Missing(Reason.NO_ANNOUNCER, text, advice)


def _no_speaker(snapshot: Snapshot, address: Address, names: tuple[str, ...], now: float) -> Missing:
    """Nodes that may answer by L2: is anybody there, and does a majority of those who vote hear each other?"""
    there = [name for name in names if _is_there(snapshot, NODES, name, now)]
    if not there:
        text = f"{', '.join(names)} may answer for {address}, and no agent of these nodes says that it is there"
        advice = (
            "does `moorage node` run there, with `followNodes: all` and rules that work? see /healthz of the node and its log"
        )
        return Missing(Reason.NO_ANNOUNCER, text, advice)
    members = members_of(snapshot.get(Lease, NODES.view))
    voting = [name for name in members if _is_there(snapshot, NODES, name, now)]
    if members and 2 * len(voting) <= len(members):
        text = f"{', '.join(there)} may answer for {address}, but of those who vote ({', '.join(members)}) no majority is there"
        return Missing(
            Reason.ANNOUNCER_ISOLATED, text, "the rest goes on alone a minute after it has noticed, if the API answers"
        )
    text = f"{', '.join(there)} may answer for {address}, and none of these nodes says that it does"
    advice = (
        "ask again: it may be about to. Do they hear each other at UDP port 7577? Has the cluster the kind ServiceL2Status?"
    )
    return Missing(Reason.NO_ANNOUNCER, text, advice)
