"""How commands speak: a table or a line for people, JSON for programs, and one line for an error."""

from __future__ import annotations

import enum
import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class Output(enum.StrEnum):
    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for programs")]
InstanceOption = Annotated[str, typer.Option("--instance", envvar="MOORAGE_INSTANCE", help="name of the standalone system")]


def print_json(value: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")


def fail(message: str, status: int) -> None:
    """One line that says what is wrong and what to do next, then the exit status: 1 not fine, 2 used wrongly."""
    errors.print(f"moorage: {message}", style="red", markup=False, soft_wrap=True)
    raise SystemExit(status)
