from __future__ import annotations

from typing import Any

from moorage.balance.health import HealthSettings, Target
from moorage.balance.targets import CHECKS_PER_SECOND, MOST_CHECKS, beat, targets
from moorage.model.meta import Key
from moorage.model.service import Service
from moorage.model.snapshot import Snapshot
from tests.table.objects import endpoint, ip, node, service, slice_

SETTINGS = HealthSettings(port=1234, path="/here")
NODES = [node("node-1", "192.168.0.1", "fd01::1"), node("node-2", "192.168.0.2"), node("node-3")]


def local(name: str = "web", **spec: Any) -> Service:
    whole = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 30900,
        "loadBalancerClass": "moorage.dev/edge",
        **spec,
    }
    return service(name, ingress=("198.18.100.1",), **whole)


def checks(*objects: Any) -> set[tuple[str, str, int]]:
    found = targets(Snapshot.of([*NODES, *objects]), SETTINGS)
    return {(each.service.name, each.node, each.port) for each in found if each.service is not None}


def test_every_node_with_an_address_is_asked() -> None:
    assert targets(Snapshot.of(NODES), SETTINGS) == {
        Target("node-1", ip("192.168.0.1"), 1234, "/here"),
        Target("node-2", ip("192.168.0.2"), 1234, "/here"),
    }


def test_nodes_with_an_endpoint_are_asked_for_a_service_of_policy_local() -> None:
    here = slice_(endpoint("10.244.1.1", "node-1"), endpoint("10.244.3.1", "node-3"), endpoint("10.244.9.1", "no such node"))
    assert checks(local(), here) == {("web", "node-1", 30900)}
    found = targets(Snapshot.of([*NODES, local(), here]), SETTINGS)
    assert Target("node-1", ip("192.168.0.1"), 30900, "/healthz", Key("default", "web")) in found


def test_other_services_are_not_asked_for() -> None:
    here = slice_(endpoint("10.244.1.1", "node-1"))
    for other in (
        local(externalTrafficPolicy="Cluster"),
        local(healthCheckNodePort=0),
        local(type="NodePort"),
        local(loadBalancerClass="moorage.dev/announce"),
        service("web", type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30900),
    ):
        assert checks(other, here) == set()


def test_the_number_of_checks_is_bounded_and_so_is_their_rate() -> None:
    nodes = [node(f"node-{number}", f"10.0.{number // 250}.{number % 250 + 1}") for number in range(1100)]
    slices = [slice_(*(endpoint("10.244.1.1", each.metadata.name) for each in nodes), of=name) for name in ("one", "two")]
    found = targets(Snapshot.of([*nodes, *slices, local("one"), local("two")]), SETTINGS)
    asked = [each for each in found if each.service is not None]
    assert (len(asked), len(found)) == (MOST_CHECKS, MOST_CHECKS + 1100)
    assert len(asked) / beat(asked[0], len(found)) <= CHECKS_PER_SECOND
    assert beat(next(each for each in found if each.service is None), len(found)) == 0
