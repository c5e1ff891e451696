"""`moorage bench churn`: its options, its table and its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from moorage.cli.measured import EndpointsOption, ServicesOption, figures, machine, run_to_the_end, tell
from moorage.cli.output import Output, OutputOption
from moorage.cli.progress import Progress
from moorage.run.state_io import require_root

if TYPE_CHECKING:
    from rich.table import Table

    from moorage.run.bench_churn_stats import Report

RateOption = Annotated[float, typer.Option(min=1, max=10_000, help="endpoints that change in a second")]
SecondsOption = Annotated[float, typer.Option(min=1, max=3600, help="for how long")]


def churn(
    rate: RateOption = 500.0,
    seconds: SecondsOption = 30.0,
    services: ServicesOption = 5000,
    endpoints: EndpointsOption = 50,
    output: OutputOption = Output.TEXT,
) -> None:
    """How far behind the kernel is while endpoints change all the time, and what that takes."""
    from moorage.run.bench_churn import Churn, bench_churn

    require_root("moorage bench churn")
    with Progress(output) as progress:
        report = run_to_the_end(bench_churn(Churn(rate, seconds, services, endpoints), progress.step))
    tell(output, as_json(report), table(report), f"measured on {machine()}", met=report.met)


def as_json(report: Report) -> Mapping[str, object]:
    judged = {"met": report.met, "sustained": report.sustained, "bounded": report.bounded}
    return {"machine": machine(), **judged, "achieved": report.written.rate, **msgspec.structs.asdict(report)}


def table(report: Report) -> Table:
    return figures(f"Endpoints change, among {report.services} Services of {report.endpoints} endpoints", _rows(report))


def _rows(report: Report) -> Iterator[tuple[str, str, str]]:
    written, lag, usage = report.written, report.lag, report.usage
    yield "changes a second", f"{written.rate:.0f}", f"{report.rate:.0f}"
    yield "  refused", f"{written.refused}", "0"
    yield "  the API's answer, p50, p99", f"{written.write.p50:.1f}, {written.write.p99:.1f} ms", ""
    yield "  the latest was late by", f"{written.late_s:.2f} s", ""
    yield "its answer to the first good packet, p50", f"{lag.p50:.1f} ms", ""
    yield "  p99", f"{lag.p99:.1f} ms", f"<= {report.goals.lag_p99_ms:.0f} ms"
    yield f"  the slowest of {lag.count}", f"{lag.max:.1f} ms", ""
    yield "  p50 of the first third, of the last", f"{report.first.p50:.1f}, {report.last.p50:.1f} ms", "does not grow"
    yield "processor of the agent", f"{usage.agent_cpu_percent:.0f} %", ""
    yield "  of the API server, of the writer", f"{usage.server_cpu_percent:.0f}, {usage.writer_cpu_percent:.0f} %", ""
    yield f"  of all, with {usage.processors} processors", f"{usage.all_cpu_percent:.0f} %", ""
    yield "memory of the agent (RSS), before", f"{usage.agent_rss_mb:.0f}, {usage.agent_rss_before_mb:.0f} MB", ""
    yield "  of the API server", f"{usage.server_rss_mb:.0f} MB", ""
