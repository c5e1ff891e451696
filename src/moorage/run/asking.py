"""What the lab's `ask` program prints, as a value."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.model.errors import HostError


class Answers(msgspec.Struct, frozen=True):
    """A number of requests, each over a connection of its own. `pods` and `clients` count answers by the Pod that gave them and
    by the client address that it saw; `errors` counts failures by kind; `latency_ms` has p50, p99 and max.
    """

    target: str
    address: str
    requests: int
    ok: int
    failed: int
    pods: Mapping[str, int] = {}
    nodes: Mapping[str, int] = {}
    clients: Mapping[str, int] = {}
    errors: Mapping[str, int] = {}
    latency_ms: Mapping[str, float] = {}
    seconds: float = 0.0

    def failures(self) -> str:
        """`2 timeout, 1 connection refused`."""
        return ", ".join(f"{count} {kind}" for kind, count in self.errors.items())


def read_answers(output: str, errors: str) -> Answers:
    """Raises HostError with what was printed instead."""
    try:
        return msgspec.json.decode(output.encode(), type=Answers)
    except msgspec.DecodeError as error:
        raise HostError(f"ask did not run: {errors.strip() or output.strip() or error}") from error
