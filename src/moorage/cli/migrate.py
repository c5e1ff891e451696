"""`moorage migrate --check`: what runs in a cluster, what would conflict, and the steps to Moorage and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli.output import InstanceOption, Output, OutputOption, console, print_json, show_findings
from moorage.cli.questions import KubeconfigOption, ask
from moorage.run.state_io import DEFAULT_INSTANCE

if TYPE_CHECKING:
    from moorage.observe.migrate import Migration


def migrate(
    check: Annotated[bool, typer.Option("--check", help="look, say, and change nothing: all that this command does")] = False,
    kubeconfig: KubeconfigOption = "",
    instance: InstanceOption = DEFAULT_INSTANCE,
    output: OutputOption = Output.TEXT,
) -> None:
    """What forwards Services in a cluster today, what would conflict, and the steps to Moorage and back. Exit status 1 when
    something has to be done first.
    """
    from moorage.model.errors import UserError
    from moorage.run.questions import ask_migration

    if not check:
        raise UserError("write `moorage migrate --check`: steps are for you to take, this command only says which")
    found = ask(kubeconfig, instance, ask_migration)
    if output is Output.JSON:
        print_json(found)
    else:
        show(found)
    if not found.ready:
        raise SystemExit(1)


def show(found: Migration) -> None:
    show_findings(found.findings, 10)
    if not found.ready:
        console.print("[red]not yet[/red]: what has a ✗ comes first")
    for number, step in enumerate(found.steps, 1):
        console.print(f"\n[bold]{number}. {step.what}[/bold]", soft_wrap=True)
        for command in step.commands:
            console.print(f"     {command}", soft_wrap=True, markup=False)
        console.print(f"   then: {step.expect}", soft_wrap=True)
        for command in step.back:
            console.print(f"   back: {command}", soft_wrap=True, markup=False)


def register(app: typer.Typer) -> None:
    app.command()(migrate)
