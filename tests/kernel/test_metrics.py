"""What the agent tells a Prometheus server on its node."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from moorage.lab.netns_io import socket_in
from moorage.run.bench_lab import PORT, BenchPlan, Fill
from moorage.run.bench_lab_io import BenchLab
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]

CONNECTIONS = 5


def test_services_and_endpoints_have_carried_what_was_sent() -> None:
    async def story() -> None:
        async with BenchLab(BenchPlan(unique_instance("metrics"))) as lab:
            (sample,) = await lab.load(Fill(services=1, endpoints=4, samples=1))
            await lab.agent.start()
            for _ in range(CONNECTIONS):
                await lab.reach(lab.inside, sample.cluster_ip, PORT)
            found = await scrape(lab.node)
            assert sum(of(found, "moorage_service_connections_total", service="web-0")) == CONNECTIONS
            assert sum(of(found, "moorage_endpoint_connections_total", service="web-0")) == CONNECTIONS
            (received,) = of(found, "moorage_service_packets_total", service="web-0", direction="received")
            assert received >= 4 * CONNECTIONS
            assert of(found, "moorage_sync_duration_seconds_count")[0] > 0
            assert of(found, "moorage_services")[0] >= 1

    asyncio.run(story())


async def scrape(namespace: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    asking = socket_in(namespace)
    await asyncio.get_running_loop().sock_connect(asking, ("127.0.0.1", 10249))
    reader, writer = await asyncio.open_connection(sock=asking)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b"200 OK" in head
    families = text_string_to_metric_families(body.decode())
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def of(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> list[float]:
    return [value for (each, has), value in found.items() if each == name and labels.items() <= set(has)]
