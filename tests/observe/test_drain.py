"""What a drain would do, told from objects alone."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from msgspec.structs import replace

from moorage.announce.election import elect
from moorage.announce.roll import view_lease
from moorage.announce.wish import View
from moorage.model.announcing import NODES as SPEAKERS
from moorage.model.cluster import Lease, Node, NodeAddress
from moorage.model.errors import UserError
from moorage.model.meta import Object, ObjectMeta, ObjectReference, OwnerReference
from moorage.model.metallb import BGPAdvertisement, L2Advertisement, ServiceL2Status, ServiceL2StatusStatus
from moorage.model.pods import Pod
from moorage.model.service import PROVIDER_ANNOTATION, Service, ServicePort
from moorage.model.slices import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from moorage.model.snapshot import Snapshot
from moorage.observe.drain import Forecast, forecast
from tests.control.things import balanced, pod, pool, service
from tests.control.things import node as bare_node

ADDRESS = ip_address("192.0.2.1")
OWNED = (OwnerReference(kind="ReplicaSet", name="web", uid="u", controller=True),)


def node(name: str) -> Node:
    made = bare_node(name)
    number = name.removeprefix("node-")
    addresses = (NodeAddress(type="InternalIP", address=f"198.18.0.1{number}"),)
    return replace(made, status=replace(made.status, addresses=addresses))


NODES = tuple(node(f"node-{number}") for number in (1, 2, 3))
ALL_NAMES = frozenset(each.metadata.name for each in NODES)


def owned_pod(name: str, on: str) -> Pod:
    made = pod(name, "10.244.0.9", node=on)
    return replace(made, metadata=replace(made.metadata, owner_references=OWNED))


def slice_(*places: tuple[str, str], of: str = "web", ready: bool = True) -> EndpointSlice:
    """Endpoints as (Pod, node)."""
    endpoints = tuple(
        Endpoint(
            addresses=(f"10.244.0.{number}",),
            conditions=EndpointConditions(ready=ready),
            node_name=on,
            target_ref=ObjectReference(kind="Pod", namespace="default", name=name),
        )
        for number, (name, on) in enumerate(places, 1)
    )
    labels = {"kubernetes.io/service-name": of}
    meta = ObjectMeta(name=f"{of}-{ready}", namespace="default", labels=labels)
    ports = (EndpointPort(name="http", protocol="TCP", port=8080),)
    return EndpointSlice(metadata=meta, address_type="IPv4", endpoints=endpoints, ports=ports)


def drained(*objects: Object, of: str = "node-1") -> Forecast:
    return forecast(Snapshot.of([*NODES, *objects]), of)


def voting(*names: str) -> Lease:
    """The view that these speakers vote in."""
    return view_lease(SPEAKERS, names[0], View(1, names), 0.0, None)


BOTH = slice_(("a", "node-1"), ("b", "node-2"))
HTTP = (ServicePort(name="http", protocol="TCP", port=80, node_port=30080),)


def announced(name: str = "web", address: str = str(ADDRESS), **spec: object) -> Service:
    return balanced(name, address, {PROVIDER_ANNOTATION: "announce"}, ports=HTTP, **spec)


POOL, L2 = pool("lan", "192.0.2.0/24"), L2Advertisement(metadata=ObjectMeta(name="l2", namespace="metallb-system"))
BGP = BGPAdvertisement(metadata=ObjectMeta(name="bgp", namespace="metallb-system"))


def test_a_node_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="there is no Node 'node-9': there are node-1, node-2, node-3"):
        forecast(Snapshot.of(NODES), "node-9")


def test_an_empty_node() -> None:
    found = drained(service(), slice_(("b", "node-2")))
    assert (found.problems, found.pods, found.services, found.addresses) == ((), (), (), ())
    assert "does not know" in found.connections


def test_pods_end_and_the_rest_of_a_service_stays() -> None:
    found = drained(service(), BOTH, owned_pod("a", "node-1"), owned_pod("b", "node-2"))
    assert found.problems == ()
    (ends,) = found.pods
    assert (ends.pod, ends.owner, ends.services) == ("default/a", "ReplicaSet/web", ("default/web",))
    (effect,) = found.services
    assert (effect.here, effect.elsewhere, effect.breaks) == (1, 1, False)
    assert effect.message == "Service default/web keeps 1 of 2 endpoints on node-2"
    assert found.connections.startswith("open connections to its 1 endpoints end with their Pods")


def test_the_last_endpoint_breaks_its_service() -> None:
    found = drained(service(), slice_(("a", "node-1")), slice_(("b", "node-2"), ready=False), owned_pod("a", "node-1"))
    assert [each.breaks for each in found.services] == [True]
    assert found.problems == (
        "Service default/web loses its last endpoint: connections to it are refused until another one is ready",
    )


def test_a_pod_without_an_owner_is_lost_and_one_that_has_ended_is_not() -> None:
    over = pod("over", node="node-1")
    over = replace(over, status=replace(over.status, phase="Succeeded"))
    found = drained(pod("a", node="node-1"), over)
    assert found.problems == ("Pod default/a has no owner: nobody makes it again",)


@pytest.mark.parametrize("policy", ["external_traffic_policy", "internal_traffic_policy"])
def test_a_policy_of_local_is_told(policy: str) -> None:
    spec: dict[str, Any] = {policy: "Local"}
    (effect,) = drained(service(**spec), BOTH).services
    assert f"({policy.split('_', maxsplit=1)[0]}TrafficPolicy: Local)" in effect.message
    assert not effect.breaks


def test_an_edge_keeps_its_addresses() -> None:
    web = balanced("web", str(ADDRESS), {PROVIDER_ANNOTATION: "edge"}, ports=HTTP)
    (effect,) = drained(web, BOTH).addresses
    assert (effect.how, effect.moves, effect.to, effect.breaks) == ("edge", False, ("node-2", "node-3"), False)
    found = drained(replace(web, spec=replace(web.spec, external_traffic_policy="Local")), BOTH)
    assert [each.to for each in found.addresses] == [("node-2",)]
    alone = forecast(Snapshot.of([NODES[0], web, BOTH]), "node-1")
    assert "192.0.2.1 stays at the edge, which refuses connections: no node is left for default/web" in alone.problems


ALL = voting("node-1", "node-2", "node-3")
OWNER = elect({ADDRESS: ALL_NAMES}, ALL_NAMES)[ADDRESS]
HEIR = elect({ADDRESS: ALL_NAMES}, ALL_NAMES - {OWNER})[ADDRESS]


def test_an_announced_address_moves_to_the_node_that_the_speakers_elect() -> None:
    (effect,) = drained(announced(), BOTH, POOL, L2, ALL, of=OWNER).addresses
    assert (effect.how, effect.moves, effect.to, effect.breaks) == ("l2", True, (HEIR,), False)
    assert effect.message == f"192.0.2.1 moves to {HEIR}"
    for other in ALL_NAMES - {OWNER}:
        assert drained(announced(), BOTH, POOL, L2, ALL, of=other).addresses == (), "it has another address, or none"


def test_whoever_does_not_speak_gets_no_address() -> None:
    third = next(iter(ALL_NAMES - {OWNER, HEIR}))
    (effect,) = drained(announced(), BOTH, POOL, L2, voting(*sorted({OWNER, third})), of=OWNER).addresses
    assert effect.message == f"192.0.2.1 moves to {third}"
    assert "192.0.2.1 is announced by nobody any more" in drained(announced(), BOTH, POOL, L2, voting(OWNER), of=OWNER).problems
    assert drained(announced(), BOTH, POOL, L2).addresses == (), "nobody votes: nobody has it"


def test_an_address_goes_where_the_policy_allows_it() -> None:
    local = announced(external_traffic_policy="Local")
    (effect,) = drained(local, BOTH, POOL, L2, voting("node-1", "node-3", "node-2"), said_by("node-1")).addresses
    assert effect.message == "192.0.2.1 moves to node-2"


def test_an_address_that_others_pass_on_is_told() -> None:
    """No node has more than its share: with one node less there is room where another address would rather be."""
    services = {f"web-{number}": f"192.0.2.{number}" for number in range(1, 5)}
    found = drained(*(announced(*each) for each in services.items()), POOL, L2, ALL, of="node-2").addresses
    assert "192.0.2.3 moves from node-3 to node-1" in [each.message for each in found]
    eligible = {ip_address(address): ALL_NAMES for address in services.values()}
    before, after = elect(eligible, ALL_NAMES), elect(eligible, ALL_NAMES - {"node-2"})
    assert {(each.address, each.to) for each in found} == {
        (str(each), (after[each],)) for each in eligible if before[each] != after[each]
    }


@pytest.mark.parametrize(("owner", "count"), [("node-1", 1), ("node-2", 0)])
def test_the_nodes_say_who_has_an_address(owner: str, count: int) -> None:
    found = drained(announced(), BOTH, POOL, L2, ALL, said_by(owner)).addresses
    assert [each.moves for each in found] == [True] * count


def said_by(owner: str) -> ServiceL2Status:
    said = ServiceL2StatusStatus(node=owner, service_name="web", service_namespace="default")
    return ServiceL2Status(metadata=ObjectMeta(name="x", namespace="moorage-system"), status=said)


def test_an_address_that_nobody_else_may_announce() -> None:
    local, alone = announced(external_traffic_policy="Local"), slice_(("a", "node-1"))
    assert "192.0.2.1 is announced by nobody any more" in drained(local, alone, POOL, L2, ALL).problems
    found = drained(local, alone, POOL, BGP)
    assert "192.0.2.1 is withdrawn from the routers, and nobody else announces it" in found.problems


def test_a_route_is_withdrawn_and_others_stay() -> None:
    (effect,) = drained(announced(), BOTH, POOL, BGP).addresses
    assert (effect.how, effect.to) == ("bgp", ("node-2", "node-3"))
    assert effect.message == "192.0.2.1 is withdrawn from the routers by node-1; node-2, node-3 still announce it"
