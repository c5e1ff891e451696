"""Objects for tests of controllers, and a small API server in memory that performs their plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from moorage.client.fake_rules import merge
from moorage.control.types import Controller, Plan
from moorage.model.cluster import Lease, LeaseSpec, Namespace, Node, NodeSpec, NodeStatus, Taint
from moorage.model.lb import IPAddressPool, IPAddressPoolSpec, ServiceAllocation
from moorage.model.meta import Condition, Key, Object, ObjectMeta
from moorage.model.pods import Container, ContainerPort, Pod, PodIP, PodSpec, PodStatus
from moorage.model.service import LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort, ServiceSpec, ServiceStatus
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Bind, Collect, Create, Delete, MergePatch, Note, Update, Verb

READY = Condition(type="Ready", status="True", reason="KubeletReady")
HTTP = ServicePort(name="http", protocol="TCP", port=80, target_port=8080)


def node(name: str, ready: str = "True", zone: str = "", taints: tuple[Taint, ...] = (), unschedulable: bool = False) -> Node:
    labels = {"topology.kubernetes.io/zone": zone} if zone else {}
    conditions = (replace(READY, status=ready),) if ready else ()
    return Node(
        metadata=ObjectMeta(name=name, labels=labels),
        spec=NodeSpec(taints=taints, unschedulable=unschedulable),
        status=NodeStatus(conditions=conditions),
    )


def pod(
    name: str,
    ip: str = "",
    labels: Mapping[str, str] | None = None,
    node: str = "node-1",
    ready: bool = True,
    terminating: bool = False,
    **spec: Any,
) -> Pod:
    """`labels` default to app=web. More keywords are fields of the spec."""
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            labels={"app": "web"} if labels is None else dict(labels),
            deletion_timestamp="2026-01-01T00:00:00Z" if terminating else None,
        ),
        spec=PodSpec(node_name=node, **spec),
        status=PodStatus(
            phase="Running" if node else "Pending",
            pod_ip=ip,
            pod_ips=(PodIP(ip=ip),) if ip else (),
            conditions=(Condition(type="Ready", status="True" if ready else "False"),),
        ),
    )


def container(*ports: ContainerPort) -> Container:
    return Container(name="main", ports=ports)


def service(name: str = "web", labels: Mapping[str, str] | None = None, **spec: Any) -> Service:
    """A ClusterIP Service for app=web with the port http; keywords are fields of the spec."""
    fields: dict[str, Any] = {
        "type": "ClusterIP",
        "cluster_ip": "10.96.0.20",
        "ip_families": ("IPv4",),
        "selector": {"app": "web"},
        "ports": (HTTP,),
        **spec,
    }
    return Service(metadata=ObjectMeta(name=name, namespace="default", labels=dict(labels or {})), spec=ServiceSpec(**fields))


def balanced(name: str, shows: str = "", annotations: Mapping[str, str] | None = None, **spec: Any) -> Service:
    """A LoadBalancer Service that shows an address."""
    made = service(name, type="LoadBalancer", **spec)
    ingress = (LoadBalancerIngress(ip=shows, ip_mode="VIP"),) if shows else ()
    return replace(
        made,
        metadata=replace(made.metadata, annotations=dict(annotations or {})),
        status=ServiceStatus(load_balancer=LoadBalancerStatus(ingress=ingress)),
    )


def pool(name: str, *addresses: str, auto: bool | None = None, allocation: ServiceAllocation | None = None) -> IPAddressPool:
    return IPAddressPool(
        metadata=ObjectMeta(name=name, namespace="metallb-system"),
        spec=IPAddressPoolSpec(addresses=addresses, auto_assign=auto, service_allocation=allocation),
    )


def namespace(name: str, **labels: str) -> Namespace:
    return Namespace(metadata=ObjectMeta(name=name, labels=labels))


def lease(name: str, renewed: str) -> Lease:
    return Lease(metadata=ObjectMeta(name=name, namespace="kube-node-lease"), spec=LeaseSpec(renew_time=renewed))


class World:
    """What the API holds. `put` and `remove` are other people's writes; `run` lets a controller look and performs its plan."""

    def __init__(self, *objects: Object) -> None:
        self.snapshot = Snapshot()
        self.notes: list[str] = []
        self.verbs: list[Verb] = []
        self._changes = Changes(everything=True)
        self._revision = 0
        self.put(*objects)

    def put(self, *objects: Object) -> None:
        """Creates or replaces; uid and time of creation stay, or are made from the revision."""
        for each in objects:
            self._revision += 1
            old = self.snapshot.get(type(each), each.key)
            meta = old.metadata if old is not None else None
            stamped = replace(
                each.metadata,
                uid=meta.uid if meta else f"uid-{self._revision}",
                creation_timestamp=meta.creation_timestamp if meta else f"2026-01-01T00:00:{self._revision:02}Z",
                resource_version=str(self._revision),
            )
            self._set(type(each), each.key, replace(each, metadata=stamped))

    def edit(self, service: Service) -> None:
        """Somebody applies a Service anew: what controllers wrote of it stays."""
        old = self.snapshot.all(Service)[service.key]
        meta = replace(
            service.metadata,
            annotations={**old.metadata.annotations, **service.metadata.annotations},
            finalizers=old.metadata.finalizers,
        )
        self.put(replace(service, metadata=meta, status=old.status))

    def remove(self, type_: type[Object], name: str, namespace: str = "default") -> None:
        self._revision += 1
        self._set(type_, Key(namespace, name), None)

    def _set(self, type_: type[Object], key: Key, new: Object | None) -> None:
        objects = {name: each for name, each in self.snapshot.all(type_).items() if name != key}
        if new is not None:
            objects[key] = new
        self.snapshot = self.snapshot.with_objects(type_, objects, str(self._revision))
        self._changes = self._changes.merged(Changes({type_: frozenset({key})}))

    def look(self, controller: Controller, now: float = 0.0) -> Plan:
        """One reconcile, nothing performed. `verbs` and `notes` hold what was planned."""
        changes, self._changes = self._changes, Changes()
        plan = controller.reconcile(self.snapshot, changes, now)
        self.verbs = [each for each in plan.verbs if not isinstance(each, Note)]
        self.notes = [f"{each.reason.value}: {each.message}" for each in plan.verbs if isinstance(each, Note)]
        return plan

    def perform(self, plan: Plan) -> None:
        for verb in plan.verbs:
            match verb:
                case Create(obj):
                    assert self.snapshot.get(type(obj), obj.key) is None, f"{obj.key} exists"
                    self.put(obj)
                case Update(obj):
                    self._guard(type(obj), obj.key, obj.metadata.resource_version)
                    self.put(obj)
                case MergePatch(type_, key, patch):
                    self._guard(type_, key, patch.get("metadata", {}).get("resourceVersion", ""))
                    tree = merge(msgspec.json.decode(msgspec.json.encode(self.snapshot.all(type_)[key])), patch)
                    self.put(msgspec.json.decode(msgspec.json.encode(tree), type=type_))
                case Delete(type_, key, uid) | Collect(type_, key, uid):
                    assert self.snapshot.all(type_)[key].metadata.uid == uid
                    if isinstance(verb, Collect):
                        self._guard(type_, key, verb.resource_version)
                    self._set(type_, key, None)
                case Bind(key, _, name):
                    bound = self.snapshot.all(Pod)[key]
                    self.put(replace(bound, spec=replace(bound.spec, node_name=name)))
                case Note():
                    pass

    def run(self, controller: Controller, now: float = 0.0) -> Plan:
        plan = self.look(controller, now)
        self.perform(plan)
        return plan

    def settle(self, controller: Controller, now: float = 0.0, turns: int = 20) -> list[str]:
        """Lets a controller work until it plans nothing. Returns what it said."""
        said: list[str] = []
        for _ in range(turns):
            plan = self.run(controller, now)
            said += self.notes
            if not plan.verbs and (plan.wake_at is None or plan.wake_at > now):
                return said
        raise AssertionError("the controller does not come to rest")

    def _guard(self, type_: type[Object], key: Key, version: str) -> None:
        found = self.snapshot.all(type_)[key].metadata.resource_version
        assert version in ("", found), f"{key} was decided from version {version}, it is {found}"


def address_of(world: World, name: str) -> str:
    return ",".join(each.ip for each in world.snapshot.all(Service)[Key("default", name)].status.load_balancer.ingress)
