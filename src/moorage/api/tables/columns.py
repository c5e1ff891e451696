"""The columns of `kubectl get` for each kind, and the cells of one object. Priority 1 is shown by `-o wide` only.

Source: `pkg/printers/internalversion/printers.go` of Kubernetes 1.36; for IPAddressPool the printer columns of MetalLB's
CustomResourceDefinition.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from moorage.api.tables import config, metallb
from moorage.api.tables.cells import NONE, UNKNOWN, age, few, host_port, joined, pairs
from moorage.api.tables.layout import AGE, NAME, Column, Layout, plain, wide
from moorage.api.tables.pod_status import summarize
from moorage.model.cluster import Event, Lease, Namespace, Node
from moorage.model.endpoints import Endpoints
from moorage.model.event_v1 import EventV1, as_core
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Object, is_true
from moorage.model.pods import Pod
from moorage.model.service import EXTERNAL_NAME, LOAD_BALANCER, Service
from moorage.model.service_cidrs import IPAddress, ServiceCIDR
from moorage.model.slices import EndpointSlice

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


def _namespace(obj: Namespace, now: float) -> tuple[object, ...]:
    return obj.metadata.name, obj.status.phase, age(obj.metadata.creation_timestamp, now)


def _node(obj: Node, now: float) -> tuple[object, ...]:
    ready = [each for each in obj.status.conditions if each.type == "Ready"]
    words = ["Ready" if is_true(ready, "Ready") else "NotReady"] if ready else ["Unknown"]
    if obj.spec.unschedulable:
        words.append("SchedulingDisabled")
    labels = obj.metadata.labels
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)} | {labels.get(_ROLE_LABEL, "")}
    info = obj.status.node_info
    return (
        obj.metadata.name,
        ",".join(words),
        joined(sorted(filter(None, roles))),
        age(obj.metadata.creation_timestamp, now),
        info.kubelet_version,
        _node_address(obj, "InternalIP"),
        _node_address(obj, "ExternalIP"),
        info.os_image or UNKNOWN,
        info.kernel_version or UNKNOWN,
        info.container_runtime_version or UNKNOWN,
    )


def _node_address(obj: Node, type_: str) -> str:
    return next((each.address for each in obj.status.addresses if each.type == type_), NONE)


def _pod(obj: Pod, now: float) -> tuple[object, ...]:
    summary = summarize(obj, now)
    gates = [each.get("conditionType", "") for each in obj.spec.readiness_gates]
    open_gates = sum(is_true(obj.status.conditions, gate) for gate in gates)
    return (
        obj.metadata.name,
        summary.ready,
        summary.status,
        summary.restarts,
        age(obj.metadata.creation_timestamp, now),
        next((each.ip for each in obj.status.pod_ips), NONE),
        obj.spec.node_name or NONE,
        NONE,
        f"{open_gates}/{len(gates)}" if gates else NONE,
    )


def _service(obj: Service, now: float) -> tuple[object, ...]:
    spec = obj.spec
    ports = (f"{port.port}:{port.node_port}" if port.node_port else str(port.port) for port in spec.ports)
    return (
        obj.metadata.name,
        spec.type,
        next(iter(spec.cluster_ips), spec.cluster_ip) or NONE,
        _external_ip(obj),
        joined(f"{shown}/{port.protocol}" for shown, port in zip(ports, spec.ports, strict=True)),
        age(obj.metadata.creation_timestamp, now),
        pairs(spec.selector),
    )


def _external_ip(obj: Service) -> str:
    spec = obj.spec
    if spec.type == EXTERNAL_NAME:
        return spec.external_name
    if spec.type != LOAD_BALANCER:
        return joined(spec.external_ips)
    given = sorted({each.ip or each.hostname for each in obj.status.load_balancer.ingress})
    return joined([*given, *spec.external_ips], "<pending>")


def _endpoints(obj: Endpoints, now: float) -> tuple[object, ...]:
    """Ready addresses with each of their ports; a headless Service may have none."""
    shown = [
        host_port(address.ip, port.port) if port else address.ip
        for subset in obj.subsets
        for port in subset.ports or (None,)
        for address in subset.addresses
    ]
    cell = few(shown, otherwise="") if obj.subsets else NONE
    return obj.metadata.name, cell, age(obj.metadata.creation_timestamp, now)


def _endpoint_slice(obj: EndpointSlice, now: float) -> tuple[object, ...]:
    ports = [str(port.port) if port.port is not None else port.name or "*" for port in obj.ports]
    addresses = [address for endpoint in obj.endpoints for address in endpoint.addresses]
    return obj.metadata.name, obj.address_type, few(ports), few(addresses), age(obj.metadata.creation_timestamp, now)


def _event(obj: Event, now: float) -> tuple[object, ...]:
    first = age(obj.first_timestamp or obj.event_time, now)
    last = age(obj.last_timestamp, now) if obj.last_timestamp else first
    count = obj.count or 1
    if obj.series is not None:
        last, count = age(obj.series.get("lastObservedTime"), now), obj.series.get("count", 0)
    about = obj.involved_object
    source = (obj.source.component or obj.reporting_component, obj.source.host or obj.reporting_instance)
    return (
        last,
        obj.type,
        obj.reason,
        f"{about.kind.lower()}/{about.name}" if about.name else about.kind.lower(),
        about.field_path,
        ", ".join(filter(None, source)),
        obj.message.strip(),
        first,
        count,
        obj.metadata.name,
    )


def _event_v1(obj: EventV1, now: float) -> tuple[object, ...]:
    return _event(as_core(obj), now)


def _lease(obj: Lease, now: float) -> tuple[object, ...]:
    return obj.metadata.name, obj.spec.holder_identity or "", age(obj.metadata.creation_timestamp, now)


def _ip_address_pool(obj: IPAddressPool, now: float) -> tuple[object, ...]:
    spec = obj.spec
    return (
        obj.metadata.name,
        spec.auto_assign is not False,
        spec.avoid_buggy_ips,
        json.dumps(spec.addresses, separators=(",", ":")),
    )


def _service_cidr(obj: ServiceCIDR, now: float) -> tuple[object, ...]:
    return obj.metadata.name, ",".join(obj.spec.cidrs), age(obj.metadata.creation_timestamp, now)


def _ip_address(obj: IPAddress, now: float) -> tuple[object, ...]:
    parent = obj.spec.parent_ref
    shown = NONE
    if parent is not None:
        resource = f"{parent.resource}.{parent.group}" if parent.group else parent.resource
        shown = "/".join(filter(None, (resource.lower(), parent.namespace, parent.name)))
    return obj.metadata.name, shown


_EVENT_COLUMNS = (
    *plain("Last Seen", "Type", "Reason", "Object"),
    *wide("Subobject", "Source"),
    *plain("Message"),
    *wide("First Seen"),
    Column("Count", type="integer", format="int32", priority=1),
    Column("Name", format="name", priority=1),
)

LAYOUTS: Mapping[type[Object], Layout] = {
    Namespace: Layout((NAME, *plain("Status"), AGE), _namespace),
    Node: Layout(
        (
            NAME,
            *plain("Status", "Roles"),
            AGE,
            *plain("Version"),
            *wide("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
        ),
        _node,
    ),
    Pod: Layout(
        (NAME, *plain("Ready", "Status", "Restarts"), AGE, *wide("IP", "Node", "Nominated Node", "Readiness Gates")), _pod
    ),
    Service: Layout((NAME, *plain("Type", "Cluster-IP", "External-IP", "Port(s)"), AGE, *wide("Selector")), _service),
    Endpoints: Layout((NAME, *plain("Endpoints"), AGE), _endpoints),
    EndpointSlice: Layout((NAME, *plain("AddressType", "Ports", "Endpoints"), AGE), _endpoint_slice),
    Event: Layout(_EVENT_COLUMNS, _event),
    EventV1: Layout(_EVENT_COLUMNS, _event_v1),
    Lease: Layout((NAME, *plain("Holder"), AGE), _lease),
    ServiceCIDR: Layout((NAME, *plain("CIDRs"), AGE), _service_cidr),
    IPAddress: Layout((NAME, *plain("ParentRef")), _ip_address),
    IPAddressPool: Layout(
        (NAME, Column("Auto Assign", type="boolean"), Column("Avoid Buggy IPs", type="boolean"), *plain("Addresses")),
        _ip_address_pool,
    ),
    **config.LAYOUTS,
    **metallb.LAYOUTS,
}
