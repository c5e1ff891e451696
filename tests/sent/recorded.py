"""A recorded conversation -> requests to be judged."""

from __future__ import annotations

from collections.abc import Iterable

from tests.recorded.spoken import Spoken
from tests.sent.exchange import WATCH, Exchange


def exchanges(spoken: Iterable[Spoken]) -> list[Exchange]:
    """The answers of refusals and watches are left out."""
    return [
        Exchange(
            agent=each.headers.get("user-agent", "").partition("/")[0],
            method=each.method,
            path=each.path,
            query=each.query,
            content_type=each.headers.get("content-type", ""),
            body=each.body.encode(),
            code=each.status,
            answer=each.answer if 200 <= each.status < 300 and each.query.get("watch") not in WATCH else b"",
        )
        for each in spoken
    ]
