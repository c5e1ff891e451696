from __future__ import annotations

import tracemalloc

import msgspec
import pytest
from msgspec.structs import replace

from moorage.model.cluster import Namespace, Node, NodeAddress, NodeSpec, NodeStatus, Taint
from moorage.model.meta import Condition, ObjectMeta, OwnerReference
from moorage.model.service import Service
from moorage.model.slices import Endpoint, EndpointHints, EndpointSlice, ForZone
from moorage.model.snapshot import Snapshot
from moorage.table.compile import compile_table
from moorage.table.lean import lean, lean_node, lean_service, lean_slice
from tests.dns.cluster import SNAPSHOT as CLUSTER
from tests.dns.cluster import ask
from tests.table.objects import FACTS, READY, TERMINATING, UNREADY, endpoint, service, slice_

ANNOTATIONS = {"moorage.dev/a": "1", "metallb.io/b": "2", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
META = ObjectMeta(
    name="web-1",
    namespace="default",
    uid="u",
    resource_version="7",
    generation=3,
    creation_timestamp="2026-01-01T00:00:00Z",
    labels={"kubernetes.io/service-name": "web"},
    annotations=ANNOTATIONS,
    owner_references=(OwnerReference(api_version="v1", kind="Service", name="web", uid="u"),),
    managed_fields=(),
)


def full(address: str, zone: str, conditions: dict[str, bool], hostname: str = "") -> dict[str, object]:
    """An endpoint as controllers write it."""
    target = {"kind": "Pod", "namespace": "default", "name": f"web-{address}", "uid": address}
    named = {"hostname": hostname} if hostname else {}
    more = {"targetRef": target, "zone": zone, "hints": {"forZones": [{"name": zone}]}, "deprecatedTopology": {"a": "b"}}
    return {**endpoint(address, conditions=conditions), **more, **named}


def whole(*endpoints: dict[str, object]) -> EndpointSlice:
    return replace(slice_(*endpoints), metadata=META)


def test_a_heartbeat_changes_nothing_of_a_node() -> None:
    def at(time: str) -> Node:
        ready = Condition(type="Ready", status="True", last_heartbeat_time=time, last_transition_time="2026-01-01T00:00:00Z")
        taint = Taint(key="a", effect="NoSchedule")
        return Node(
            metadata=replace(META, name="node-1", namespace=""),
            spec=NodeSpec(pod_cidrs=("10.244.1.0/24",), pod_cidr="10.244.1.0/24", taints=(taint,), provider_id="x"),
            status=NodeStatus(
                addresses=(NodeAddress("InternalIP", "192.0.2.1"),),
                conditions=(ready,),
                images=({"names": ["a"]},),
                capacity={"cpu": "2"},
            ),
        )

    kept = lean_node(at("2026-01-01T00:05:00Z"))
    assert kept == lean_node(at("2026-01-01T00:10:00Z")) == lean(at("2026-01-01T00:10:00Z"))
    assert (kept.spec.pod_cidrs, kept.internal_ips, kept.spec.taints[0].key) == (("10.244.1.0/24",), ("192.0.2.1",), "a")
    assert kept.status.conditions[0].status == "True"
    assert kept.metadata.labels == META.labels
    assert set(kept.metadata.annotations) == {"moorage.dev/a", "metallb.io/b"}
    assert (kept.status.images, kept.status.capacity, kept.spec.provider_id) == ((), {}, "")


def thinned(snapshot: Snapshot) -> Snapshot:
    return Snapshot.of([lean(each) for objects in snapshot.by_type.values() for each in objects.values()])


def test_of_an_endpoint_is_kept_what_forwarding_and_dns_read() -> None:
    given = whole(full("10.244.0.1", "zone-1", READY, "db-0"))
    kept = lean_slice(given)
    assert kept.endpoints == (
        Endpoint(
            addresses=("10.244.0.1",),
            conditions=given.endpoints[0].conditions,
            hostname="db-0",
            node_name="node-1",
            hints=EndpointHints(for_zones=(ForZone(name="zone-1"),)),
        ),
    )
    assert (kept.ports, kept.address_type, kept.service_name) == (given.ports, "IPv4", "web")


@pytest.mark.parametrize(
    ("given", "annotations"),
    [
        (whole(), {"moorage.dev/a": "1"}),
        (replace(service(), metadata=META), {"moorage.dev/a": "1", "metallb.io/b": "2"}),
    ],
)
def test_metadata_keeps_identity_version_and_labels(given: Service | EndpointSlice, annotations: dict[str, str]) -> None:
    kept = lean(given)
    assert type(kept) is type(given)
    assert (kept.kind, kept.api_version) == (given.kind, given.api_version)
    assert kept.metadata == replace(META, annotations=annotations, owner_references=(), managed_fields=None)


def test_a_service_keeps_its_specification_and_status() -> None:
    given = service(
        ingress=("203.0.113.1",),
        type="LoadBalancer",
        externalTrafficPolicy="Local",
        internalTrafficPolicy="Cluster",
        ipFamilies=["IPv4"],
        ipFamilyPolicy="SingleStack",
        sessionAffinity="ClientIP",
        selector={"app": "web"},
    )
    kept = lean_service(given)
    assert (kept.spec, kept.status) == (given.spec, given.status)


def test_other_kinds_stay_as_they_are() -> None:
    given = Namespace(metadata=META)
    assert lean(given) is given


def test_equal_parts_are_one() -> None:
    given = [whole(full("10.244.0.1", "zone-1", READY), full("10.244.0.2", "zone-1", READY)) for _ in range(2)]
    one, two = (lean_slice(msgspec.json.decode(msgspec.json.encode(each), type=EndpointSlice)) for each in given)
    assert one == two
    assert one.ports is two.ports
    ends = (*one.endpoints, *two.endpoints)
    for field in ("conditions", "hints", "node_name", "deprecated_topology"):
        assert len({id(getattr(each, field)) for each in ends}) == 1, field
    assert one.metadata.labels["kubernetes.io/service-name"] is two.metadata.labels["kubernetes.io/service-name"]


def test_a_table_of_what_is_kept_is_the_same() -> None:
    objects = [
        service("web", "10.96.0.1", type="NodePort", ports=[{"name": "http", "port": 80, "nodePort": 30080}]),
        service("api", "10.96.0.2", internalTrafficPolicy="Local", trafficDistribution="PreferSameZone"),
        slice_(full("10.244.0.1", "zone-1", READY), full("10.244.0.2", "zone-2", TERMINATING), of="web", port_name="http"),
        slice_(full("10.244.0.3", "zone-1", READY), full("10.244.0.4", "zone-2", UNREADY), of="api"),
    ]
    facts = replace(FACTS, zone="zone-1")
    table = compile_table(Snapshot.of(objects), facts)
    assert len(table.services) == 2
    assert compile_table(thinned(Snapshot.of(objects)), facts) == table


@pytest.mark.parametrize(
    "question",
    [
        "web.default.svc.cluster.local A",
        "db.default.svc.cluster.local A",
        "db-0.db.default.svc.cluster.local AAAA",
        "_http._tcp.db.default.svc.cluster.local SRV",
        "docs.default.svc.cluster.local CNAME",
        "7.1.244.10.in-addr.arpa PTR",
    ],
)
def test_dns_answers_from_what_is_kept_are_the_same(question: str) -> None:
    name, type_ = question.split()
    answer = ask(name, type_)
    assert answer.records
    assert ask(name, type_, thinned(CLUSTER)) == answer


def test_an_endpoint_takes_200_bytes() -> None:
    count = 1000
    body = msgspec.json.encode(whole(*(full(f"10.244.{each // 250}.{each % 250}", "zone-1", READY) for each in range(count))))
    lean_slice(msgspec.json.decode(body, type=EndpointSlice))  # what is shared is there already
    tracemalloc.start()
    try:
        kept = lean_slice(msgspec.json.decode(body, type=EndpointSlice))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept.endpoints) == count
    assert taken / count < 205
