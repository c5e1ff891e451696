"""What a person sees in a terminal of 80 columns."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table


def shown(table: Table) -> str:
    written = io.StringIO()
    Console(width=80, file=written).print(table)
    return written.getvalue()
