from __future__ import annotations

from moorage.announce.addresses import owned
from moorage.model.meta import Key
from moorage.model.snapshot import Snapshot
from tests.table.objects import addresses, provided, service

SERVICES = Snapshot.of(
    [
        provided(service("one", type="LoadBalancer", ingress=("198.18.100.1", "2001:db8::1"))),
        provided(service("same", type="LoadBalancer", ingress=("198.18.100.1",))),
        service("ours", type="LoadBalancer", ingress=("198.18.100.2",), loadBalancerClass="moorage.dev/edge"),
        service("theirs", type="LoadBalancer", ingress=("198.18.100.3",), loadBalancerClass="other.example/lb"),
        service("undecided", type="LoadBalancer", ingress=("198.18.100.5",)),
        provided(service("nodes", type="LoadBalancer", ingress=("198.18.100.6",)), "announce"),
        provided(service("waiting", type="LoadBalancer")),
        provided(service("inside", type="ClusterIP", ingress=("198.18.100.4",))),
    ]
)


def test_the_addresses_of_the_services_that_the_edge_serves() -> None:
    one, same, ours = (Key("default", name) for name in ("one", "same", "ours"))
    shared, six, own = addresses("198.18.100.1", "2001:db8::1", "198.18.100.2")
    assert owned(SERVICES) == {shared: (one, same), six: (one,), own: (ours,)}
    assert owned(Snapshot()) == {}
