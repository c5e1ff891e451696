"""Who announces no more leaves nothing behind, and nothing of anybody else's is touched."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from moorage.control.announcements import LOOK, OWN_LEASE, SILENCE, AnnouncementsController
from moorage.model.announcing import EDGES, MEMBERS_ANNOTATION, NODES, Group, bgp_status_name, l2_status_name
from moorage.model.cluster import SYSTEM_NAMESPACE, Lease, LeaseSpec, Node
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.metallb import ServiceBGPStatus, ServiceL2Status
from moorage.model.snapshot import Changes
from moorage.model.verbs import Collect
from moorage.model.withdrawal import applied_lease_key
from tests.control.things import World, node

WEB = Key("default", "web")


def said(key: Key, **spec: object) -> Lease:
    return Lease(metadata=ObjectMeta(name=key.name, namespace=key.namespace), spec=LeaseSpec(**spec))  # type: ignore[arg-type]


def view(group: Group, *members: str) -> Lease:
    lease = said(group.view, lease_transitions=7)
    return replace(lease, metadata=replace(lease.metadata, annotations={MEMBERS_ANNOTATION: ",".join(members)}))


def l2_status(name: str, namespace: str = SYSTEM_NAMESPACE) -> ServiceL2Status:
    return ServiceL2Status(metadata=ObjectMeta(name=l2_status_name(name, WEB), namespace=namespace))


def bgp_status(name: str) -> ServiceBGPStatus:
    return ServiceBGPStatus(metadata=ObjectMeta(name=bgp_status_name(name, WEB), namespace="metallb-system"))


def announcing(name: str) -> list[Object]:
    return [node(name), said(NODES.lease(name)), l2_status(name), bgp_status(name)]


class Cluster:
    """Time passes in looks. Who is in `alive` renews its Leases between two of them."""

    def __init__(self, *objects: Object, alive: tuple[Key, ...] = ()) -> None:
        self.now = 1_000_000.0
        self.alive = alive
        self.reachable = True
        self.world = World(*objects)
        self.controller = AnnouncementsController()

    def passes(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += LOOK
            for key in self.alive if self.reachable else ():
                self.world.put(said(key, renew_time=f"{self.now}"))
            plan = self.world.look(self.controller, self.now)
            assert plan.wake_at == self.now + LOOK
            if self.reachable:
                self.world.perform(plan)

    def left(self, type_: type[Object] = Lease) -> set[str]:
        return {key.name for key in self.world.snapshot.all(type_) if key != OWN_LEASE}


NOTICED = SILENCE + SILENCE / 4 + 3 * LOOK
"""A silence is noticed when the controller's own Lease is renewed next."""


def test_a_node_that_is_silent_leaves_neither_lease_nor_statuses() -> None:
    dead = replace(node("two", ready="Unknown"))
    cluster = Cluster(
        *announcing("one"),
        *announcing("two"),
        dead,
        view(NODES, "one"),
        alive=(NODES.lease("one"), applied_lease_key("node", "one")),
    )
    cluster.passes(SILENCE - LOOK)
    assert "announce-node-two" in cluster.left()
    cluster.passes(NOTICED)
    assert cluster.left() == {"announce-node-one", "announce-view-node", "applied-node-one"}
    assert cluster.left(ServiceL2Status) == {l2_status_name("one", WEB)}
    assert cluster.left(ServiceBGPStatus) == {bgp_status_name("one", WEB)}


def test_the_lease_of_who_votes_stays_and_what_it_said_goes() -> None:
    """It may be cut off from the API alone: an agent that starts must know where to hear it."""
    cluster = Cluster(*announcing("one"), *announcing("two"), view(NODES, "one", "two"), alive=(NODES.lease("one"),))
    cluster.passes(3 * NOTICED)
    assert cluster.left() == {"announce-node-one", "announce-node-two", "announce-view-node"}
    assert cluster.left(ServiceL2Status) == {l2_status_name("one", WEB)}
    cluster.world.put(view(NODES, "one"))
    cluster.passes(2 * LOOK)
    assert cluster.left() == {"announce-node-one", "announce-view-node"}


def test_without_a_view_no_lease_of_a_speaker_goes() -> None:
    cluster = Cluster(said(EDGES.lease("a")), said(NODES.lease("one")), node("one"), view(NODES, "two"))
    cluster.passes(NOTICED)
    assert cluster.left() == {"announce-edge-a", "announce-view-node"}


def test_an_edge_that_is_gone_for_good_leaves_no_lease() -> None:
    both = [lease for name in ("a", "b") for lease in (said(EDGES.lease(name)), said(applied_lease_key("edge", name)))]
    cluster = Cluster(*both, view(EDGES, "a"), alive=(EDGES.lease("a"), applied_lease_key("edge", "a")))
    cluster.passes(NOTICED)
    assert cluster.left() == {"announce-edge-a", "announce-view-edge", "applied-edge-a"}


def test_what_a_node_has_applied_is_not_renewed_and_stays_while_the_node_is_there() -> None:
    cluster = Cluster(node("one"), *(said(applied_lease_key("node", name)) for name in ("one", "two")))
    cluster.passes(NOTICED)
    assert cluster.left() == {"applied-node-one"}


def test_the_statuses_of_a_node_that_is_gone_go_at_once() -> None:
    cluster = Cluster(*announcing("one"), *announcing("two"), alive=(NODES.lease("one"), NODES.lease("two")))
    cluster.world.remove(Node, "two", "")
    cluster.passes(LOOK)
    assert cluster.left(ServiceL2Status) == {l2_status_name("one", WEB)}
    assert cluster.left(ServiceBGPStatus) == {bgp_status_name("one", WEB)}


def test_a_status_without_a_lease_behind_it_goes() -> None:
    cluster = Cluster(node("one"), l2_status("one"))
    cluster.passes(NOTICED)
    assert not cluster.left(ServiceL2Status)


@pytest.mark.parametrize(("ready", "stays"), [("True", True), ("False", True), ("Unknown", False)])
def test_routers_are_told_by_nodes_that_need_no_lease(ready: str, stays: bool) -> None:
    cluster = Cluster(node("one", ready=ready), bgp_status("one"))
    cluster.passes(NOTICED)
    assert bool(cluster.left(ServiceBGPStatus)) is stays


def test_what_is_not_ours_is_left_alone() -> None:
    others = (
        said(Key(SYSTEM_NAMESPACE, "moorage-controller")),
        said(Key("kube-node-lease", "one")),
        said(Key("elsewhere", "announce-node-one")),
    )
    metallbs = (
        l2_status("one", "metallb-system"),
        ServiceL2Status(metadata=ObjectMeta(name="l2-x5k2p", namespace=SYSTEM_NAMESPACE)),
    )
    theirs = ServiceBGPStatus(metadata=ObjectMeta(name="bgp-x5k2p", namespace="metallb-system"))
    cluster = Cluster(*others, *metallbs, theirs, view(NODES), view(EDGES))
    cluster.passes(2 * NOTICED)
    assert cluster.left() == {"moorage-controller", "one", "announce-node-one", "announce-view-node", "announce-view-edge"}
    assert len(cluster.left(ServiceL2Status)) == 2
    assert len(cluster.left(ServiceBGPStatus)) == 1


def test_while_the_api_is_away_nobody_is_silent() -> None:
    cluster = Cluster(*announcing("one"), view(NODES, "two"), alive=(NODES.lease("one"),))
    cluster.passes(2 * LOOK)
    cluster.reachable = False
    cluster.passes(10 * SILENCE)
    cluster.reachable = True
    cluster.passes(NOTICED)
    assert cluster.left() == {"announce-node-one", "announce-view-node"}
    assert cluster.left(ServiceL2Status)


def test_a_deletion_names_the_version_that_was_silent() -> None:
    cluster = Cluster(said(EDGES.lease("b")), view(EDGES, "a"))
    known = cluster.world.snapshot.all(Lease)[EDGES.lease("b")].metadata
    planned: list[object] = []
    while not planned:
        cluster.now += LOOK
        plan = cluster.world.look(cluster.controller, cluster.now)
        planned = [each for each in plan.verbs if isinstance(each, Collect)]
        cluster.world.perform(replace(plan, verbs=tuple(each for each in plan.verbs if not isinstance(each, Collect))))
    assert planned == [Collect(Lease, EDGES.lease("b"), known.uid, known.resource_version)]


def test_between_two_looks_nothing_is_done_and_a_refusal_is_tried_again() -> None:
    cluster = Cluster(*announcing("one"), alive=(NODES.lease("one"),))
    cluster.world.remove(Node, "one", "")
    plan = cluster.world.look(cluster.controller, cluster.now)
    refused = [each for each in plan.verbs if isinstance(each, Collect)]
    assert {each.type for each in refused} == {ServiceL2Status, ServiceBGPStatus}
    again = cluster.controller.reconcile(cluster.world.snapshot, Changes(), cluster.now + 1)
    assert not again.verbs
    cluster.controller.failed(refused)
    again = cluster.controller.reconcile(cluster.world.snapshot, Changes(), cluster.now + 2)
    assert [each for each in again.verbs if isinstance(each, Collect)] == refused
