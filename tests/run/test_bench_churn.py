"""`moorage bench churn` without a kernel: what is written, who has met the goals, table and JSON."""

from __future__ import annotations

import msgspec
import pytest

from moorage.cli.bench_churn import as_json, table
from moorage.model.slices import EndpointSlice
from moorage.run.bench_churn_load_io import Rolling
from moorage.run.bench_churn_stats import Orders, Report, Usage, Written, report
from moorage.run.bench_lab import Fill
from moorage.run.bench_spread import spread
from tests.run.terminal import shown

ORDERS = Orders(kubeconfig="/k", rate=500.0, seconds=30.0, services=5000, endpoints=50)
WRITTEN = Written(done=15_000, refused=0, refusal="", seconds=30.01, late_s=0.01, cpu_s=1.5, write=spread([0.005]))
USAGE = Usage(
    processors=2,
    agent_cpu_percent=60.0,
    server_cpu_percent=50.0,
    writer_cpu_percent=5.0,
    asker_cpu_percent=3.0,
    all_cpu_percent=120.0,
    agent_rss_before_mb=185.0,
    agent_rss_mb=186.0,
    server_rss_mb=300.0,
)

STEADY = [0.02] * 90


def good() -> Report:
    return report(ORDERS, WRITTEN, STEADY, USAGE)


def test_the_rate_is_sustained_or_not() -> None:
    assert good().met
    assert good().written.rate == 499.8
    slow = msgspec.structs.replace(WRITTEN, seconds=30.5)
    assert not report(ORDERS, slow, STEADY, USAGE).sustained
    assert not report(ORDERS, msgspec.structs.replace(WRITTEN, refused=1, refusal="409: no"), STEADY, USAGE).met


def test_the_lag_stays_or_grows() -> None:
    assert good().bounded
    growing = [0.02] * 30 + [0.1] * 30 + [0.2] * 30
    found = report(ORDERS, WRITTEN, growing, USAGE)
    assert (found.first.p50, found.last.p50) == (20.0, 200.0)
    assert not found.bounded
    assert not found.met
    assert report(ORDERS, WRITTEN, [0.02] * 30 + [0.08] * 60, USAGE).bounded, "within what a busy machine does"


@pytest.mark.parametrize(("lag", "met"), [(0.99, True), (1.01, False)])
def test_the_lag_has_a_goal(lag: float, met: bool) -> None:
    assert report(ORDERS, WRITTEN, [0.02] * 97 + [lag] * 3, USAGE).met is met


def test_one_change_was_followed() -> None:
    assert report(ORDERS, WRITTEN, [0.02], USAGE).bounded


def test_each_write_replaces_one_endpoint_of_a_slice() -> None:
    fill = Fill(services=10, endpoints=3, samples=0)
    rolling, before = Rolling(fill, 7), list(fill.addresses(7))
    for number, address in enumerate(["10.129.0.1", "10.129.0.2", "10.129.0.3", "10.129.0.4"]):
        written = rolling.changed(address)
        assert written.path == "/apis/discovery.k8s.io/v1/namespaces/bench/endpointslices/web-7-0"
        before[number % 3] = address
        assert [each.addresses[0] for each in msgspec.json.decode(written.body, type=EndpointSlice).endpoints] == before


def test_json() -> None:
    written = msgspec.json.decode(msgspec.json.encode(as_json(good())))
    assert {
        "machine", "met", "sustained", "bounded", "achieved", "rate", "services", "endpoints", "written", "lag", "first",
        "last", "usage", "goals",
    } <= written.keys()  # fmt: skip
    assert written["lag"]["count"] == 90
    assert written["usage"]["agent_cpu_percent"] == 60.0


def test_the_table_fits_a_terminal() -> None:
    text = shown(table(report(ORDERS, WRITTEN, [1.234] * 30 + [5.678] * 60, USAGE)))
    assert "…" not in text
    assert "1234.0, 5678.0 ms" in text


def test_orders_survive_the_way_to_the_writer() -> None:
    assert msgspec.json.decode(msgspec.json.encode(ORDERS), type=Orders) == ORDERS
    assert ORDERS.writes == 15_000
    assert msgspec.structs.replace(ORDERS, rate=1.0, seconds=0.1).writes == 1
