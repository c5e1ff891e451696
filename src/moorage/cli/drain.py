"""`moorage drain --simulate NODE`: what a drain would do, before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli.output import InstanceOption, Output, OutputOption, console, print_json
from moorage.cli.questions import KubeconfigOption, ask
from moorage.model.errors import UserError
from moorage.run.state_io import DEFAULT_INSTANCE

if TYPE_CHECKING:
    from moorage.observe.drain import Forecast


def drain(
    node: Annotated[str, typer.Argument(metavar="NODE", help="name of the Node")],
    simulate: Annotated[bool, typer.Option("--simulate", help="say what would happen; nothing is done")] = False,
    kubeconfig: KubeconfigOption = "",
    instance: InstanceOption = DEFAULT_INSTANCE,
    output: OutputOption = Output.TEXT,
) -> None:
    """What a drain would do: Pods that end, Services that lose, addresses that move. Exit status 1 when something breaks."""
    from moorage.run.questions import ask_drain

    if not simulate:
        raise UserError(f"moorage drain only simulates: add --simulate, or drain with `kubectl drain {node}`")
    found = ask(kubeconfig, instance, lambda client: ask_drain(client, node))
    if output is Output.JSON:
        print_json(found)
    else:
        _show(found)
    if found.problems:
        raise SystemExit(1)


def _show(found: Forecast) -> None:
    """Every effect on a line; what would break comes last."""
    console.print(f"without {found.node} (nothing has been done):")
    for pod in found.pods:
        behind = f", behind {', '.join(pod.services)}" if pod.services else ""
        console.print(f"  Pod         {pod.pod} {pod.address} ends{behind}; {_again(pod.owner)}", soft_wrap=True, markup=False)
    for service in found.services:
        console.print(f"  Service     {service.message}", soft_wrap=True, markup=False)
    for address in found.addresses:
        console.print(
            f"  Address     {address.message} ({address.how}; {', '.join(address.services)})", soft_wrap=True, markup=False
        )
    console.print(f"  Connections {found.connections}", soft_wrap=True, markup=False)
    if not found.problems:
        console.print("nothing would break")
    for problem in found.problems:
        console.print(f"[red]breaks[/red]: {problem}", soft_wrap=True)


def _again(owner: str) -> str:
    if not owner:
        return "nobody makes it again"
    if owner.startswith("DaemonSet/"):
        return f"{owner} makes none elsewhere"
    return f"{owner} makes another one"


def register(app: typer.Typer) -> None:
    app.command()(drain)
