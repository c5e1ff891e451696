from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest
from prometheus_client.parser import text_string_to_metric_families

from moorage.announce.wish import State
from moorage.datapath.counts import Amount, Counts, Pair, Sent
from moorage.model.errors import HostError
from moorage.model.meta import Key
from moorage.model.reason import Reason
from moorage.observe.figures import BOUNDS, BGPPeerFigures, Durations, Figures
from moorage.observe.metrics import render
from moorage.observe.metrics_io import MetricsServer
from moorage.observe.traffic import Traffic
from moorage.table.types import ForwardingTable, TableNote
from tests.datapath.tables import frontend
from tests.observe.sockets import asked

KEY = Key("shop", "web")
TABLE = ForwardingTable(
    {KEY: (frontend(backends=(1, 2), port_name="http"),)},
    {KEY: Reason.FORWARDED},
    notes={KEY: (TableNote(Reason.ENDPOINT_WEIGHT_ZERO, "no share"),)},
)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """(name, label values in order of their names) -> value."""
    families = text_string_to_metric_families(text)
    return {
        (each.name, *(each.labels[name] for name in sorted(each.labels))): each.value
        for family in families
        for each in family.samples
    }


def traffic() -> Traffic:
    made, pair = Traffic(), Pair(Sent(ip_address("10.96.0.10").packed, 6, 80), ip_address("10.244.0.1").packed)
    refused = {pair.sent: Amount(4, 1), Sent(ip_address("10.96.0.10").packed, 6, 81): Amount(5, 1)}
    made.read(Counts({pair: 3}, {pair: Amount(30, 300)}, {pair: Amount(40, 400)}, refused), TABLE)
    return made


def test_what_an_agent_has_done() -> None:
    figures = Figures(last_sync=12.5, operations=7, refusals=1, repairs=2, flows=3)
    for seconds in (0.0015, 0.002, 99):
        figures.syncs.add(seconds)
    found = samples(render(figures, TABLE, Traffic()))
    buckets = {le: found["moorage_sync_duration_seconds_bucket", le] for le in ("0.001", "0.002", "10.0", "+Inf")}
    assert buckets == {"0.001": 0, "0.002": 2, "10.0": 2, "+Inf": 3}
    assert found[("moorage_sync_duration_seconds_sum",)] == pytest.approx(99.0035)
    names = ("sync_last_timestamp_seconds", "sync_operations_total", "sync_refusals_total", "rules_repairs_total")
    assert [found[(f"moorage_{name}",)] for name in names] == [12.5, 7, 1, 2]
    assert found[("moorage_conntrack_forgotten_flows_total",)] == 3
    assert found[("process_resident_memory_bytes",)] > 1e6


def test_what_the_table_says() -> None:
    found = samples(render(Figures(), TABLE, Traffic()))
    assert [found[(f"moorage_{name}",)] for name in ("services", "frontends", "backends")] == [1, 1, 2]
    assert found["moorage_services_by_reason", Reason.FORWARDED.value] == 1
    assert found["moorage_service_notes", Reason.ENDPOINT_WEIGHT_ZERO.value] == 1


def test_what_services_and_endpoints_have_carried() -> None:
    found = samples(render(Figures(), TABLE, traffic()))
    port = ("shop", "http", "TCP", "web")
    assert found["moorage_service_connections_total", *port] == 3
    assert found["moorage_service_packets_total", "received", *port] == 30
    assert found["moorage_service_bytes_total", "sent", *port] == 400
    assert found["moorage_endpoint_connections_total", "10.244.0.1", *port] == 3
    assert found["moorage_endpoint_bytes_total", "received", "10.244.0.1", *port] == 300
    assert found["moorage_refused_packets_total", *port] == 4
    assert found["moorage_refused_packets_total", "", "", "", ""] == 5


def test_durations_are_put_below_their_bound() -> None:
    made = Durations()
    for bound in BOUNDS:
        made.add(bound)
    made.add(BOUNDS[-1] * 2)
    assert made.counts == [1] * (len(BOUNDS) + 1)


def test_metrics_are_served_at_one_address_and_made_for_each_request() -> None:
    made: list[int] = []

    def render_one() -> str:
        made.append(len(made))
        return f"moorage_x {len(made)}\n"

    async def scenario() -> list[bytes]:
        server = MetricsServer("127.0.0.1", 0, render_one)
        serving = asyncio.create_task(server.serve())
        answers = [
            await asked(server.port, f"GET {path} HTTP/1.1\r\nHost: node\r\n\r\n".encode())
            for path in ("/metrics", "/metrics", "/other")
        ]
        with pytest.raises(HostError, match="cannot serve metrics on port"):
            MetricsServer("127.0.0.1", server.port, render_one)
        serving.cancel()
        return answers

    first, second, other = asyncio.run(scenario())
    assert b"200 OK" in first
    assert b"text/plain; version=0.0.4" in first
    assert first.endswith(b"moorage_x 1\n")
    assert second.endswith(b"moorage_x 2\n")
    assert b"404" in other


def test_bgp_sessions() -> None:
    figures = Figures(bgp_peers={"metallb-system/tor": BGPPeerFigures(up=True, prefixes=3, established=2)})
    told = samples(render(figures, TABLE, traffic()))
    assert told["moorage_bgp_session_up", "metallb-system/tor"] == 1
    assert told["moorage_bgp_announced_prefixes", "metallb-system/tor"] == 3
    assert told["moorage_bgp_sessions_established_total", "metallb-system/tor"] == 2
    assert "moorage_bgp" not in render(Figures(), TABLE, traffic())


def test_the_speaker() -> None:
    speaker = State(
        held=("192.0.2.1", "192.0.2.2"), peers=("a", "b", "c"), authority=True, taken=5, conflicts_seen=2, isolations=1
    )
    text = render(Figures(), ForwardingTable(), Traffic(), speaker)
    for line in (
        "moorage_l2_addresses 2.0",
        "moorage_l2_speakers 3.0",
        "moorage_l2_authority 1.0",
        "moorage_l2_takeovers_total 5.0",
        "moorage_l2_conflicts_total 2.0",
        "moorage_l2_isolations_total 1.0",
    ):
        assert line in text.splitlines()
