"""Go's durations, as Kubernetes' `metav1.Duration` is written: `90s`, `1m30s`, `300ms`. Source: Go `time.ParseDuration`."""

from __future__ import annotations

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|h|m|s)")


def parse_duration(text: str) -> float | None:
    """Seconds of a Go duration (`1m30s`, `0`), or None where the text is none. Negative ones are none here."""
    if text == "0":
        return 0.0
    if not text or _DURATION.sub("", text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
