"""`moorage bench connect`: its options, its table and its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from moorage.cli.measured import machine, run_to_the_end, tell
from moorage.cli.output import Output, OutputOption
from moorage.cli.progress import Progress
from moorage.run.state_io import require_root

if TYPE_CHECKING:
    from rich.table import Table

    from moorage.run.bench_connect import Report
    from moorage.run.bench_connect_stats import PathReport

COLUMNS = ("path", "per s, min", "ratio, min", "goal", "failed, slow", "µs more")
NOTES = """ratio: to direct connections that take turns with them; min: in the worst 5 s
slow: connects above 0.5 s, so a lost SYN; µs: of processor time than direct
direct: the direct way beside itself, to see the noise of this machine
one rule: the least that nftables takes to masquerade, written by hand"""

SecondsOption = Annotated[float, typer.Option(min=1, max=600, help="how long each path is used, and the direct way beside it")]


def connect(seconds: SecondsOption = 30.0, output: OutputOption = Output.TEXT) -> None:
    """Short TCP connections a second through each kind of Service address, beside those straight to a backend."""
    from moorage.run.bench_connect import bench_connect

    require_root("moorage bench connect")
    with Progress(output) as progress:
        report = run_to_the_end(bench_connect(seconds, progress.step))
    clients = f"{report.clients} clients, each with a connection at a time\nmeasured on {machine()}"
    tell(output, as_json(report), table(report), NOTES, clients, met=report.met)


def as_json(report: Report) -> Mapping[str, object]:
    paths = [{**msgspec.structs.asdict(each), "met": each.met} for each in report.paths]
    return {"machine": machine(), "met": report.met, "goal": report.goal, "clients": report.clients, "paths": paths}


def table(report: Report) -> Table:
    from rich.table import Table

    made = Table(title="Short TCP connections from one client", title_justify="left")
    for column in COLUMNS:
        made.add_column(column, justify="left" if column == "path" else "right", no_wrap=True)
    for each in report.paths:
        made.add_row(*_row(each, report.goal))
    return made


def _row(each: PathReport, goal: float) -> tuple[str, ...]:
    return (
        each.name,
        f"{each.rate:.0f}, {each.rate_min_window:.0f}",
        f"{each.ratio:.3f}, {each.ratio_min_window:.3f}",
        f"{goal}" if each.judged else "",
        f"{each.failed}, {each.slow}",
        f"{each.cpu_us - each.direct_cpu_us:.1f}",
    )
