"""What fills the cells of a table: ages, joined lists, stand-ins for what is absent.

Source: `pkg/printers/internalversion` of Kubernetes 1.36 and `util/duration` of apimachinery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from moorage.model.clock import parse_timestamp

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY


def age(since: str | None, now: float) -> str:
    """The time since an API timestamp, as people say it."""
    return human_duration(now - parse_timestamp(since)) if since else UNKNOWN


def human_duration(seconds: float) -> str:
    """`5s`, `4m10s`, `3h`, `6d7h`, `2y30d`: two units while the first is small, then one."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 2 * _MINUTE:
        return f"{max(whole, 0)}s"
    if whole < 10 * _MINUTE:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}h"
    if whole < 8 * _DAY:
        return _two(whole, _DAY, "d", _HOUR, "h")
    if whole < 2 * _YEAR:
        return f"{whole // _DAY}d"
    if whole < 8 * _YEAR:
        return _two(whole, _YEAR, "y", _DAY, "d")
    return f"{whole // _YEAR}y"


def _two(seconds: int, large: int, large_name: str, small: int, small_name: str) -> str:
    first, rest = divmod(seconds, large)
    second = rest // small
    return f"{first}{large_name}{second}{small_name}" if second else f"{first}{large_name}"


def joined(values: Iterable[str], otherwise: str = NONE) -> str:
    return ",".join(values) or otherwise


def pairs(labels: Mapping[str, str]) -> str:
    """Labels or a selector, sorted: `app=web,tier=front`."""
    return joined(f"{key}={value}" for key, value in sorted(labels.items()))


def host_port(address: str, port: int) -> str:
    """`10.244.1.2:8080`, `[fd00::2]:8080`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def few(values: Sequence[str], most: int = 3, otherwise: str = UNSET) -> str:
    """The first three, and how many more there are."""
    text = joined(values[:most], otherwise)
    return f"{text} + {len(values) - most} more..." if len(values) > most else text
