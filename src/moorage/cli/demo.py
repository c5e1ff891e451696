"""`moorage demo`: up, the three example Services, real traffic from every vantage point, a report, down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli.kubectl import find_kubectl
from moorage.cli.output import InstanceOption, Output, OutputOption, console, print_json
from moorage.cli.progress import Progress
from moorage.cli.standalone import NodesOption
from moorage.run.state_io import Running, require_root

if TYPE_CHECKING:
    from moorage.run.demo import Check

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def demo(
    nodes: NodesOption = 3,
    keep: Annotated[bool, typer.Option("--keep", help="leave the system running; end it with `moorage down`")] = False,
    instance: InstanceOption = "demo",
    output: OutputOption = Output.TEXT,
) -> None:
    """The three Services at work on this machine. Exit status 0 only if every check held."""
    from moorage.run.demo import Check
    from moorage.run.standalone import UpSettings
    from moorage.run.up_io import detached, end

    require_root("moorage demo")
    since = time.monotonic()
    with Progress(output) as progress:
        progress.step(f"starting a cluster of {nodes} nodes on this machine")
        running = detached(UpSettings.checked(instance, nodes, "edge", "auto", 0), progress.note)
        try:
            checks = list(asyncio.run(_drive(running, progress)))
        finally:
            if not keep:
                progress.step("taking everything away")
                left = end(instance)
        if not keep:
            checks.append(
                Check("", "this machine", "nothing is left: no namespace, process or file", not left, left.describe())
            )
    _report(checks, output, time.monotonic() - since)
    if keep and output is Output.TEXT:
        console.print(
            f"\nIt still runs: export KUBECONFIG={running.kubeconfig}; end it with `moorage down --instance {instance}`"
        )
    if not all(each.ok for each in checks):
        raise SystemExit(1)


async def _drive(running: Running, progress: Progress) -> Sequence[Check]:
    from moorage.client.http_io import HttpClient
    from moorage.client.kubeconfig_io import load
    from moorage.lab.plan import LabPlan
    from moorage.run.demo import Demo
    from moorage.run.traffic import Traffic

    async with HttpClient(load(running.kubeconfig), user_agent="moorage-demo") as client:
        traffic = Traffic(LabPlan(running.instance, running.nodes), client, running.kubeconfig, find_kubectl())
        return await Demo(traffic, EXAMPLES, progress.step).run()


def _report(checks: Sequence[Check], output: Output, seconds: float) -> None:
    held = sum(each.ok for each in checks)
    if output is Output.JSON:
        print_json({"checks": checks, "held": held, "of": len(checks), "seconds": round(seconds, 1)})
        return
    service = None
    for check in checks:
        if check.service != service:
            service = check.service
            console.print(f"\n[bold]{service or 'afterwards'}[/bold]")
        mark = "[green]✓[/green]" if check.ok else "[red]✗[/red]"
        console.print(f"  {mark} {check.vantage:<12} {check.claim}  [dim]{check.seen}[/dim]", soft_wrap=True)
    style = "green" if held == len(checks) else "red"
    console.print(f"\n[{style}]{held} of {len(checks)} checks held[/{style}] in {seconds:.0f} s")


def register(app: typer.Typer) -> None:
    app.command()(demo)
