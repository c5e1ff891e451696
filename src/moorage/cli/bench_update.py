"""`moorage bench update`: its options, its table and its JSON."""

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

    from moorage.run.bench_update_stats import Report

ChangesOption = Annotated[int, typer.Option(min=1, max=10_000, help="how many changes in each of the two clusters")]


def update(
    services: ServicesOption = 5000,
    endpoints: EndpointsOption = 50,
    changes: ChangesOption = 100,
    output: OutputOption = Output.TEXT,
) -> None:
    """From the API's answer to a change of an EndpointSlice to the first good packet, in a full cluster and an empty one."""
    from moorage.run.bench_update import bench_update

    require_root("moorage bench update")
    with Progress(output) as progress:
        report = run_to_the_end(bench_update(services, endpoints, changes, progress.step))
    tell(output, as_json(report), table(report), f"measured on {machine()}", met=report.met)


def as_json(report: Report) -> Mapping[str, object]:
    return {"machine": machine(), "unit": "ms", "met": report.met, "ratio": report.ratio, **msgspec.structs.asdict(report)}


def table(report: Report) -> Table:
    return figures(f"One change at a time, of {report.services} Services of {report.endpoints} endpoints", _rows(report))


def _rows(report: Report) -> Iterator[tuple[str, str, str]]:
    goals, full, empty = report.goals, report.full, report.empty
    yield "the API's answer to the first good packet, p50", f"{full.lag.p50:.1f} ms", _most(goals.p50_ms if goals else None)
    yield "  p90", f"{full.lag.p90:.1f} ms", ""
    yield "  p99", f"{full.lag.p99:.1f} ms", _most(goals.p99_ms if goals else None)
    yield f"  the slowest of {full.lag.count}", f"{full.lag.max:.1f} ms", ""
    yield "in an almost empty cluster, p50", f"{empty.lag.p50:.1f} ms", ""
    yield "  p99", f"{empty.lag.p99:.1f} ms", ""
    yield "full to empty, of the medians", f"{report.ratio:.2f}", f"<= {goals.ratio:.1f}" if goals else ""
    yield "the API's answer to the change, p50 full, empty", f"{full.write.p50:.1f}, {empty.write.p50:.1f} ms", ""


def _most(goal: float | None) -> str:
    return f"<= {goal:.0f} ms" if goal else ""
