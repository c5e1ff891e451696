"""What a table of one kind is made of: columns, and the cells of one object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec


class Column(msgspec.Struct, frozen=True):
    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class Layout(msgspec.Struct, frozen=True):
    """`cells` gives one value for each column; the second argument is the time, in seconds since the epoch."""

    columns: tuple[Column, ...]
    cells: Callable[[Any, float], tuple[object, ...]]


NAME = Column("Name", format="name", description="Name of the object, unique within its namespace.")
AGE = Column("Age", description="Time since the object was created.")


def wide(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, priority=1) for name in names)


def plain(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)
