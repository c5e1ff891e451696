from __future__ import annotations

from msgspec.structs import replace

from moorage.control.hearing import OWN_LEASE
from moorage.control.node_health import NodeHealthController
from moorage.model.cluster import Lease, Node
from moorage.model.meta import Condition, Key
from moorage.model.pods import Pod
from moorage.model.snapshot import Changes
from moorage.model.verbs import MergePatch
from tests.control.things import World, lease, node, pod

GRACE = 4.0
"""Seconds: the controller renews its own Lease once a second."""


class Cluster:
    """Nodes that renew their Leases every second while they are alive. Time passes in steps of a second."""

    def __init__(self, *names: str) -> None:
        self.alive = set(names)
        self.now = 1000.0
        self.said: list[str] = []
        self.reachable = True
        self.controller = NodeHealthController(GRACE)
        self.world = World(*(node(name) for name in names), *(pod(f"on-{name}", "10.244.1.1", node=name) for name in names))
        self.renew()

    def renew(self) -> None:
        for name in sorted(self.alive):
            self.world.put(lease(name, f"2026-01-01T00:{self.now}"))

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            if self.reachable:
                self.renew()
            for _ in range(3):
                plan = self.world.look(self.controller, self.now)
                self.said += self.world.notes
                if self.reachable:
                    self.world.perform(plan)
                else:
                    self.controller.failed(plan.verbs)

    def ready(self) -> dict[str, str]:
        nodes = self.world.snapshot.all(Node).values()
        return {each.metadata.name: each.status.conditions[0].status for each in nodes}

    def pods_ready(self) -> dict[str, str]:
        pods = self.world.snapshot.all(Pod).values()
        return {each.metadata.name: each.status.conditions[0].status for each in pods}

    def tainted(self) -> dict[str, list[str]]:
        nodes = self.world.snapshot.all(Node).values()
        return {each.metadata.name: [f"{one.key}:{one.effect}" for one in each.spec.taints] for each in nodes}


UNREACHABLE = ["node.kubernetes.io/unreachable:NoExecute", "node.kubernetes.io/unreachable:NoSchedule"]


def test_nodes_that_renew_are_left_alone() -> None:
    cluster = Cluster("a", "b")
    cluster.passes(30)
    assert cluster.ready() == {"a": "True", "b": "True"}
    assert cluster.tainted() == {"a": [], "b": []}
    assert cluster.said == []


def test_a_silent_node_is_unknown_its_pods_unready_and_it_is_tainted() -> None:
    cluster = Cluster("a", "b")
    cluster.passes(5)
    cluster.alive.discard("b")
    cluster.passes(3)
    assert cluster.ready() == {"a": "True", "b": "True"}
    cluster.passes(2)
    assert cluster.ready() == {"a": "True", "b": "Unknown"}
    assert cluster.pods_ready() == {"on-a": "True", "on-b": "False"}
    assert cluster.tainted() == {"a": [], "b": UNREACHABLE}
    assert cluster.said == ["NodeNotReady: Node b status is now: NodeNotReady", "NodeNotReady: Node is not ready"]
    [condition] = cluster.world.snapshot.all(Node)[Key("", "b")].status.conditions
    assert (condition.reason, condition.message) == ("NodeStatusUnknown", "Kubelet stopped posting node status.")
    cluster.passes(10)
    assert len(cluster.said) == 2, "it is said once"


def test_the_writes_are_guarded_by_the_version_they_were_decided_from() -> None:
    cluster = Cluster("a")
    cluster.alive.clear()
    cluster.passes(3)
    while not any(isinstance(each, MergePatch) and each.type is Node for each in cluster.world.verbs):
        cluster.now += 1
        plan = cluster.world.look(cluster.controller, cluster.now)
        if not any(isinstance(each, MergePatch) and each.type is Node for each in plan.verbs):
            cluster.world.perform(plan)
    patches = {each.type: each for each in cluster.world.verbs if isinstance(each, MergePatch) and each.type is not Lease}
    assert {type_: each.subresource for type_, each in patches.items()} == {Node: "status", Pod: "status"}
    for each in patches.values():
        found = cluster.world.snapshot.all(each.type)[each.key]
        assert each.patch["metadata"] == {"resourceVersion": found.metadata.resource_version}


def test_a_node_that_speaks_again_loses_its_taints_once_its_kubelet_says_ready() -> None:
    cluster = Cluster("a", "b")
    cluster.alive.discard("b")
    cluster.passes(8)
    cluster.alive.add("b")
    cluster.passes(2)
    assert cluster.tainted()["b"] == UNREACHABLE, "the Lease alone says nothing about the conditions"
    silent = cluster.world.snapshot.all(Node)[Key("", "b")]
    cluster.world.put(replace(silent, status=node("b").status))
    back = cluster.world.snapshot.all(Pod)[Key("default", "on-b")]
    cluster.world.put(replace(back, status=pod("x", "10.244.1.1").status))
    cluster.passes(2)
    assert cluster.tainted()["b"] == []
    assert cluster.pods_ready()["on-b"] == "True"


def test_a_pod_that_turns_ready_on_a_silent_node_is_unready_again() -> None:
    cluster = Cluster("a")
    cluster.alive.clear()
    cluster.passes(8)
    cluster.world.put(pod("late", "10.244.1.9", node="a"))
    cluster.passes(1)
    assert cluster.pods_ready() == {"on-a": "False", "late": "False"}


def test_conditions_of_others_are_kept_and_a_missing_ready_is_added() -> None:
    cluster = Cluster("a")
    disk = Condition(type="DiskPressure", status="False")
    other = Condition(type="Other", status="True")
    bare = node("a", ready="")
    cluster.world.put(replace(bare, status=replace(bare.status, conditions=(disk, other))))
    cluster.alive.clear()
    cluster.passes(8)
    conditions = cluster.world.snapshot.all(Node)[Key("", "a")].status.conditions
    assert [(each.type, each.status, each.reason) for each in conditions] == [
        ("DiskPressure", "Unknown", "NodeStatusUnknown"),
        ("Other", "True", ""),
        ("Ready", "Unknown", "NodeStatusNeverUpdated"),
    ]


def test_a_node_without_a_lease_is_heard_by_its_heartbeats() -> None:
    cluster = Cluster("a")
    cluster.alive.clear()
    for beat in range(10):
        beating = Condition(type="Ready", status="True", last_heartbeat_time=f"2026-01-01T00:00:{beat:02}Z")
        cluster.world.put(replace(node("a"), status=replace(node("a").status, conditions=(beating,))))
        cluster.passes(1)
    assert cluster.ready() == {"a": "True"}
    cluster.passes(5)
    assert cluster.ready() == {"a": "Unknown"}


def test_a_server_that_is_away_makes_nobody_silent() -> None:
    cluster = Cluster("a", "b")
    cluster.passes(5)
    cluster.reachable = False
    cluster.passes(60)
    assert cluster.ready() == {"a": "True", "b": "True"}
    cluster.reachable = True
    cluster.alive.discard("b")
    cluster.passes(3)
    assert cluster.ready() == {"a": "True", "b": "True"}, "everybody has the full grace again"
    cluster.passes(3)
    assert cluster.ready() == {"a": "True", "b": "Unknown"}


def test_a_clock_that_jumps_makes_nobody_silent() -> None:
    cluster = Cluster("a")
    cluster.passes(5)
    cluster.now += 3600
    cluster.passes(1)
    assert cluster.ready() == {"a": "True"}


def test_its_own_lease_is_made_and_renewed() -> None:
    world, controller = World(), NodeHealthController(GRACE)
    assert world.run(controller, now=1000.0).wake_at == 1001.0
    assert world.snapshot.all(Lease)[OWN_LEASE].spec.renew_time == "1970-01-01T00:16:40.000000Z"
    assert world.run(controller, now=1000.5).verbs == ()
    world.run(controller, now=1001.0)
    assert world.snapshot.all(Lease)[OWN_LEASE].spec.renew_time == "1970-01-01T00:16:41.000000Z"


def test_a_taint_of_a_node_that_is_not_ready_by_its_own_word() -> None:
    world, controller = World(node("a", ready="False"), pod("p", "10.244.1.1", node="a")), NodeHealthController(GRACE)
    world.run(controller, now=1000.0)
    assert [each.key for each in world.snapshot.all(Node)[Key("", "a")].spec.taints] == ["node.kubernetes.io/not-ready"] * 2
    assert world.snapshot.all(Pod)[Key("default", "p")].status.conditions[0].status == "True", "its kubelet speaks for its Pods"


def test_a_write_that_failed_is_made_again() -> None:
    world, controller = World(node("a", ready="False")), NodeHealthController(GRACE)
    lost = world.look(controller, now=1000.0)
    assert any(isinstance(each, MergePatch) for each in lost.verbs)
    assert not any(isinstance(each, MergePatch) and each.type is Node for each in world.look(controller, now=1000.1).verbs)
    controller.failed(lost.verbs)
    world._changes = Changes(everything=True)
    assert any(isinstance(each, MergePatch) and each.type is Node for each in world.look(controller, now=1000.2).verbs)
