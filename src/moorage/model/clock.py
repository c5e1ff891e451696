"""Times as the API writes them. Nothing here reads a clock: the time is an argument, in seconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def timestamp(now: float) -> str:
    """`metav1.Time`: RFC 3339, UTC, whole seconds."""
    return _written(int(now))


@lru_cache(maxsize=64)
def _written(seconds: int) -> str:
    """A server writes many times in one second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(now: float) -> str:
    """`metav1.MicroTime`: RFC 3339, UTC, microseconds."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_timestamp(text: str) -> float:
    """Seconds since the epoch. Raises ValueError where the text is no RFC 3339 time."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
