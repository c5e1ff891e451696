"""Terminating Pods, slices and what nodes have applied -> when a Pod says that nobody sends to it any more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from moorage.control.applied import DEAF_AFTER
from moorage.control.withdrawals import PATIENCE, WithdrawalController
from moorage.model.cluster import Lease, LeaseSpec
from moorage.model.meta import Condition, Key, ObjectMeta, ObjectReference, condition
from moorage.model.pods import Pod
from moorage.model.slices import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from moorage.model.withdrawal import APPLIED_ANNOTATION, EDGE, EDGE_LEASE_SECONDS, NODE, WITHDRAWN, applied_lease_key, whose
from tests.control.things import World, node, pod, service

READY = EndpointConditions(ready=True, serving=True, terminating=False)
TERMINATING = EndpointConditions(ready=False, serving=True, terminating=True)
UNREADY = EndpointConditions(ready=False, serving=False, terminating=False)
IPS = {"a": "10.244.1.1", "b": "10.244.1.2", "c": "10.244.2.1"}
NODES = {"a": "node-1", "b": "node-1", "c": "node-2"}


def slices(name: str = "web-1", of: str = "web", **pods: EndpointConditions) -> EndpointSlice:
    endpoints = tuple(
        Endpoint(
            addresses=(IPS[each],),
            conditions=conditions,
            node_name=NODES[each],
            target_ref=ObjectReference(kind="Pod", namespace="default", name=each),
        )
        for each, conditions in pods.items()
    )
    labels = {"kubernetes.io/service-name": of}
    meta = ObjectMeta(name=name, namespace="default", labels=labels)
    ports = (EndpointPort(name="http", protocol="TCP", port=8080),)
    return EndpointSlice(metadata=meta, address_type="IPv4", endpoints=endpoints, ports=ports)


def a_pod(name: str, terminating: bool = False) -> Pod:
    return pod(name, IPS[name], node=NODES[name], terminating=terminating)


class Scene(World):
    """A Service with the Pods a and b on node-1 and c on node-2; both nodes and an edge say what they have applied."""

    def __init__(self) -> None:
        pods = [a_pod(each) for each in IPS]
        super().__init__(service(), node("node-1"), node("node-2"), *pods, slices(a=READY, b=READY, c=READY))
        self.controller = WithdrawalController()
        self.now = 100.0
        for role, name in ((NODE, "node-1"), (NODE, "node-2"), (EDGE, "east")):
            self.apply(role, name)

    @property
    def version(self) -> str:
        return self.snapshot.versions[EndpointSlice]

    def apply(self, role: str, name: str, version: str | None = None) -> None:
        """Somebody takes the slices of that version, by default the newest, and says so."""
        key = applied_lease_key(role, name)
        annotations = {APPLIED_ANNOTATION: self.version if version is None else version}
        meta = ObjectMeta(name=key.name, namespace=key.namespace, annotations=annotations)
        self.put(Lease(metadata=meta, spec=LeaseSpec(renew_time=f"at {self.now}")))

    def everybody_applies(self) -> None:
        for role, name in ((NODE, "node-1"), (NODE, "node-2"), (EDGE, "east")):
            self.apply(role, name)

    def said(self, later: float = 0.0, name: str = "a") -> tuple[str, str, str]:
        """The condition after that many seconds."""
        self.now += later
        self.settle(self.controller, self.now)
        found = condition(self.snapshot.all(Pod)[Key("default", name)].status.conditions, WITHDRAWN)
        return (found.status, found.reason, found.message) if found is not None else ("", "", "")

    def delete(self, *names: str) -> None:
        """What the API and the endpoint controller do when Pods are deleted."""
        for name in names:
            self.put(a_pod(name, terminating=True))


NOTHING = ("", "", "")
DONE = ("True", "Withdrawn", "no node and no edge sends new connections here")


def test_it_is_true_once_everybody_has_taken_the_endpoint_out() -> None:
    scene = Scene()
    assert scene.said() == NOTHING
    scene.delete("a")
    assert scene.said() == NOTHING, "its endpoint is still ready"
    scene.put(slices(a=TERMINATING, b=READY, c=READY))
    scene.apply(NODE, "node-1")
    scene.apply(EDGE, "east")
    assert scene.said() == NOTHING, "node-2 has not spoken, and there is a second for it"
    scene.apply(NODE, "node-2")
    assert scene.said() == DONE
    scene.put(slices(b=READY, c=READY))
    assert scene.said() == DONE


def test_others_are_left_alone() -> None:
    scene = Scene()
    scene.put(slices(a=UNREADY, b=READY, c=READY))
    scene.everybody_applies()
    assert scene.said(name="a") == NOTHING, "it is not terminating"
    scene.delete("b")
    scene.put(slices(a=READY, b=TERMINATING, c=READY))
    scene.everybody_applies()
    assert scene.said(name="b") == DONE
    before = scene.snapshot.all(Pod)[Key("default", "b")]
    assert [each.type for each in before.status.conditions] == ["Ready", WITHDRAWN], "what others said stays"


def test_who_is_missing_is_named_after_a_second() -> None:
    scene = Scene()
    scene.delete("a")
    scene.put(slices(a=TERMINATING, b=READY, c=READY))
    scene.apply(NODE, "node-2")
    assert scene.said() == NOTHING
    assert scene.said(PATIENCE) == ("False", "Withdrawing", "not taken out yet: edge east, node-1")
    scene.apply(EDGE, "east")
    assert scene.said()[2] == "not taken out yet: edge east, node-1", "not more than one message a second"
    assert scene.said(PATIENCE)[2] == "not taken out yet: node-1"
    scene.apply(NODE, "node-1")
    assert scene.said() == DONE


def test_a_service_that_still_sends_connections_is_named() -> None:
    scene = Scene()
    scene.delete("a")
    scene.said()
    assert scene.said(PATIENCE) == ("False", "EndpointReady", "Service default/web still has the Pod as a ready endpoint")


def test_the_last_one_that_serves_is_not_withdrawn_until_another_is_ready() -> None:
    scene = Scene()
    scene.delete("a")
    scene.put(slices(a=TERMINATING, b=UNREADY, c=UNREADY))
    scene.everybody_applies()
    scene.said()
    text = "no other endpoint of Service default/web is ready: new connections still come here"
    assert scene.said(PATIENCE) == ("False", "EndpointTerminatingFallback", text)
    scene.put(slices("web-2", b=READY), slices(a=TERMINATING, c=UNREADY))
    assert scene.said()[0] == "False", "nobody has applied that"
    scene.everybody_applies()
    assert scene.said() == DONE


@pytest.mark.parametrize("policy", [{"internal_traffic_policy": "Local"}, {"external_traffic_policy": "Local"}])
def test_a_policy_of_local_keeps_the_last_one_of_a_node(policy: dict[str, Any]) -> None:
    scene = Scene()
    scene.put(service(**policy))
    scene.delete("c")
    scene.put(slices(a=READY, b=READY, c=TERMINATING))
    scene.everybody_applies()
    scene.said(name="c")
    text = "no other endpoint of Service default/web is ready on node node-2: new connections still come here"
    assert scene.said(PATIENCE, "c") == ("False", "EndpointTerminatingFallback", text)
    scene.put(service())
    assert scene.said(PATIENCE, "c") == DONE


def test_every_service_of_a_pod_counts() -> None:
    scene = Scene()
    scene.put(service("api"), slices("api-1", "api", a=READY))
    scene.delete("a")
    scene.put(slices(b=READY, c=READY))
    scene.everybody_applies()
    scene.said()
    assert scene.said(PATIENCE)[2] == "Service default/api still has the Pod as a ready endpoint"
    scene.remove(EndpointSlice, "api-1")
    assert scene.said(PATIENCE)[1] == "Withdrawing", "a slice that goes is a version as well"
    scene.everybody_applies()
    assert scene.said() == DONE


def test_a_headless_service_sends_as_long_as_dns_answers() -> None:
    scene = Scene()
    scene.put(service(cluster_ip="None"))
    scene.delete("a")
    scene.everybody_applies()
    scene.said()
    assert scene.said(PATIENCE)[1] == "EndpointReady"
    scene.put(slices(a=TERMINATING))
    scene.everybody_applies()
    assert scene.said() == DONE


def test_a_pod_that_no_service_has_is_withdrawn_at_once() -> None:
    scene = Scene()
    scene.remove(EndpointSlice, "web-1")
    scene.everybody_applies()
    scene.delete("a")
    assert scene.said() == DONE


def test_who_is_gone_or_silent_holds_nobody_up() -> None:
    scene = Scene()
    scene.delete("a")
    scene.put(slices(b=READY, c=READY))
    scene.apply(NODE, "node-1")
    assert scene.said(PATIENCE)[0] == ""
    scene.put(node("node-2", ready="Unknown"))
    assert scene.said(PATIENCE)[2] == "not taken out yet: edge east"
    scene.apply(EDGE, "east")
    assert scene.said() == ("True", "Withdrawn", f"{DONE[2]}; without an answer: node-2")


def test_a_node_that_does_not_exist_any_more_does_not_count() -> None:
    scene = Scene()
    scene.remove(type(node("x")), "node-2", "")
    scene.delete("a")
    scene.put(slices(b=READY, c=READY))
    scene.apply(NODE, "node-1")
    scene.apply(EDGE, "east")
    assert scene.said() == DONE


def test_an_edge_counts_as_long_as_its_lease_is_renewed() -> None:
    scene = Scene()
    scene.said()
    scene.delete("a")
    scene.put(slices(b=READY, c=READY))
    scene.apply(NODE, "node-1")
    for passed in range(10, EDGE_LEASE_SECONDS, 10):
        scene.apply(NODE, "node-2")
        assert scene.said(10)[0] != "True", f"the edge has been silent for {passed} s"
    scene.now += 9
    scene.apply(NODE, "node-2")
    assert scene.said(1) == DONE


def test_a_controller_that_heard_nothing_gives_every_edge_its_full_time() -> None:
    scene = Scene()
    scene.said()
    scene.delete("a")
    scene.put(slices(b=READY, c=READY))
    scene.now += 10 * DEAF_AFTER
    scene.apply(NODE, "node-1")
    scene.apply(NODE, "node-2")
    assert scene.said(PATIENCE)[0] != "True"
    assert scene.said(PATIENCE)[2] == "not taken out yet: edge east"


def test_what_another_writer_drops_is_said_again() -> None:
    scene = Scene()
    scene.delete("a")
    scene.put(slices(b=READY, c=READY))
    scene.everybody_applies()
    assert scene.said() == DONE
    scene.delete("a")
    assert scene.said() == DONE


def test_a_namesake_is_another_pod() -> None:
    scene = Scene()
    scene.delete("a")
    scene.put(slices(b=READY, c=READY))
    scene.everybody_applies()
    assert scene.said() == DONE
    scene.remove(Pod, "a")
    scene.put(a_pod("a"), slices(a=READY, b=READY, c=READY))
    assert scene.said() == NOTHING
    scene.delete("a")
    assert scene.said() == NOTHING


def test_a_controller_that_starts_finds_pods_that_are_leaving() -> None:
    scene = Scene()
    scene.delete("a")
    scene.put(slices(b=READY, c=READY))
    scene.everybody_applies()
    assert scene.said() == DONE
    kept = replace(a_pod("a", terminating=True), status=replace(a_pod("a").status, conditions=()))
    scene.put(kept)
    again = Scene()
    again.snapshot, again._revision = scene.snapshot, scene._revision
    assert again.said() == DONE


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("applied-node-edge-1", ("node", "edge-1")),
        ("applied-edge-node", ("edge", "node")),
        ("applied-node-", None),
        ("applied-other-x", None),
        ("announce-node-1", None),
    ],
)
def test_whose_a_lease_is(name: str, expected: tuple[str, str] | None) -> None:
    assert whose(Lease(metadata=ObjectMeta(name=name, namespace="moorage-system"))) == expected
    assert whose(Lease(metadata=ObjectMeta(name=name, namespace="default"))) is None


STATES = st.sampled_from([None, READY, TERMINATING, UNREADY])


@given(st.lists(st.tuples(st.sampled_from(["node-1", "node-2", "east", "slices", "delete"]), STATES, STATES), max_size=12))
def test_true_is_only_said_when_it_is_so(steps: list[tuple[str, EndpointConditions | None, EndpointConditions | None]]) -> None:
    """Whoever has applied a state in which the Pod was used has applied a later one when the condition turns true."""
    scene = Scene()
    used_in = {name: {"a": READY, "b": READY, "c": READY} for name in ("node-1", "node-2", "east")}
    now: dict[str, EndpointConditions] = {"a": READY, "b": READY, "c": READY}
    for what, a, b in steps:
        if what == "slices":
            now = {key: value for key, value in (("a", a), ("b", b)) if value is not None}
            scene.put(slices("web-1", "web", **now))
        elif what == "delete":
            scene.delete("a")
        else:
            scene.apply(EDGE if what == "east" else NODE, what)
            used_in[what] = now
        before = condition(scene.snapshot.all(Pod)[Key("default", "a")].status.conditions, WITHDRAWN)
        if scene.said(0.1)[0] == "True" and (before is None or before.status != "True"):
            for held in used_in.values():
                ready = [name for name, each in held.items() if each is READY]
                assert "a" not in ready
                assert held.get("a") is not TERMINATING or ready


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    scene = Scene()
    scene.delete("a")
    scene.put(slices(b=READY, c=READY))
    scene.said()
    scene.said(PATIENCE)
    first = condition(scene.snapshot.all(Pod)[Key("default", "a")].status.conditions, WITHDRAWN)
    scene.apply(NODE, "node-1")
    scene.said(PATIENCE)
    second = condition(scene.snapshot.all(Pod)[Key("default", "a")].status.conditions, WITHDRAWN)
    assert isinstance(first, Condition)
    assert isinstance(second, Condition)
    assert first.message != second.message
    assert first.last_transition_time == second.last_transition_time
