"""Services, pools, advertisements, nodes -> which nodes may announce which load-balancer address, and how.

An address is announced by nodes that an advertisement of its pool selects, that are not excluded from load balancers, whose
network works, and that are not about to go away while others stay. With `externalTrafficPolicy: Local` a node needs an endpoint
that takes connections.

Source: MetalLB `speaker/layer2_controller.go`, `speaker/bgp_controller.go` (which announce nothing for a Service without
endpoints; here L2 does, so that clients are refused at once and not left without an answer).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from moorage.allocate.pools import Pool
from moorage.model.cluster import EXCLUDE_LABEL, Node, eligible
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key, is_true
from moorage.model.metallb import BGPAdvertisement, L2Advertisement
from moorage.model.net import Address
from moorage.model.service import ANNOUNCE, Service, provider_of
from moorage.model.slices import EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.table.frontends import LOCAL
from moorage.table.ingress import ingress_addresses
from moorage.table.select import State
from moorage.table.slice_index import SliceIndex

NETWORK_UNAVAILABLE = "NetworkUnavailable"

A = TypeVar("A", L2Advertisement, BGPAdvertisement)


class L2Wish(msgspec.Struct, frozen=True):
    """Who may answer for one address. `nodes` maps a name to the interfaces to answer at; none means every one that fits."""

    services: tuple[Key, ...]
    nodes: Mapping[str, tuple[str, ...]] = {}


class BGPWish(msgspec.Struct, frozen=True):
    """One advertisement by which a node announces an address, and the Services that have the address."""

    advertisement: BGPAdvertisement
    services: tuple[Key, ...]


class Coverage(msgspec.Struct, frozen=True):
    """What stands behind one address: its pool (None: it is in none), the advertisements that cover it, and the nodes that may
    serve all Services that have it, whatever advertisements say.
    """

    pool: IPAddressPool | None = None
    l2: tuple[L2Advertisement, ...] = ()
    bgp: tuple[BGPAdvertisement, ...] = ()
    nodes: frozenset[str] = frozenset()


class _Held(msgspec.Struct, frozen=True):
    """An address, its pool, the Services that share it, and the nodes that may serve all of these."""

    address: Address
    pool: IPAddressPool
    services: tuple[Service, ...]
    nodes: frozenset[str]


def l2_wishes(snapshot: Snapshot) -> Mapping[Address, L2Wish]:
    """Every address that an L2Advertisement covers; one that no node may answer for has no nodes."""
    wishes = {}
    advertisements = snapshot.all(L2Advertisement).values()
    for held in _addresses(snapshot, _slices(snapshot)):
        found = list(_covering(advertisements, held))
        if not found:
            continue
        nodes: dict[str, tuple[str, ...]] = {}
        for name in sorted(held.nodes):
            node = snapshot.all(Node)[Key("", name)]
            fitting = [each.spec.interfaces for each in found if selects(each, node)]
            if fitting:
                nodes[name] = () if () in fitting else tuple(dict.fromkeys(name for each in fitting for name in each))
        wishes[held.address] = L2Wish(tuple(each.key for each in held.services), nodes)
    return wishes


def bgp_wishes(snapshot: Snapshot, node_name: str) -> Mapping[Address, tuple[BGPWish, ...]]:
    """What one node should announce to its peers: every advertisement of each address, in key order."""
    node = snapshot.get(Node, Key("", node_name))
    if node is None:
        return {}
    wishes = {}
    advertisements = [each for _, each in sorted(snapshot.all(BGPAdvertisement).items()) if selects(each, node)]
    slices = _slices(snapshot)
    for held in _addresses(snapshot, slices):
        found = [each for each in _covering(advertisements, held) if node_name in held.nodes]
        serving = tuple(each.key for each in held.services if _serving_nodes(slices.of(each.key)))
        if found and serving:
            wishes[held.address] = tuple(BGPWish(each, serving) for each in found)
    return wishes


def coverage(snapshot: Snapshot, address: Address) -> Coverage:
    """For whoever asks why nobody announces it."""
    held = next((each for each in _addresses(snapshot, _slices(snapshot)) if each.address == address), None)
    if held is None:
        return Coverage()
    l2 = tuple(_covering(snapshot.all(L2Advertisement).values(), held))
    bgp = tuple(_covering(snapshot.all(BGPAdvertisement).values(), held))
    return Coverage(held.pool, l2, bgp, held.nodes)


def _slices(snapshot: Snapshot) -> SliceIndex:
    announced = {key for key, each in snapshot.all(Service).items() if provider_of(each) == ANNOUNCE}
    return SliceIndex(
        each for key, each in snapshot.all(EndpointSlice).items() if Key(key.namespace, each.service_name) in announced
    )


def _addresses(snapshot: Snapshot, slices: SliceIndex) -> Iterator[_Held]:
    pools = _pools(snapshot)
    sharing: dict[Address, list[Service]] = {}
    for _, service in sorted(snapshot.all(Service).items()):
        if provider_of(service) == ANNOUNCE:
            for address in ingress_addresses(service):
                sharing.setdefault(address, []).append(service)
    for address, services in sharing.items():
        pool = next((obj for obj, parsed in pools if any(address in span for span in parsed.spans)), None)
        if pool is not None:
            nodes = frozenset[str].intersection(*(_hosts(snapshot, each, slices.of(each.key)) for each in services))
            yield _Held(address, pool, tuple(services), nodes)


def _pools(snapshot: Snapshot) -> list[tuple[IPAddressPool, Pool]]:
    """Those that can be read; the controller says what is wrong with others."""
    found = []
    for _, obj in sorted(snapshot.all(IPAddressPool).items()):
        try:
            found.append((obj, Pool.of(obj)))
        except ValueError:
            continue
    return found


def _covering(advertisements: Iterable[A], held: _Held) -> Iterator[A]:
    """Those of the pool's namespace that name or select the pool (or none at all), and select one of the Services."""
    for each in advertisements:
        spec, pool = each.spec, held.pool.metadata
        if each.metadata.namespace != pool.namespace:
            continue
        named = spec.ip_address_pools or spec.ip_address_pool_selectors
        chosen = pool.name in spec.ip_address_pools or any(one.matches(pool.labels) for one in spec.ip_address_pool_selectors)
        if named and not chosen:
            continue
        labels = [service.metadata.labels for service in held.services]
        if not spec.service_selectors or any(one.matches(of) for one in spec.service_selectors for of in labels):
            yield each


def selects(advertisement: L2Advertisement | BGPAdvertisement, node: Node) -> bool:
    """No selector is every node."""
    selectors = advertisement.spec.node_selectors
    return not selectors or any(each.matches(node.metadata.labels) for each in selectors)


def _hosts(snapshot: Snapshot, service: Service, slices: Iterable[EndpointSlice]) -> frozenset[str]:
    """The nodes that may serve a Service from outside, whatever advertisements say."""
    able = {key.name: each for key, each in snapshot.all(Node).items() if _is_able(each)}
    if service.spec.external_traffic_policy == LOCAL:
        return frozenset(able) & _serving_nodes(slices)
    return frozenset(name for name, each in able.items() if eligible(each)) or frozenset(able)


def _is_able(node: Node) -> bool:
    return EXCLUDE_LABEL not in node.metadata.labels and not is_true(node.status.conditions, NETWORK_UNAVAILABLE)


def _serving_nodes(slices: Iterable[EndpointSlice]) -> frozenset[str]:
    """The nodes that endpoints live on which take connections: the ready ones, else those that serve while they terminate."""
    found: dict[State, set[str]] = {}
    for endpoint in (endpoint for each in slices for endpoint in each.endpoints):
        found.setdefault(State.of(endpoint.conditions), set()).add(endpoint.node_name or "")
    best = min(found, default=State.UNREADY)
    return frozenset(found[best] if best is not State.UNREADY else ())
