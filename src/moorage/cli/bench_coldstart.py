"""`moorage bench coldstart`: its options, its table and its JSON."""

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

    from moorage.run.bench_coldstart_stats import Middle, Report

PER = 100_000

PHASES = {
    "start_s": "Python, and the constant program",
    "list_s": "lists from the API server",
    "compile_s": "the table",
    "install_s": "its elements in the kernel",
}

RunsOption = Annotated[int, typer.Option(min=1, max=100, help="how many cold starts")]


def coldstart(
    services: ServicesOption = 5000, endpoints: EndpointsOption = 50, runs: RunsOption = 1, output: OutputOption = Output.TEXT
) -> None:
    """From the start of the node agent on an empty kernel to the answers of Services; memory, idling, and a second start."""
    from moorage.run.bench_coldstart import bench_coldstart

    require_root("moorage bench coldstart")
    with Progress(output) as progress:
        report = run_to_the_end(bench_coldstart(services, endpoints, runs, progress.step))
    tell(output, as_json(report), table(report), f"measured on {machine()}", met=report.met)


def as_json(report: Report) -> Mapping[str, object]:
    """The figures of ColdStart are medians; `runs` has each of them."""
    names = [name for name in report.runs[0].__struct_fields__ if name not in ("failed", "phases")]
    return {
        "machine": machine(),
        "met": report.met,
        **{name: report.middle(name).median for name in names},
        "phases": {name: found.median for name in PHASES if (found := report.phase(name)) is not None},
        "s_per_100k_endpoints": report.per_100k_s,
        **msgspec.structs.asdict(report),
    }


def table(report: Report) -> Table:
    title = f"{report.services} Services of {report.endpoints} endpoints, {report.samples} of them asked"
    return figures(title, _rows(report))


def _rows(report: Report) -> Iterator[tuple[str, str, str]]:
    goals, warm = report.goals, report.warm
    yield "first answer", _seconds(report.middle("first_answer_s")), ""
    yield "last answer", _seconds(report.middle("last_answer_s")), f"<= {goals.last_answer_s:.1f} s" if goals else ""
    if report.services * report.endpoints >= PER:
        yield f"  for each {PER:,} endpoints", f"{report.per_100k_s:.2f} s", ""
    for name, words in PHASES.items():
        if (found := report.phase(name)) is not None:
            yield f"  {words}", _seconds(found), ""
    yield "ready (/livez)", _seconds(report.middle("ready_s")), ""
    yield "processor time until then", _seconds(report.middle("cpu_s")), ""
    yield "memory (RSS)", _whole(report.middle("rss_mb"), "MB"), f"<= {goals.rss_mb:.0f} MB" if goals else ""
    yield "memory at the most", _whole(report.middle("peak_rss_mb"), "MB"), ""
    idle = report.middle("idle_cpu_percent")
    yield "processor at rest", f"{idle.median:.1f} %", f"<= {goals.idle_cpu_percent:.0f} %" if goals else ""
    yield "started again: ready", f"{warm.ready_s:.2f} s", ""
    yield f"of {warm.asked} connections meanwhile failed", f"{warm.failed}", "0"
    yield "longest time without an answer of one", f"{warm.gap_s:.2f} s", ""


def _seconds(found: Middle) -> str:
    return f"{found.median:.2f} s" + (f" ({found.min:.2f} - {found.max:.2f})" if found.max > found.min else "")


def _whole(found: Middle, unit: str) -> str:
    return f"{found.median:.0f} {unit}" + (f" ({found.min:.0f} - {found.max:.0f})" if found.max > found.min else "")
