"""`moorage up | down | kubeconfig | exec`: the whole system on this machine."""

from __future__ import annotations

import asyncio
import enum
import sys
from pathlib import Path
from typing import Annotated

import typer

from moorage.cli.output import InstanceOption, Output, OutputOption, console, print_json
from moorage.run.state_io import DEFAULT_INSTANCE, Running, read_running, reader_kubeconfig, require_root, require_running


class User(enum.StrEnum):
    ADMIN = "admin"
    READER = "reader"


NodesOption = Annotated[int, typer.Option("--nodes", "-n", min=1, max=50, help="how many nodes")]


def up(
    nodes: NodesOption = 3,
    load_balancer: Annotated[
        str,
        typer.Option(
            help="who serves load-balancer addresses: edge, a machine in front of the nodes; announce, the nodes; none, nobody"
        ),
    ] = "edge",
    dataplane: Annotated[str, typer.Option(help="nft, or auto (the best that this kernel has)")] = "auto",
    port: Annotated[int, typer.Option(help="port of the API on 127.0.0.1; 0: any free one")] = 6443,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="return once it runs; end it with `moorage down`")] = False,
    instance: InstanceOption = DEFAULT_INSTANCE,
    output: OutputOption = Output.TEXT,
) -> None:
    """The whole system on this machine: prints how to reach it; Ctrl-C takes all of it away."""
    from moorage.cli.progress import Progress
    from moorage.run.standalone import UpSettings
    from moorage.run.up_io import detached, foreground

    require_root("moorage up")
    settings = UpSettings.checked(instance, nodes, load_balancer, dataplane, port)
    if detach:
        with Progress(output) as progress:
            progress.step("starting the system in the background")
            running = detached(settings)
        _tell(running, output)
        return
    with Progress(output) as progress:
        asyncio.run(foreground(settings, progress.step, lambda running: _tell(running, output)))


def _tell(running: Running, output: Output) -> None:
    if output is Output.JSON:
        print_json(running)
        return
    option = "" if running.instance == DEFAULT_INSTANCE else f" --instance {running.instance}"
    console.print(f"\n[bold]Moorage runs[/bold]: {running.nodes} nodes, API at {running.server}\n")
    console.print(f"  export KUBECONFIG={running.kubeconfig}", markup=False)
    console.print("  kubectl get nodes", markup=False)
    console.print(f"  moorage exec{option} client -- ask http://ADDRESS:PORT", markup=False)
    console.print(f"\nEnd it with Ctrl-C or `moorage down{option}`.")


def down(instance: InstanceOption = DEFAULT_INSTANCE, output: OutputOption = Output.TEXT) -> None:
    """Ends a standalone system and takes away all that is left of one, also after a crash."""
    from moorage.run.up_io import end

    require_root("moorage down")
    was_running = read_running(instance) is not None
    left = end(instance)
    if output is Output.JSON:
        print_json({"instance": instance, "wasRunning": was_running, "removed": left})
    elif was_running:
        console.print("ended; nothing is left")
    else:
        console.print("removed what an earlier run left" if left else "nothing was running, and nothing was left")


def kubeconfig(
    user: Annotated[User, typer.Option(help="admin may do everything, reader only looks, and not at Secrets")] = User.ADMIN,
    instance: InstanceOption = DEFAULT_INSTANCE,
) -> None:
    """Prints the kubeconfig of the running standalone system."""
    running = require_running(instance)
    sys.stdout.write(Path(running.kubeconfig if user is User.ADMIN else reader_kubeconfig(instance)).read_text())


def exec_(
    vantage: Annotated[str, typer.Argument(help="pod/NAME, pod/NAMESPACE/NAME, node/NAME, edge, server or client")],
    command: Annotated[list[str], typer.Argument(help="the command, after --")],
    instance: InstanceOption = DEFAULT_INSTANCE,
) -> None:
    """Runs a command at a vantage point of the lab, for example: moorage exec client -- ask http://198.18.0.11:30080"""
    from moorage.run.vantage_io import run_here

    require_root("moorage exec")
    require_running(instance)
    raise SystemExit(run_here(instance, vantage, command))


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)
    app.command()(kubeconfig)
    app.command("exec")(exec_)
