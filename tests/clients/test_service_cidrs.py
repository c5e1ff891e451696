"""ServiceCIDR and IPAddress through the typed models of `kubernetes`, which refuse a condition without its required fields."""

from __future__ import annotations

from typing import Any

from kubernetes import client


def test_typed_ranges(api: Any, number: int) -> None:
    networking = client.NetworkingV1Api(api)
    meta = client.V1ObjectMeta(name=f"typed-{number}")
    spec = client.V1ServiceCIDRSpec(cidrs=[f"10.200.{number}.0/24"])
    made = networking.create_service_cidr(client.V1ServiceCIDR(metadata=meta, spec=spec))
    [condition] = made.status.conditions
    assert (condition.type, condition.status, condition.reason) == ("Ready", "True", "")
    assert condition.last_transition_time == made.metadata.creation_timestamp
    networking.delete_service_cidr(meta.name)
    assert meta.name not in {each.metadata.name for each in networking.list_service_cidr().items}


def test_typed_addresses(api: Any) -> None:
    networking = client.NetworkingV1Api(api)
    family = networking.list_ip_address(label_selector="ipaddress.kubernetes.io/ip-family=IPv4").items
    parents = {each.metadata.name: each.spec.parent_ref for each in family}
    assert (parents["10.96.0.1"].resource, parents["10.96.0.1"].name) == ("services", "kubernetes")
