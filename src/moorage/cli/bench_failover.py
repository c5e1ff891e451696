"""`moorage bench failover`: its options, its histogram and its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from moorage.cli.measured import figures, machine, run_to_the_end, tell
from moorage.cli.output import Output, OutputOption
from moorage.cli.progress import Progress
from moorage.run.bench_failover_stats import Fault
from moorage.run.state_io import require_root

if TYPE_CHECKING:
    from rich.table import Table

    from moorage.run.bench_failover_stats import Report

TrialsOption = Annotated[int, typer.Option(min=1, max=10_000, help="how often a node fails; one takes 5 to 8 s")]
NodesOption = Annotated[int, typer.Option(min=2, max=20, help="how many nodes announce")]
FaultOption = Annotated[Fault, typer.Option(help="what happens to the node that answers for the address")]

WIDTH = 40


def failover(
    trials: TrialsOption = 20,
    nodes: NodesOption = 3,
    fault: FaultOption = Fault.CRASH,
    output: OutputOption = Output.TEXT,
) -> None:
    """For how long a client is without answers when the node that announces an address fails."""
    from moorage.run.bench_failover import bench_failover

    require_root("moorage bench failover")
    with Progress(output) as progress:
        report = run_to_the_end(bench_failover(trials, nodes, fault, progress.step))
    found = {"machine": machine(), **as_json(report)}
    tell(output, found, table(report), "\n".join(bars(report)), f"measured on {machine()}", met=report.met)


def as_json(report: Report) -> Mapping[str, object]:
    return {**msgspec.to_builtins(report)}


def table(report: Report) -> Table:
    return figures(f"{report.fault.value} of the node that answers, {report.nodes} nodes", _rows(report))


def _rows(report: Report) -> Iterator[tuple[str, str, str]]:
    graceful = report.fault.is_graceful
    yield "trials", f"{report.trials}", ""
    yield "out for, p50", f"{report.p50_s:.3f} s", ""
    yield "  p99", f"{report.p99_s:.3f} s", "0 s" if graceful else f"< {report.goal_p99_s:.0f} s"
    yield "  longest", f"{report.max_s:.3f} s", ""
    yield "requests", f"{report.asked}", ""
    yield "  lost", f"{report.lost}", "0" if graceful else ""
    yield "  lost when the node came back", f"{report.lost_on_return}", ""


def bars(report: Report) -> Iterator[str]:
    """The histogram."""
    most = max(each.count for each in report.histogram)
    for each in report.histogram:
        name = "nothing lost" if each.up_to_s == 0 else "longer" if each.up_to_s is None else f"<= {each.up_to_s:.1f} s"
        yield f"{name:>12} {each.count:>5} {'#' * round(WIDTH * each.count / most)}"
