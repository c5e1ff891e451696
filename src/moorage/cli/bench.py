"""`moorage bench NAME`: the published figures, measured on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from moorage.cli.bench_bytes import bytes_
from moorage.cli.bench_churn import churn
from moorage.cli.bench_coldstart import coldstart
from moorage.cli.bench_connect import connect
from moorage.cli.bench_failover import failover
from moorage.cli.bench_update import update
from moorage.cli.measured import figures, machine, tell
from moorage.cli.output import Output, OutputOption
from moorage.cli.progress import Progress

if TYPE_CHECKING:
    from moorage.run.bench_api import Report

bench = typer.Typer(help="The published figures, measured on this machine.", no_args_is_help=True)


@bench.command()
def api(
    objects: Annotated[
        int, typer.Option(min=2, max=100_000, help="how many Services and EndpointSlices, half of each")
    ] = 10_000,
    watches: Annotated[int, typer.Option(min=1, max=5000, help="how many watches at once")] = 1000,
    events: Annotated[int, typer.Option(min=1, max=1000, help="how many changes each watch is told")] = 50,
    output: OutputOption = Output.TEXT,
) -> None:
    """The API server: creates per second over TLS, memory, and watches that look on."""
    import uvloop

    from moorage.run.bench_api import bench_api

    with Progress(output) as progress:
        report = uvloop.run(bench_api(objects, watches, events, progress.step))
    found = {"machine": machine(), "met": report.met, **msgspec.structs.asdict(report)}
    table = figures("The API server, durable, behind TLS", _rows(report))
    tell(output, found, table, f"measured on {machine()}", met=report.met)


def _rows(report: Report) -> Iterator[tuple[str, str, str]]:
    written, watched, goals = report.writes, report.watches, report.goals
    slices = f"half Services, half slices of {written.endpoints_per_slice} endpoints"
    creates = f"creates/s over {written.connections} connections, {slices}"
    yield creates, f"{written.per_second:.0f}", f">= {goals.objects_per_second:.0f}"
    yield "a create, p50 / p99", f"{written.p50_ms:.1f} / {written.p99_ms:.1f} ms", ""
    yield "processor time of the client for one", f"{written.client_ms:.3f} ms", f"< {goals.client_ms:.0f} ms"
    yield "processor time of the server for one", f"{written.server_ms:.3f} ms", ""
    memory = f"memory (RSS) with {written.objects} objects"
    yield memory, f"{written.resident_mb:.0f} MB", f"< {goals.resident_mb:.0f} MB"
    yield f"watches told all {watched.events} changes in order", str(watched.complete), str(watched.watches)
    lag = f"{watched.lag_p50_ms:.1f} / {watched.lag_p99_ms:.1f} ms"
    yield "from sending a create to a watch's line, p50 / p99", lag, ""
    yield "lines/s to all watches", str(watched.deliveries_per_second), ""
    yield "memory (RSS) with the watches", f"{watched.resident_mb:.0f} MB", ""


def register(app: typer.Typer) -> None:
    for command in (coldstart, update, churn, connect, failover):
        bench.command()(command)
    bench.command("bytes")(bytes_)
    app.add_typer(bench, name="bench")
