"""A Service by its name: at which of its addresses a client asks."""

from __future__ import annotations

import ipaddress

import pytest

from moorage.manifest.convert import decode
from moorage.model.kinds import BY_TYPE
from moorage.model.net import Address, Family, Prefix, Protocol
from moorage.model.service import Service
from moorage.table.reach import Asker, Reached, reached
from moorage.table.types import Locality, NodeFacts

NODE_ADDRESSES: tuple[Address, ...] = (ipaddress.ip_address("198.18.0.11"), ipaddress.ip_address("fd00::11"))
SERVED: tuple[Prefix, ...] = tuple(map(ipaddress.ip_network, NODE_ADDRESSES))
NODE = NodeFacts("node-1", NODE_ADDRESSES, locality=Locality(node_port_addresses=SERVED))


def service(type_: str, ingress: tuple[dict[str, str], ...] = (), annotation: str = "", **spec: object) -> Service:
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP", "nodePort": 30053}]
    tree = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {"moorage.dev/load-balancer": annotation}},
        "spec": {"type": type_, "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ports": ports, **spec},
        "status": {"loadBalancer": {"ingress": list(ingress)}},
    }
    found = decode(BY_TYPE[Service], tree).obj
    assert isinstance(found, Service)
    return found


def asked(
    of: Service, family: Family = Family.IPV4, protocol: Protocol | None = Protocol.TCP, port: int = 80
) -> tuple[str, int, str]:
    found = reached(of, Asker(family, protocol, port, NODE))
    assert found is not None
    return str(found.address), found.port, found.text


BOTH = ({"ip": "fd00::100"}, {"ip": "198.18.100.1"})


def test_from_inside_it_is_the_cluster_ip() -> None:
    found = reached(service("LoadBalancer", BOTH), Asker(Family.IPV4, Protocol.TCP, 80))
    assert found == Reached(ipaddress.ip_address("10.96.0.7"), 80, "shop/web has the ClusterIP 10.96.0.7")
    assert reached(service("ClusterIP", clusterIP="None", clusterIPs=["None"]), Asker(Family.IPV4, Protocol.TCP, 80)) is None


@pytest.mark.parametrize(("family", "address"), [(Family.IPV4, "198.18.100.1"), (Family.IPV6, "fd00::100")])
def test_from_outside_it_is_the_load_balancer_address_of_the_clients_family(family: Family, address: str) -> None:
    assert asked(service("LoadBalancer", BOTH, "announce"), family)[:2] == (address, 80)


def test_an_edge_is_spoken_of() -> None:
    assert "an edge takes it" in asked(service("LoadBalancer", BOTH, "edge"))[2]
    assert "edge" not in asked(service("LoadBalancer", BOTH, "announce"))[2]


@pytest.mark.parametrize(
    ("of", "protocol", "port", "address", "text"),
    [
        (service("NodePort"), Protocol.TCP, 80, ("198.18.0.11", 30080), "is of type NodePort"),
        (service("NodePort"), Protocol.TCP, 30080, ("198.18.0.11", 30080), "the NodePort 30080 of node-1 (198.18.0.11)"),
        (service("NodePort"), Protocol.UDP, 53, ("198.18.0.11", 30053), "the NodePort 30053 of node-1 (198.18.0.11)"),
        (
            service("NodePort"),
            Protocol.UDP,
            80,
            ("10.96.0.7", 80),
            "nothing that an IPv4 client outside the cluster (port 80/udp)",
        ),
        (service("NodePort"), None, 0, ("10.96.0.7", 0), "nothing that an IPv4 client outside the cluster (a ping)"),
        (service("LoadBalancer"), Protocol.TCP, 80, ("198.18.0.11", 30080), "has no load-balancer address yet"),
        (
            service("LoadBalancer", ({"ip": "198.18.100.1", "ipMode": "Proxy"},), "edge"),
            Protocol.TCP,
            80,
            ("198.18.0.11", 30080),
            "the load-balancer address 198.18.100.1 is one that nodes do not serve",
        ),
        (service("ClusterIP", externalIPs=["198.18.7.7"]), Protocol.TCP, 80, ("198.18.7.7", 80), "the external IP 198.18.7.7"),
        (service("ClusterIP", ports=[{"port": 80}]), Protocol.TCP, 80, ("10.96.0.7", 80), "only the ClusterIP 10.96.0.7"),
    ],
)
def test_from_outside(of: Service, protocol: Protocol | None, port: int, address: tuple[str, int], text: str) -> None:
    *found, said = asked(of, Family.IPV4, protocol, port)
    assert tuple(found) == address
    assert text in said
