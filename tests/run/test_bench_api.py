"""`moorage bench api`, small: the figures are there and add up, whatever the machine."""

from __future__ import annotations

import asyncio

import msgspec

from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.run.bench_api import Goals, Report, bench_api
from moorage.run.bench_objects import ENDPOINTS, pairs


def test_what_is_written() -> None:
    written = [(each.path.rpartition("/")[2], each.body) for each in pairs(5)]
    assert [plural for plural, _ in written] == ["services", "endpointslices", "services", "endpointslices", "services"]
    slices = [msgspec.json.decode(body, type=EndpointSlice) for plural, body in written if plural == "endpointslices"]
    services = [msgspec.json.decode(body, type=Service) for plural, body in written if plural == "services"]
    assert [each.metadata.name for each in services] == ["web-0", "web-1", "web-2"]
    assert [each.service_name for each in slices] == ["web-0", "web-1"]
    addresses = [endpoint.addresses for each in slices for endpoint in each.endpoints]
    assert len(set(addresses)) == 2 * ENDPOINTS


def test_a_small_run() -> None:
    steps: list[str] = []
    report = asyncio.run(bench_api(100, 20, 5, steps.append))
    assert len(steps) == 3
    assert (report.writes.objects, report.watches.watches, report.watches.events) == (100, 20, 5)
    assert report.watches.complete == 20, "every watch is told everything once and in order"
    assert 0 < report.writes.p50_ms <= report.writes.p99_ms
    assert report.writes.client_ms > 0
    assert 0 < report.watches.lag_p50_ms <= report.watches.lag_p99_ms
    assert 0 < report.writes.resident_mb < 200


def test_goals_are_judged() -> None:
    report = asyncio.run(bench_api(10, 1, 1, lambda text: None))
    easy = msgspec.structs.replace(report, goals=Goals(0.0, 1e6, 1e6))
    assert easy.met
    assert not msgspec.structs.replace(easy, goals=Goals(1e6, 1e6, 1e6)).met
    missed = msgspec.structs.replace(easy.watches, complete=0)
    assert not Report(easy.writes, missed, easy.goals).met
