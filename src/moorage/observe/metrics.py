"""Figures, traffic and a table -> metrics in the Prometheus text format, version 0.0.4."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from moorage.announce.wish import State
from moorage.model.reason import Reason
from moorage.observe.figures import BOUNDS, Figures
from moorage.observe.traffic import Owner, Tally, Traffic
from moorage.table.types import ForwardingTable

SILENT = State()
"""Of an agent without a speaker."""

_PORT = ("namespace", "service", "port", "protocol")
_DIRECTION = "direction"


def render(figures: Figures, table: ForwardingTable, traffic: Traffic, speaker: State = SILENT) -> str:
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    parts = (_of_agent(figures), _of_bgp(figures), _of_table(table), _of_traffic(traffic), _of_speaker(speaker))
    registry.register(_Metrics([each for part in parts for each in part]))
    return generate_latest(registry).decode()


class _Metrics(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Sequence[Metric]:
        return self._metrics

    def describe(self) -> Sequence[Metric]:
        return ()


def _of_agent(figures: Figures) -> Iterator[Metric]:
    about = GaugeMetricFamily("moorage_build_info", "The version, as a label.", labels=("version",))
    about.add_metric((version("moorage"),), 1)
    yield about
    bounds = (*map(str, BOUNDS), "+Inf")
    buckets = list(zip(bounds, accumulate(figures.syncs.counts), strict=True))
    name = "moorage_sync_duration_seconds"
    yield HistogramMetricFamily(name, "From a change that the agent has seen to the kernel.", buckets, figures.syncs.total)
    name = "moorage_sync_last_timestamp_seconds"
    yield GaugeMetricFamily(name, "When the kernel last took a table; 0 before the first.", figures.last_sync)
    name = "moorage_self_check_healthy"
    yield GaugeMetricFamily(name, "1 while the node's own rules answer the agent.", figures.answers)
    for name, text, value in (
        ("moorage_self_check_failures", "Connections through the node's own rules without an answer.", figures.checks_failed),
        ("moorage_sync_operations", "Elements written to the kernel.", figures.operations),
        ("moorage_sync_refusals", "Changes that the kernel refused, and that are tried again.", figures.refusals),
        ("moorage_rules_repairs", "Repairs of what another program had altered.", figures.repairs),
        ("moorage_conntrack_forgotten_flows", "Tracked flows that contradicted the table.", figures.flows),
    ):
        yield CounterMetricFamily(name, text, value)


def _of_bgp(figures: Figures) -> Iterator[Metric]:
    """Nothing where the node has no BGP peers."""
    if not figures.bgp_peers:
        return
    up = GaugeMetricFamily("moorage_bgp_session_up", "Whether the BGP session is established.", labels=("peer",))
    sent = GaugeMetricFamily("moorage_bgp_announced_prefixes", "Prefixes that the BGP peer has been sent.", labels=("peer",))
    times = CounterMetricFamily("moorage_bgp_sessions_established", "How often the BGP session came up.", labels=("peer",))
    for peer, each in sorted(figures.bgp_peers.items()):
        up.add_metric((peer,), int(each.up))
        sent.add_metric((peer,), each.prefixes)
        times.add_metric((peer,), each.established)
    yield from (up, sent, times)


def _of_table(table: ForwardingTable) -> Iterator[Metric]:
    frontends = list(table.frontends())
    yield GaugeMetricFamily("moorage_services", "Services in the table.", len(table.services))
    yield GaugeMetricFamily("moorage_frontends", "Addresses and ports that the node serves.", len(frontends))
    backends = sum(len(each.backends) for each in frontends)
    yield GaugeMetricFamily("moorage_backends", "Backends of all frontends.", backends)
    reasons = Counter(table.verdicts.values())
    noted = Counter(note.reason for notes in table.notes.values() for note in notes)
    yield _by_reason("moorage_services_by_reason", "Services by what becomes of a connection to them.", reasons)
    yield _by_reason("moorage_service_notes", "What the table does not do as a Service asks.", noted)


def _by_reason(name: str, text: str, counts: Counter[Reason]) -> Metric:
    made = GaugeMetricFamily(name, text, labels=("reason",))
    for reason, count in sorted(counts.items(), key=lambda each: each[0].value):
        made.add_metric((reason.value,), count)
    return made


def _of_speaker(speaker: State) -> Iterator[Metric]:
    for name, text, value in (
        ("moorage_l2_addresses", "Load-balancer addresses that this node answers for by ARP and NDP.", len(speaker.held)),
        ("moorage_l2_speakers", "Speakers that this node hears, itself included.", len(speaker.peers)),
        ("moorage_l2_authority", "1 while a majority of the speakers hears this one, else 0.", int(speaker.authority)),
    ):
        yield GaugeMetricFamily(name, text, value)
    for name, text, value in (
        ("moorage_l2_takeovers", "Addresses taken over.", speaker.taken),
        ("moorage_l2_conflicts", "Frames in which another machine claimed an address of this node.", speaker.conflicts_seen),
        ("moorage_l2_isolations", "Losses of the majority.", speaker.isolations),
    ):
        yield CounterMetricFamily(name, text, value)


def _of_traffic(traffic: Traffic) -> Iterator[Metric]:
    services = [(_port(owner), each) for owner, each in traffic.services().items()]
    yield from _tallies("moorage_service", "Service ports", _PORT, services)
    endpoints = [((*_port(owner), str(address)), each) for (owner, address), each in traffic.endpoints().items()]
    yield from _tallies("moorage_endpoint", "endpoints", (*_PORT, "endpoint"), endpoints)
    name, text = "moorage_refused_packets", "Packets dropped or rejected; with empty labels those to no Service."
    refused = CounterMetricFamily(name, text, labels=_PORT)
    for owner, amount in traffic.refusals().items():
        refused.add_metric(_port(owner) if owner else ("", "", "", ""), amount.packets)
    yield refused


def _tallies(
    prefix: str, what: str, labels: Sequence[str], rows: Sequence[tuple[Sequence[str], Tally]]
) -> tuple[Metric, Metric, Metric]:
    connections = CounterMetricFamily(f"{prefix}_connections", f"New connections by {what}.", labels=labels)
    both = (*labels, _DIRECTION)
    packets = CounterMetricFamily(f"{prefix}_packets", f"Packets to and from {what}.", labels=both)
    octets = CounterMetricFamily(f"{prefix}_bytes", f"Bytes of IP packets to and from {what}.", labels=both)
    for names, tally in rows:
        connections.add_metric(names, tally.connections)
        for direction, amount in (("received", tally.received), ("sent", tally.sent)):
            packets.add_metric((*names, direction), amount.packets)
            octets.add_metric((*names, direction), amount.bytes)
    return connections, packets, octets


def _port(owner: Owner) -> tuple[str, str, str, str]:
    return owner.service.namespace, owner.service.name, owner.port, owner.protocol.value
