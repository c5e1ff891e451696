"""How commands speak: a table or a line for people, JSON for programs, and one line for an error."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

if TYPE_CHECKING:
    from moorage.observe.explain import Finding

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class Output(enum.StrEnum):
    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for programs")]
InstanceOption = Annotated[str, typer.Option("--instance", envvar="MOORAGE_INSTANCE", help="name of the standalone system")]


def print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


MARKS = {True: "[green]✓[/green]", False: "[red]✗[/red]", None: "·"}
"""Of a finding: good, bad, neither."""


def show_findings(findings: Iterable[Finding], width: int, reasons: bool = False) -> None:
    """A line for each, its hop in a column so wide, and below a bad one what to do about it."""
    for each in findings:
        reason = f" [dim]{each.reason.value}[/dim]" if reasons and each.reason else ""
        console.print(f"{MARKS[each.ok]} {each.hop:<{width}} {each.text}{reason}", soft_wrap=True)
        if each.advice:
            console.print(f"  {'':<{width}} -> {each.advice}", soft_wrap=True)


def fail(message: str, status: int) -> None:
    """One line that says what is wrong and what to do next, then the exit status: 1 not fine, 2 used wrongly."""
    errors.print(f"moorage: {message}", style="red", markup=False, soft_wrap=True)
    raise SystemExit(status)
