"""`moorage uninstall`: nothing of ours stays, on the objects of a cluster or, with --node, in the kernel of this machine."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from moorage.cli.output import Output, OutputOption, console, print_json
from moorage.cli.questions import ask
from moorage.run.state_io import DEFAULT_INSTANCE


def uninstall(
    node: Annotated[bool, typer.Option("--node", help="this machine: rules and addresses; as root, no agent may run")] = False,
    kubeconfig: Annotated[str, typer.Option(help="the cluster: finalizers, annotations, conditions and slices of ours")] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Takes away what node agents leave in a kernel (--node) or what controllers leave on a cluster's objects (--kubeconfig).

    `kubectl delete namespace moorage-system` comes first. Load-balancer addresses stay in the status of their Services.
    """
    from moorage.model.errors import UserError
    from moorage.run.uninstalling import uninstall_cluster, uninstall_node

    if node == bool(kubeconfig):
        raise UserError("write either --node, for this machine, or --kubeconfig PATH, for the objects of that cluster")
    gone = asyncio.run(uninstall_node()) if node else ask(kubeconfig, DEFAULT_INSTANCE, uninstall_cluster)
    if output is Output.JSON:
        print_json(gone)
        return
    for what in (*(f"table {each}" for each in gone.tables), *(f"address {each}" for each in gone.addresses), *gone.objects):
        console.print(f"took away {what}" if what not in gone.objects else f"let go {what}", soft_wrap=True)
    if not (gone.tables or gone.addresses or gone.objects):
        console.print("there was nothing of ours")


def register(app: typer.Typer) -> None:
    app.command()(uninstall)
