"""Random clusters and packets, as hypothesis draws and shrinks them. A cluster is manifests, as a user would write them.

All of it lives in the address plan of `plan`: the node under test is node-1 at 198.18.0.11, its Pods are 10.244.1.2 to .9.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any

from hypothesis import strategies as st

from moorage.model.net import Family, Protocol
from moorage.table.trace import Packet

Tree = dict[str, Any]

V4, V6 = Family.IPV4, Family.IPV6

VIP = {"IPv4": "10.96.0.{}", "IPv6": "fd00:96::{}"}
UNALLOCATED = ("10.96.7.7", "fd00:96::7:7")
EXTERNAL = ("203.0.113.1", "203.0.113.2", "198.18.0.11", "2001:db8:2::1")
BALANCED = ("198.18.100.1", "198.18.100.2", "2001:db8:100::1")
SOURCES = ("192.0.2.0/25", "198.18.0.0/24", "10.244.0.0/16", "10.244.1.0/29", "2001:db8:3::/48", "0.0.0.0/0", "nonsense")
NODE_PORTS = (30080, 30081, 31000)
PORTS = (80, 81, 5000)
RANGE = "5000-5009"
NAMES = ("a", "b", "c")
NODE_NAMES = ("node-1", "node-2", "node-3")
ENDPOINTS = {
    "IPv4": (
        *(f"10.244.1.{last}" for last in (2, 3, 4)),
        "10.244.2.5",
        "10.244.2.6",
        "10.244.3.5",
        "198.18.0.11",
        "198.18.0.12",
    ),
    "IPv6": (*(f"fd00:244:1::{last}" for last in (2, 3, 4)), "fd00:244:2::5", "fd00:244:3::5", "2001:db8::11", "2001:db8::12"),
}
_NODE_OF = {"1": "node-1", "2": "node-2", "3": "node-3"}


def node(name: str, number: int) -> Tree:
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "east" if number == 1 else "west"}},
        "spec": {"podCIDRs": [f"10.244.{number}.0/24", f"fd00:244:{number}::/64"]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"198.18.0.{10 + number}"},
                {"type": "InternalIP", "address": f"2001:db8::{10 + number}"},
            ]
        },
    }


NODES = [node(name, number) for number, name in enumerate(NODE_NAMES, 1)]
SERVICE_CIDR: Tree = {
    "kind": "ServiceCIDR",
    "metadata": {"name": "kubernetes"},
    "spec": {"cidrs": ["10.96.0.0/16", "fd00:96::/112"]},
}


def home(address: str) -> str:
    """The node that an endpoint lives on, by the address plan."""
    number = address.split(".")[2] if address.startswith("10.244") else address.split(":")[2] if "244" in address else ""
    return _NODE_OF.get(number) or ("node-1" if address.endswith("11") else "node-2")


policies = st.sampled_from(["Cluster", "Cluster", "Local"])
conditions = st.sampled_from(
    [
        {"ready": True},
        {"ready": True, "serving": True, "terminating": False},
        {"ready": False, "serving": True, "terminating": True},
        {"ready": False, "serving": False, "terminating": False},
    ]
)
hints = st.sampled_from(
    [
        None,
        {"forZones": [{"name": "east"}]},
        {"forZones": [{"name": "west"}]},
        {"forZones": [{"name": "east"}], "forNodes": [{"name": "node-1"}]},
        {"forZones": [{"name": "west"}], "forNodes": [{"name": "node-2"}]},
    ]
)


@st.composite
def endpoints(draw: st.DrawFn, family: str, hinted: bool) -> Tree:
    address = draw(st.sampled_from(ENDPOINTS[family]))
    made: Tree = {"addresses": [address], "nodeName": home(address), "conditions": draw(conditions)}
    hint = draw(hints) if hinted else None
    return made | ({"hints": hint} if hint else {})


@st.composite
def slices(draw: st.DrawFn, service: str, number: int, family: str, ports: list[Tree]) -> Tree:
    hinted = draw(st.booleans())
    weight = draw(st.sampled_from([None, None, None, "0", "3", "heavy"]))
    target = draw(st.sampled_from([8080, 8080, 9090]))
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-{number}-{family.lower()}",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": service},
            **({"annotations": {"moorage.dev/weight": weight}} if weight else {}),
        },
        "addressType": family,
        "ports": [{"name": each["name"], "protocol": each["protocol"], "port": target} for each in ports],
        "endpoints": draw(st.lists(endpoints(family, hinted), max_size=6)),
    }


@st.composite
def service_ports(draw: st.DrawFn, reached_from_outside: bool) -> list[Tree]:
    pairs = st.tuples(st.sampled_from(PORTS), st.sampled_from(["TCP", "UDP", "SCTP"]))
    chosen = draw(st.lists(pairs, min_size=1, max_size=2, unique=True))
    ports: list[Tree] = []
    for number, (port, protocol) in enumerate(chosen):
        made: Tree = {"name": f"p{number}", "port": port, "protocol": protocol}
        if reached_from_outside:
            made["nodePort"] = draw(st.sampled_from(NODE_PORTS))
        ports.append(made)
    return ports


@st.composite
def services(draw: st.DrawFn, name: str, number: int) -> list[Tree]:
    """A Service and its slices."""
    families = draw(st.sampled_from([["IPv4"], ["IPv4"], ["IPv6"], ["IPv4", "IPv6"]]))
    kind = draw(st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer"]))
    outside = kind != "ClusterIP"
    ports = draw(service_ports(outside))
    addresses = [VIP[family].format(20 + number) for family in families]
    spec: Tree = {
        "type": kind,
        "clusterIP": addresses[0],
        "clusterIPs": addresses,
        "ipFamilies": families,
        "ports": ports,
        "internalTrafficPolicy": draw(policies),
        "externalIPs": draw(st.lists(st.sampled_from(EXTERNAL), max_size=1)),
    }
    metadata: Tree = {"name": name, "namespace": "default", "creationTimestamp": f"2026-01-0{number + 1}T00:00:00Z"}
    if outside or spec["externalIPs"]:
        spec["externalTrafficPolicy"] = draw(policies)
    if draw(st.integers(0, 3)) == 0:
        spec |= {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}}
    if any(each["port"] == 5000 for each in ports) and draw(st.booleans()):
        ranged = (f"{RANGE}/{each['protocol'].lower()}" for each in ports if each["port"] == 5000)
        metadata["annotations"] = {"moorage.dev/port-ranges": ",".join(ranged)}
    if draw(st.integers(0, 11)) == 0:
        metadata["labels"] = {
            draw(st.sampled_from(["service.kubernetes.io/headless", "service.kubernetes.io/service-proxy-name"])): ""
        }
    service: Tree = {"kind": "Service", "metadata": metadata, "spec": spec}
    if kind == "LoadBalancer":
        spec["loadBalancerSourceRanges"] = draw(st.lists(st.sampled_from(SOURCES), max_size=2))
        modes = st.sampled_from([{}, {"ipMode": "VIP"}, {"ipMode": "Proxy"}])
        ingress = [{"ip": ip} | draw(modes) for ip in draw(st.lists(st.sampled_from(BALANCED), max_size=2, unique=True))]
        service["status"] = {"loadBalancer": {"ingress": ingress}}
    parts = [draw(slices(name, part, family, ports)) for family in families for part in range(draw(st.integers(0, 2)))]
    return [service, *parts]


@st.composite
def clusters(draw: st.DrawFn) -> list[Tree]:
    """Services and their slices; the Nodes are always the same."""
    count = draw(st.integers(1, 3))
    return [each for number in range(count) for each in draw(services(NAMES[number], number))]


PODS = {V4: ("10.244.1.2", "10.244.1.3", "10.244.1.8", "10.244.2.5"), V6: ("fd00:244:1::2", "fd00:244:1::8", "fd00:244:2::5")}
OTHERS = {
    V4: ("198.18.0.12", "198.18.0.100", "192.0.2.9", "192.0.2.200"),
    V6: ("2001:db8::12", "2001:db8::100", "2001:db8:3::9"),
}
OWN = {V4: ("198.18.0.11", "127.0.0.1"), V6: ("2001:db8::11", "::1")}
CLUSTER_IPS = {family: tuple(VIP[family.value].format(20 + number) for number in range(3)) for family in Family}
DESTINATIONS = {
    V4: (*CLUSTER_IPS[V4], UNALLOCATED[0], *EXTERNAL[:3], *BALANCED[:2], *OWN[V4], "198.18.0.12", "10.244.1.9"),
    V6: (*CLUSTER_IPS[V6], UNALLOCATED[1], EXTERNAL[3], BALANCED[2], *OWN[V6], "2001:db8::12", "fd00:244:1::9"),
}
ALL_PORTS = (*PORTS, *NODE_PORTS, 5005, 5009, 5010, 9999)


def places(trees: Sequence[Tree]) -> list[tuple[str, Protocol, int]]:
    """Where the manifests say that something listens: addresses with their ports, and the inside of port ranges."""
    found = []
    for tree in trees:
        if tree["kind"] != "Service":
            continue
        spec = tree["spec"]
        ingress = [each["ip"] for each in tree.get("status", {}).get("loadBalancer", {}).get("ingress", ())]
        for port in spec["ports"]:
            protocol = Protocol(port["protocol"])
            for address in (*spec["clusterIPs"], *spec["externalIPs"], *ingress):
                found += [(address, protocol, port["port"]), (address, protocol, port["port"] + 5)]
            if "nodePort" in port:
                found += [(address, protocol, port["nodePort"]) for family in Family for address in OWN[family]]
    return found


def packets(trees: Sequence[Tree], seed: int, count: int) -> Iterator[Packet]:
    """From anybody whom the node may hear of, most of them to where a Service is. Loopback addresses are the node's alone, and
    a process sends from one to one.
    """
    chance = random.Random(seed)
    listening = places(trees)
    for _ in range(count):
        if chance.random() < 0.8:
            text, protocol, port = chance.choice(listening)
        else:
            text = chance.choice(DESTINATIONS[chance.choice((V4, V6))])
            protocol, port = chance.choice(list(Protocol)), chance.choice(ALL_PORTS)
        destination = ip_address(text)
        family = Family.of(destination)
        who = OWN if destination.is_loopback else chance.choice((PODS, PODS, OTHERS, OWN))
        source = ip_address(chance.choice(who[family]))
        if source.is_loopback and not destination.is_loopback:
            source = ip_address(OWN[family][0])
        ping = chance.random() < 0.1
        yield Packet(source, destination, None if ping else protocol, 0 if ping else port, who is OWN)
