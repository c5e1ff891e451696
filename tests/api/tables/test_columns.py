"""The columns of every kind, and rows as kubectl shows them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.api.tables.columns import LAYOUTS
from moorage.model.cluster import Event, Lease, Namespace, Node
from moorage.model.endpoints import Endpoints
from moorage.model.kinds import KINDS
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Object
from moorage.model.pods import Pod
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice

NOW = 1767225600.0 + 300
META = {"name": "it", "creationTimestamp": "2026-01-01T00:00:00Z"}


def row(type_: type[Object], tree: dict[str, Any]) -> tuple[object, ...]:
    cells = LAYOUTS[type_].cells(msgspec.convert({"metadata": META, **tree}, type_), NOW)
    assert len(cells) == len(LAYOUTS[type_].columns)
    return cells


def headings(type_: type[Object], wide: bool = True) -> str:
    return " | ".join(each.name for each in LAYOUTS[type_].columns if wide or not each.priority)


def test_every_kind_has_columns() -> None:
    assert {kind.type for kind in KINDS} == set(LAYOUTS)


@pytest.mark.parametrize(
    ("type_", "narrow", "wide"),
    [
        (Namespace, "Name | Status | Age", ""),
        (
            Node,
            "Name | Status | Roles | Age | Version",
            " | Internal-IP | External-IP | OS-Image | Kernel-Version | Container-Runtime",
        ),
        (Pod, "Name | Ready | Status | Restarts | Age", " | IP | Node | Nominated Node | Readiness Gates"),
        (Service, "Name | Type | Cluster-IP | External-IP | Port(s) | Age", " | Selector"),
        (EndpointSlice, "Name | AddressType | Ports | Endpoints | Age", ""),
        (Lease, "Name | Holder | Age", ""),
        (IPAddressPool, "Name | Auto Assign | Avoid Buggy IPs | Addresses", ""),
    ],
)
def test_headings(type_: type[Object], narrow: str, wide: str) -> None:
    assert headings(type_, wide=False) == narrow
    assert headings(type_) == narrow + wide


def test_headings_of_events() -> None:
    assert headings(Event, wide=False) == "Last Seen | Type | Reason | Object | Message"
    assert headings(Event) == "Last Seen | Type | Reason | Object | Subobject | Source | Message | First Seen | Count | Name"


def service(type_: str, ingress: Any = (), **spec: Any) -> tuple[object, ...]:
    return row(Service, {"spec": {"type": type_, **spec}, "status": {"loadBalancer": {"ingress": list(ingress)}}})


def test_service() -> None:
    ports = [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    cells = service("NodePort", clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"], ports=ports, selector={"app": "web"})
    assert cells == ("it", "NodePort", "10.96.0.7", "<none>", "80:30080/TCP,53/UDP", "5m", "app=web")


@pytest.mark.parametrize(
    ("cells", "external"),
    [
        (service("ClusterIP", externalIPs=["192.0.2.1", "192.0.2.2"]), "192.0.2.1,192.0.2.2"),
        (service("LoadBalancer"), "<pending>"),
        (service("LoadBalancer", [{"ip": "198.18.100.1"}]), "198.18.100.1"),
        (service("LoadBalancer", [{"hostname": "lb.example"}], externalIPs=["192.0.2.1"]), "lb.example,192.0.2.1"),
        (service("LoadBalancer", externalIPs=["192.0.2.1"]), "192.0.2.1"),
        (service("ExternalName", externalName="db.example"), "db.example"),
    ],
)
def test_external_ip(cells: tuple[object, ...], external: str) -> None:
    assert cells[3] == external


def test_headless_and_portless_service() -> None:
    assert service("ClusterIP", clusterIP="None", clusterIPs=["None"])[2:5] == ("None", "<none>", "<none>")
    assert service("ExternalName", externalName="x")[2] == "<none>"


def test_node() -> None:
    tree = {
        "metadata": {**META, "labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "198.18.0.11"}],
            "nodeInfo": {"kubeletVersion": "v1", "osImage": "os", "kernelVersion": "6", "containerRuntimeVersion": "none"},
        },
    }
    assert row(Node, tree) == (
        "it", "Ready,SchedulingDisabled", "edge,worker", "5m", "v1", "198.18.0.11", "<none>", "os", "6", "none"
    )  # fmt: skip


def test_node_without_a_word() -> None:
    assert row(Node, {})[1:3] == ("Unknown", "<none>")
    assert row(Node, {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})[1] == "NotReady"
    assert row(Node, {})[7:] == ("<unknown>", "<unknown>", "<unknown>")


def test_pod() -> None:
    tree = {
        "spec": {"containers": [{}], "nodeName": "node-1", "readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.244.1.2"}], "conditions": [{"type": "a", "status": "True"}]},
    }
    assert row(Pod, tree) == ("it", "0/1", "Running", "0", "5m", "10.244.1.2", "node-1", "<none>", "1/2")
    assert row(Pod, {"status": {"phase": "Pending"}})[5:] == ("<none>", "<none>", "<none>", "<none>")


def test_namespace_and_lease() -> None:
    assert row(Namespace, {"status": {"phase": "Active"}}) == ("it", "Active", "5m")
    assert row(Lease, {"spec": {"holderIdentity": "node-1"}}) == ("it", "node-1", "5m")
    assert row(Lease, {}) == ("it", "", "5m")


def test_endpoint_slice() -> None:
    endpoints = [{"addresses": [f"10.244.0.{n}"]} for n in range(1, 6)]
    tree = {"addressType": "IPv4", "ports": [{"port": 8080}, {"name": "any"}, {}], "endpoints": endpoints}
    assert row(EndpointSlice, tree) == ("it", "IPv4", "8080,any,*", "10.244.0.1,10.244.0.2,10.244.0.3 + 2 more...", "5m")
    assert row(EndpointSlice, {})[2:4] == ("<unset>", "<unset>")


def test_endpoints() -> None:
    """`formatEndpoints` in `pkg/printers/internalversion/printers.go`: ready addresses only."""
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 443}]
    many = {"addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::2"}], "notReadyAddresses": [{"ip": "10.0.0.9"}], "ports": ports}
    assert row(Endpoints, {"subsets": [many]}) == ("it", "10.0.0.1:80,[fd00::2]:80,10.0.0.1:443 + 1 more...", "5m")
    assert row(Endpoints, {"subsets": [{"addresses": [{"ip": "10.0.0.1"}]}]})[1] == "10.0.0.1"
    assert row(Endpoints, {"subsets": [{"notReadyAddresses": [{"ip": "10.0.0.1"}]}]})[1] == ""
    assert row(Endpoints, {})[1] == "<none>"


def test_ip_address_pool() -> None:
    pool = {"spec": {"addresses": ["198.18.100.1-198.18.100.9", "198.18.101.0/24"]}}
    assert row(IPAddressPool, pool) == ("it", True, False, '["198.18.100.1-198.18.100.9","198.18.101.0/24"]')
    assert row(IPAddressPool, {"spec": {"autoAssign": False, "avoidBuggyIPs": True}}) == ("it", False, True, "[]")


def test_event() -> None:
    tree = {
        "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{web}"},
        "reason": "Started",
        "message": "Started container web\n",
        "type": "Normal",
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:04:00Z",
        "count": 3,
    }
    assert row(Event, tree) == (
        "60s", "Normal", "Started", "pod/web", "spec.containers{web}", "kubelet, node-1", "Started container web", "5m", 3, "it"
    )  # fmt: skip


def test_event_of_the_newer_shape() -> None:
    tree = {
        "involvedObject": {"kind": "Service"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingComponent": "moorage-controller",
        "series": {"count": 9, "lastObservedTime": "2026-01-01T00:04:30.000000Z"},
    }
    assert row(Event, tree) == ("30s", "", "", "service", "", "moorage-controller", "", "5m", 9, "it")
    assert row(Event, {"eventTime": "2026-01-01T00:00:00.000000Z"})[0::7] == ("5m", "5m")
