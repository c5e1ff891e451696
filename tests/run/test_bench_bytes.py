"""`moorage bench bytes`, small: the figures are there, and of the size that the objects have."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig import Access
from moorage.model.cluster import Node
from moorage.model.meta import Key
from moorage.run.bench_bytes import bench_bytes
from moorage.run.bench_bytes_io import Meter
from moorage.run.bench_bytes_sizes import protobuf_size
from moorage.run.bench_objects import slice_of
from tests.client.served import server
from tests.model.protobuf_writer import enveloped, field


def test_a_small_run() -> None:
    steps: list[str] = []
    report = asyncio.run(bench_bytes(3, 2, steps.append))
    assert len(steps) == 6
    services, slices, nodes, leases = report.kinds
    assert [each.kind for each in report.kinds] == ["services", "endpointslices", "nodes", "leases"]
    assert [services.objects, slices.objects, nodes.objects] == [4, 3, 2], "default/kubernetes is a Service too"
    assert leases.objects == 2
    body = len(slice_of(0).body)
    assert body < slices.change_bytes < 1.5 * body
    assert slices.protobuf_change < slices.change_bytes < slices.list_bytes
    assert 100 < report.renewal.sent < 3000
    assert (report.watches, report.announcing) == (11, 7)


def test_bytes_are_counted_also_after_a_connection_has_ended() -> None:
    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text='{"metadata":{"name":"' + 10_000 * "a" + '"}}', headers={"Connection": "close"})

    async def story() -> None:
        meter = Meter()
        async with server(handle) as url, HttpClient(Access(server=url), meter.socket) as client:
            await client.get(Node, Key("", "a"))
            one = await meter.quiet(0.1)
            await client.get(Node, Key("", "a"))
            two = (await meter.quiet(0.1)).since(one)
        assert meter.connections == 2
        assert 10_000 < one.received < 11_000
        assert abs(one.received - two.received) < 10
        assert 100 < two.sent < 1000
        meter.close()

    asyncio.run(story())


def test_the_size_of_protobuf_is_nearly_that_of_real_messages() -> None:
    """A slice by hand, as Go writes it but for its frame."""
    endpoints = [
        field(2, field(1, f"10.0.0.{each}") + field(2, field(1, 1) + field(2, 1) + field(3, 0)) + field(6, "node-1"))
        for each in range(50)
    ]
    stamp = field(8, field(1, 1767225600))
    labels = field(11, field(1, "kubernetes.io/service-name") + field(2, "web"))
    metadata = field(1, field(1, "web-abcde") + field(3, "default") + field(5, "u" * 36) + field(6, "7") + stamp + labels)
    ports = field(3, field(1, "http") + field(2, "TCP") + field(3, 8080))
    message = enveloped(metadata + b"".join(endpoints) + ports + field(4, "IPv4"), "EndpointSlice")
    ready = {"ready": True, "serving": True, "terminating": False}
    tree = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "web-abcde",
            "namespace": "default",
            "uid": "u" * 36,
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "endpoints": [{"addresses": [f"10.0.0.{each}"], "conditions": ready, "nodeName": "node-1"} for each in range(50)],
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
        "addressType": "IPv4",
    }
    assert abs(protobuf_size(msgspec.json.encode(tree)) / len(message) - 1) < 0.03
