"""Long work shows where it is: a line for each finished step with its time, a spinner for the one that runs."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console

from moorage.cli.output import Output

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """A context in which `step(text)` ends the step before and begins the next. Quiet where the output is JSON."""

    def __init__(self, output: Output = Output.TEXT) -> None:
        self._console = Console(stderr=True, highlight=False, quiet=output is Output.JSON)
        self._status: Status | None = None
        self._text = ""
        self._since = 0.0

    def step(self, text: str) -> None:
        self.finish()
        self._text, self._since = text, time.monotonic()
        if self._console.is_terminal:
            self._status = self._console.status(text)
            self._status.start()

    def note(self, text: str) -> None:
        """A line of detail below the running step."""
        self._console.print(f"  [dim]{text}[/dim]")

    def finish(self, mark: str = "[green]✓[/green]") -> None:
        """Ends the running step, if there is one."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if self._text:
            self._console.print(f"{mark} {self._text} [dim]{time.monotonic() - self._since:.1f} s[/dim]")
            self._text = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.finish("[green]✓[/green]" if kind is None else "[red]✗[/red]")
