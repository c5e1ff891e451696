"""What the benchmarks have in common: options, which machine it was, how figures are told, and an end that leaves nothing."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
from collections.abc import Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from moorage.cli.output import Output, console, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

T = TypeVar("T")

ServicesOption = Annotated[int, typer.Option(min=1, max=60_000, help="how many Services the cluster has")]
EndpointsOption = Annotated[int, typer.Option(min=1, max=1000, help="how many endpoints each of them has")]


def machine() -> str:
    """What the figures were measured on."""
    kernel, python = platform.release().split("-")[0], platform.python_version()
    return f"{platform.machine()}, {os.cpu_count()} cores, Linux {kernel}, Python {python}"


def run_to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """On asyncio's own loop. SIGTERM cancels it as Ctrl-C does, so that it takes away what it has made; exit status 143."""

    async def until_signalled() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(until_signalled())
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None


def tell(output: Output, as_json: Mapping[str, object], *shown: RenderableType, met: bool = True) -> None:
    """JSON for programs, or one part after the other for people; exit status 1 where a goal is missed."""
    if output is Output.JSON:
        print_json(as_json)
    else:
        for each in shown:
            console.print(each)
    if not met:
        raise SystemExit(1)


def figures(title: str, rows: Iterable[tuple[str, str, str]]) -> Table:
    """What was measured beside its goal, which is empty where there is none."""
    from rich.table import Table

    made = Table(title=title, title_justify="left")
    made.add_column("what")
    for column in ("measured", "goal"):
        made.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    return made
