from __future__ import annotations

from moorage.announce.addresses import owned
from moorage.model.snapshot import Snapshot
from tests.table.objects import addresses, service

SERVICES = Snapshot.of(
    [
        service("one", type="LoadBalancer", ingress=("198.18.100.1", "2001:db8::1")),
        service("same", type="LoadBalancer", ingress=("198.18.100.1",)),
        service("ours", type="LoadBalancer", ingress=("198.18.100.2",), loadBalancerClass="moorage.dev/edge"),
        service("theirs", type="LoadBalancer", ingress=("198.18.100.3",), loadBalancerClass="other.example/lb"),
        service("waiting", type="LoadBalancer"),
        service("inside", type="ClusterIP", ingress=("198.18.100.4",)),
    ]
)


def test_the_addresses_of_the_services_that_are_served() -> None:
    assert owned(SERVICES) == set(addresses("198.18.100.1", "2001:db8::1"))
    assert owned(SERVICES, "moorage.dev/edge") == set(addresses("198.18.100.1", "2001:db8::1", "198.18.100.2"))
    assert owned(Snapshot()) == frozenset()
