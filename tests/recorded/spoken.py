"""A recorded conversation of one role with an API server: its shape, and the file that it is kept in.

Moments are counted, not timed: whatever passes on the wire, in either direction, on any connection, takes the next number.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

DATA = Path(__file__).parent / "data"


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A part of an answer's body, as the server cut it: one HTTP chunk, or the whole body. Bytes are Latin-1 characters."""

    moment: int
    text: str


class Spoken(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request, complete at the moment `asked`, and its answer, complete at `ended`, 0 where the client left before.

    `query` and headers are those that matter; credentials are never kept.
    """

    asked: int
    method: str
    path: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: str = ""
    status: int = 0
    answer_headers: dict[str, str] = {}
    pieces: tuple[Piece, ...] = ()
    ended: int = 0

    @property
    def is_chunked(self) -> bool:
        return self.answer_headers.get("transfer-encoding") == "chunked"

    @property
    def answer(self) -> bytes:
        return b"".join(each.text.encode("latin-1") for each in self.pieces)


def load(name: str) -> tuple[Spoken, ...]:
    """The conversation of that name, in the order of its requests."""
    lines = (DATA / f"{name}.jsonl").read_bytes().splitlines()
    return tuple(msgspec.json.decode(each, type=Spoken) for each in lines)


def save(name: str, spoken: Iterable[Spoken]) -> None:
    """One line for each request."""
    DATA.mkdir(exist_ok=True)
    (DATA / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in spoken))
