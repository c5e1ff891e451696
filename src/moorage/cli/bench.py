"""`moorage bench NAME`: the published figures, measured on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.table import Table

from moorage.cli.bench_coldstart import coldstart
from moorage.cli.bench_connect import connect
from moorage.cli.kubectl import find_kubectl
from moorage.cli.measured import machine
from moorage.cli.output import Output, OutputOption, console, print_json
from moorage.cli.progress import Progress
from moorage.cli.standalone import NodesOption
from moorage.run.state_io import Running, require_root

if TYPE_CHECKING:
    from moorage.run.bench_api import Report
    from moorage.run.bench_update import Spread

UPDATE_GOAL_MS = 50.0
INSTANCE = "bench"

bench = typer.Typer(help="The published figures, measured on this machine.", no_args_is_help=True)


@bench.command()
def update(
    nodes: NodesOption = 3,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="how many changes of each kind")] = 100,
    output: OutputOption = Output.TEXT,
) -> None:
    """From the API's answer to the first good packet on every node, after a Service changed or was created."""
    from moorage.run.standalone import UpSettings
    from moorage.run.up_io import detached, end

    require_root("moorage bench update")
    with Progress(output) as progress:
        progress.step(f"starting a cluster of {nodes} nodes on this machine")
        running = detached(UpSettings.checked(INSTANCE, nodes, "none", "auto", 0))
        try:
            spreads = asyncio.run(_update(running, rounds, progress))
        finally:
            progress.step("taking everything away")
            end(INSTANCE)
    met = spreads["changed"].p50 < UPDATE_GOAL_MS
    if output is Output.JSON:
        print_json({"machine": machine(), "nodes": nodes, "unit": "ms", "goal_p50": UPDATE_GOAL_MS, "met": met, **spreads})
    else:
        _print_update(spreads, nodes)
    if not met:
        raise SystemExit(1)


async def _update(running: Running, rounds: int, progress: Progress) -> Mapping[str, Spread]:
    from moorage.client.http_io import HttpClient
    from moorage.client.kubeconfig_io import load
    from moorage.lab.plan import LabPlan
    from moorage.run.bench_update import bench_update
    from moorage.run.traffic import Traffic

    async with HttpClient(load(running.kubeconfig), user_agent="moorage-bench") as client:
        traffic = Traffic(LabPlan(running.instance, running.nodes), client, running.kubeconfig, find_kubectl())
        return await bench_update(traffic, rounds, progress.step)


def _print_update(spreads: Mapping[str, Spread], nodes: int) -> None:
    table = Table(title=f"API's answer to first good packet, slowest of {nodes} nodes, in ms", title_justify="left")
    for column in ("a Service is", "rounds", "p50", "p90", "p99", "max"):
        table.add_column(column, justify="left" if column == "a Service is" else "right")
    for name, each in spreads.items():
        table.add_row(name, str(each.rounds), *(f"{value:.1f}" for value in (each.p50, each.p90, each.p99, each.max)))
    console.print(table)
    console.print(f"goal: p50 below {UPDATE_GOAL_MS:.0f} ms; measured on {machine()}")


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
    if output is Output.JSON:
        print_json({"machine": machine(), "met": report.met, **msgspec.structs.asdict(report)})
    else:
        _print_api(report)
    if not report.met:
        raise SystemExit(1)


def _print_api(report: Report) -> None:
    written, watched, goals = report.writes, report.watches, report.goals
    table = Table(title="The API server, durable, behind TLS", title_justify="left")
    for column in ("what", "measured", "goal"):
        table.add_column(column, justify="left" if column == "what" else "right")
    slices = f"half Services, half slices of {written.endpoints_per_slice} endpoints"
    table.add_row(
        f"creates/s over {written.connections} connections, {slices}",
        f"{written.per_second:.0f}",
        f">= {goals.objects_per_second:.0f}",
    )
    table.add_row("a create, p50 / p99", f"{written.p50_ms:.1f} / {written.p99_ms:.1f} ms", "")
    table.add_row("processor time of the client for one", f"{written.client_ms:.3f} ms", f"< {goals.client_ms:.0f} ms")
    table.add_row("processor time of the server for one", f"{written.server_ms:.3f} ms", "")
    table.add_row(
        f"memory (RSS) with {written.objects} objects", f"{written.resident_mb:.0f} MB", f"< {goals.resident_mb:.0f} MB"
    )
    table.add_row(f"watches told all {watched.events} changes in order", str(watched.complete), str(watched.watches))
    table.add_row(
        "from sending a create to a watch's line, p50 / p99", f"{watched.lag_p50_ms:.1f} / {watched.lag_p99_ms:.1f} ms", ""
    )
    table.add_row("lines/s to all watches", str(watched.deliveries_per_second), "")
    table.add_row("memory (RSS) with the watches", f"{watched.resident_mb:.0f} MB", "")
    console.print(table)
    console.print(f"measured on {machine()}")


def register(app: typer.Typer) -> None:
    for command in (coldstart, connect):
        bench.command()(command)
    app.add_typer(bench, name="bench")
