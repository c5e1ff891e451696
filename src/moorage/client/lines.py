"""Chunks of a stream -> whole lines."""

from __future__ import annotations

from collections.abc import Sequence


class Lines:
    """Cuts what arrives at newlines. A line may span any number of chunks and be of any length."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []

    def feed(self, chunk: bytes) -> Sequence[bytes]:
        """The lines that this chunk completes, without their newline; blank lines are left out."""
        first, *rest = chunk.split(b"\n")
        self._begun.append(first)
        if not rest:
            return ()
        whole = [b"".join(self._begun), *rest[:-1]]
        self._begun = [rest[-1]]
        return [line for line in whole if line.strip()]
