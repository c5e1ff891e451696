"""What a cluster has from its first moment, and after each restart."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest

from moorage.model.errors import ApiError
from moorage.model.kinds import ENDPOINT_SLICES, ENDPOINTS, NAMESPACES, SERVICE_CIDRS, SERVICES
from moorage.model.meta import Key
from moorage.registry.resources import Registry
from moorage.registry.settings import RegistrySettings
from moorage.run.bootstrap import API_SERVICE, api_service_address, bootstrap
from moorage.store.fake import MemoryStore

RANGE = "10.96.0.0/16"


def registry() -> Registry:
    return Registry(MemoryStore(), RegistrySettings(RANGE), lambda: 1767225600.0, random.Random(1))


def started(resources: Registry, *hosts: str, service_cidr: str = RANGE) -> None:
    async def story() -> None:
        for host in hosts:
            await bootstrap(resources, service_cidr, host, 6443)

    asyncio.run(story())


def slice_of(resources: Registry) -> Any:
    return msgspec.json.decode(resources.get(ENDPOINT_SLICES, API_SERVICE).body)


def endpoints_of(resources: Registry) -> Any:
    return msgspec.json.decode(resources.get(ENDPOINTS, API_SERVICE).body)


def test_the_first_start() -> None:
    resources = registry()
    started(resources, "198.18.0.2")
    names = [record.key.name for record in resources.list(NAMESPACES)[0]]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system", "moorage-system"]
    service = msgspec.json.decode(resources.get(SERVICES, API_SERVICE).body)
    assert (service["spec"]["clusterIP"], service["spec"]["ports"][0]["port"]) == ("10.96.0.1", 443)
    assert service["spec"]["ports"][0]["targetPort"] == 6443
    assert slice_of(resources)["endpoints"][0]["addresses"] == ["198.18.0.2"]
    assert slice_of(resources)["metadata"]["labels"]["kubernetes.io/service-name"] == "kubernetes"
    assert endpoints_of(resources)["metadata"]["labels"] == {"endpointslice.kubernetes.io/skip-mirror": "true"}
    assert endpoints_of(resources)["subsets"] == [
        {"addresses": [{"ip": "198.18.0.2"}], "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}]}
    ]


def test_a_restart_changes_nothing_and_a_new_address_is_followed() -> None:
    resources = registry()
    started(resources, "198.18.0.2")
    _, before = resources.list(NAMESPACES)
    started(resources, "198.18.0.2")
    assert resources.list(NAMESPACES)[1] == before
    started(resources, "198.18.0.9")
    assert slice_of(resources)["endpoints"][0]["addresses"] == ["198.18.0.9"]
    assert endpoints_of(resources)["subsets"][0]["addresses"] == [{"ip": "198.18.0.9"}]
    assert resources.list(SERVICES)[0][0].body == resources.get(SERVICES, API_SERVICE).body


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "api.example"])
def test_what_pods_cannot_reach_is_no_endpoint(host: str) -> None:
    resources = registry()
    started(resources, host, "198.18.0.2", host)
    with pytest.raises(ApiError, match="not found"):
        slice_of(resources)
    with pytest.raises(ApiError, match="not found"):
        endpoints_of(resources)


def ranges_of(resources: Registry) -> Any:
    return msgspec.json.decode(resources.get(SERVICE_CIDRS, Key("", "kubernetes")).body)["spec"]["cidrs"]


def test_the_default_range_gets_a_second_family_and_no_other_range() -> None:
    """defaultservicecidr Controller.sync: an upgrade to two families is the one change it makes."""
    resources = registry()
    started(resources, "198.18.0.2")
    assert ranges_of(resources) == [RANGE]
    started(resources, "198.18.0.2", service_cidr="10.97.0.0/16")
    assert ranges_of(resources) == [RANGE]
    started(resources, "198.18.0.2", service_cidr="10.96.0.0/16, fd00:10:96:0::/108")
    assert ranges_of(resources) == [RANGE, "fd00:10:96::/108"]
    started(resources, "198.18.0.2")
    assert ranges_of(resources) == [RANGE, "fd00:10:96::/108"]


def test_the_address_of_the_service() -> None:
    assert api_service_address("10.96.0.0/12") == "10.96.0.1"
    assert api_service_address("fd00::/108") == "fd00::1"
    assert api_service_address("10.96.0.0/12,fd00::/108") == "10.96.0.1"
