"""`explain` names who announces a load-balancer address, and what is wrong where nobody does."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from moorage.announce.roll import LOST, own_lease, view_lease
from moorage.announce.wish import View
from moorage.model.announcing import EDGES, NODES, Group, bgp_status_name, l2_status_name
from moorage.model.cluster import EXCLUDE_LABEL, SYSTEM_NAMESPACE, Lease, Node
from moorage.model.meta import Condition, Key, Object, ObjectMeta
from moorage.model.metallb import (
    AnnouncingInterface,
    BGPAdvertisement,
    BGPPeer,
    L2Advertisement,
    L2AdvertisementSpec,
    LabelSelector,
    ServiceBGPStatus,
    ServiceBGPStatusStatus,
    ServiceL2Status,
    ServiceL2StatusStatus,
)
from moorage.model.reason import Reason
from moorage.model.service import PROVIDER_ANNOTATION, Service
from moorage.model.snapshot import Snapshot
from moorage.observe.announced import Announcer
from moorage.observe.explain import Explanation, Finding, explain_service
from tests.control.things import balanced, node, pool

NOW = 1_800_000_000.0
WEB = Key("default", "web")
POOL = pool("lan", "192.0.2.0/24")


def service(provider: str = "announce", address: str = "192.0.2.1", **spec: object) -> Service:
    return balanced("web", address, {PROVIDER_ANNOTATION: provider}, **spec)


def lease(group: Group, name: str, ago: float = 1.0) -> Lease:
    return own_lease(group, name, (), NOW - ago, None)


def view(*names: str, group: Group = NODES) -> Lease:
    return view_lease(group, names[0], View(3, names), NOW, None)


def l2_status(name: str, *interfaces: str) -> ServiceL2Status:
    at = tuple(map(AnnouncingInterface, interfaces))
    meta = ObjectMeta(name=l2_status_name(name, WEB), namespace=SYSTEM_NAMESPACE)
    return ServiceL2Status(metadata=meta, status=ServiceL2StatusStatus(name, "web", "default", at))


def bgp_status(name: str, *peers: str, namespace: str = "metallb-system") -> ServiceBGPStatus:
    meta = ObjectMeta(name=bgp_status_name(name, WEB), namespace=namespace)
    return ServiceBGPStatus(metadata=meta, status=ServiceBGPStatusStatus(name, "web", "default", peers))


def by_l2(namespace: str = "metallb-system", **spec: object) -> L2Advertisement:
    return L2Advertisement(
        metadata=ObjectMeta(name="lan", namespace=namespace),
        spec=L2AdvertisementSpec(**spec),  # type: ignore[arg-type]
    )


def by_bgp() -> BGPAdvertisement:
    return BGPAdvertisement(metadata=ObjectMeta(name="tor", namespace="metallb-system"))


def explained(*objects: Object) -> Explanation:
    return explain_service(Snapshot.of(objects), WEB, NOW)


def announcing(explanation: Explanation) -> list[Finding]:
    return [each for each in explanation.findings if each.hop == "announcing"]


def test_the_node_that_answers_is_named() -> None:
    found = explained(service(), POOL, by_l2(), node("one"), node("two"), l2_status("two", "eth0"), lease(NODES, "two"))
    [finding] = announcing(found)
    assert (finding.ok, finding.reason) == (True, Reason.ADDRESS_ANNOUNCED)
    assert finding.text == "two answers for it at eth0 (ARP, NDP)"
    assert found.announcers == (Announcer("l2", "two", interfaces=("eth0",)),)


def test_the_nodes_and_routers_of_bgp_are_named() -> None:
    objects = (
        node("one"),
        node("two"),
        node("three", ready="Unknown"),
        bgp_status("one", "tor-1", "tor-2"),
        bgp_status("one", "spine", namespace="other"),
        bgp_status("two", "tor-1"),
        bgp_status("three", "tor-1"),
    )
    found = explained(service(), POOL, by_bgp(), *objects)
    assert [each.text for each in announcing(found)] == [
        "one announces it to the routers tor-1, tor-2, spine (BGP)",
        "two announces it to the routers tor-1 (BGP)",
    ]
    assert msgspec.json.decode(msgspec.json.encode(found))["announcers"][1] == {
        "how": "bgp",
        "name": "two",
        "interfaces": [],
        "peers": ["tor-1"],
        "there": True,
    }


def test_a_node_that_fell_silent_announces_nothing_whatever_it_has_said() -> None:
    silent = (l2_status("one"), lease(NODES, "one", LOST + 1))
    heir = (l2_status("two"), lease(NODES, "two"))
    nodes = (node("one"), node("two"))
    first, second = announcing(explained(service(), POOL, by_l2(), *nodes, *silent, *heir))
    assert (first.ok, first.text) == (
        None,
        "one has not renewed its Lease for more than 60 s: what it has said counts no more",
    )
    assert (second.ok, second.text) == (True, "two answers for it (ARP, NDP)")
    alone = announcing(explained(service(), POOL, by_l2(), *nodes, *silent))
    assert [each.ok for each in alone] == [None, False]


EDGE = service("edge")


@pytest.mark.parametrize(
    ("leases", "ok", "text"),
    [
        ((lease(EDGES, "a"), lease(NODES, "one")), [True], "the edge a is there to answer for it"),
        ((lease(EDGES, "a"), lease(EDGES, "b"), view("a", "b", group=EDGES)), [True], "the edges a, b share the addresses"),
        ((lease(EDGES, "a", 100.0), lease(EDGES, "b")), [None, True], "the edge a has not renewed its Lease"),
        ((lease(EDGES, "a", 100.0),), [None, False], "no edge says that it is there"),
        ((lease(NODES, "one"),), [False], "no edge says that it is there"),
    ],
)
def test_the_edges_that_are_there_are_named(leases: tuple[Lease, ...], ok: list[bool | None], text: str) -> None:
    findings = announcing(explained(EDGE, *leases))
    assert [each.ok for each in findings] == ok
    assert any(text in each.text for each in findings)


def labelled(made: Node, **labels: str) -> Node:
    return replace(made, metadata=replace(made.metadata, labels={**made.metadata.labels, **labels}))


EXCLUDED = labelled(node("one"), **{EXCLUDE_LABEL: ""})
DEAF = replace(node("one"), status=replace(node("one").status, conditions=(Condition("NetworkUnavailable", "True"),)))
RACK = (LabelSelector(match_labels={"rack": "b"}),)
OTHERS = (LabelSelector(match_labels={"app": "other"}),)
PEER = BGPPeer(metadata=ObjectMeta(name="tor", namespace="metallb-system"))
WITH = (service(), POOL)


@pytest.mark.parametrize(
    ("objects", "reason", "text"),
    [
        ((service(), node("one")), Reason.NO_ADVERTISEMENT, "192.0.2.1 is in no IPAddressPool"),
        ((*WITH, node("one")), Reason.NO_ADVERTISEMENT, "pool metallb-system/lan, and there is no L2Advertisement and no BGP"),
        ((*WITH, by_l2("other"), node("one")), Reason.NO_ADVERTISEMENT, "every advertisement is in another namespace"),
        (
            (*WITH, by_l2(ip_address_pools=("wan",)), node("one")),
            Reason.NO_ADVERTISEMENT,
            "no advertisement covers it with this Service (L2Advertisement lan)",
        ),
        ((*WITH, by_l2(service_selectors=OTHERS), node("one")), Reason.NO_ADVERTISEMENT, "no advertisement covers it"),
        ((*WITH, by_l2(), EXCLUDED), Reason.NO_ANNOUNCER, f"the label {EXCLUDE_LABEL} excludes one"),
        ((*WITH, by_l2(), DEAF), Reason.NO_ANNOUNCER, "NetworkUnavailable of one"),
        (
            (service(external_traffic_policy="Local"), POOL, by_l2(), node("one")),
            Reason.NO_ANNOUNCER,
            "externalTrafficPolicy: Local asks for a node with an endpoint",
        ),
        (
            (*WITH, by_l2(node_selectors=RACK), node("one")),
            Reason.NO_ANNOUNCER,
            "the nodeSelectors of L2Advertisement metallb-system/lan select none of the nodes",
        ),
        ((*WITH, by_l2(), node("one")), Reason.NO_ANNOUNCER, "no agent of these nodes says that it is there"),
        (
            (*WITH, by_l2(), node("one"), lease(NODES, "one"), view("one", "two", "three")),
            Reason.ANNOUNCER_ISOLATED,
            "of those who vote (one, two, three) no majority is there",
        ),
        (
            (*WITH, by_l2(), node("one"), lease(NODES, "one"), view("one")),
            Reason.NO_ANNOUNCER,
            "one may answer for 192.0.2.1, and none of these nodes says that it does",
        ),
        ((*WITH, by_bgp(), node("one")), Reason.NO_ANNOUNCER, "no BGPPeer selects any of these nodes"),
        ((*WITH, by_bgp(), PEER, node("one")), Reason.NO_ANNOUNCER, "none of these nodes says that a router has been told"),
    ],
)
def test_what_is_wrong_where_nobody_announces_is_said(objects: tuple[Object, ...], reason: Reason, text: str) -> None:
    found = explained(*objects)
    [finding] = announcing(found)
    assert (finding.ok, finding.reason) == (False, reason)
    assert text in finding.text
    assert not found.works


def test_follow_nodes_is_spoken_of_where_no_agent_is_there() -> None:
    [finding] = announcing(explained(*WITH, by_l2(), node("one")))
    assert "followNodes: all" in finding.advice


def test_every_address_is_judged_by_itself() -> None:
    both = service(address="192.0.2.1")
    ingress = (*both.status.load_balancer.ingress, replace(both.status.load_balancer.ingress[0], ip="203.0.113.1"))
    both = replace(both, status=replace(both.status, load_balancer=replace(both.status.load_balancer, ingress=ingress)))
    reasons = [each.reason for each in announcing(explained(both, POOL, by_l2(), node("one")))]
    assert reasons == [Reason.NO_ANNOUNCER, Reason.NO_ADVERTISEMENT]


@pytest.mark.parametrize("of", [service(""), service("announce", address="")], ids=["another's", "no address"])
def test_nothing_is_said_of_addresses_that_are_not_ours(of: Service) -> None:
    assert announcing(explained(of, POOL, node("one"))) == []
