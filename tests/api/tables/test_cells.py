"""Ages and lists as kubectl prints them. Source of the ages: the test table of `util/duration`."""

from __future__ import annotations

import pytest

from moorage.api.tables.cells import age, few, human_duration, pairs

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-2, "<invalid>"),
        (-1.5, "0s"),
        (0, "0s"),
        (1, "1s"),
        (70, "70s"),
        (119, "119s"),
        (120, "2m"),
        (190, "3m10s"),
        (10 * MINUTE + 5, "10m"),
        (179 * MINUTE, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 10 * MINUTE, "3h10m"),
        (8 * HOUR + 10 * MINUTE, "8h"),
        (47 * HOUR, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 23 * HOUR, "2d23h"),
        (8 * DAY + 23 * HOUR, "8d"),
        (2 * YEAR - 1, "729d"),
        (2 * YEAR, "2y"),
        (2 * YEAR + 10 * DAY, "2y10d"),
        (8 * YEAR + 100 * DAY, "8y"),
    ],
)
def test_human_duration(seconds: float, expected: str) -> None:
    assert human_duration(seconds) == expected


def test_age() -> None:
    assert age("2026-01-01T00:00:00Z", 1767225600 + 90) == "90s"
    assert age("2026-01-01T00:00:00.250000Z", 1767225600 + 90) == "89s"
    assert age(None, 0) == "<unknown>"


def test_few() -> None:
    assert few([]) == "<unset>"
    assert few(["a", "b", "c"]) == "a,b,c"
    assert few(["a", "b", "c", "d", "e"]) == "a,b,c + 2 more..."


def test_pairs() -> None:
    assert pairs({}) == "<none>"
    assert pairs({"b": "2", "a": "1"}) == "a=1,b=2"
