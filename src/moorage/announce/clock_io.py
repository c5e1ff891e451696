"""The clock of speakers and of those who judge Leases for them."""

from __future__ import annotations

import time


def clock() -> float:
    """Seconds, which go on while the machine sleeps (CLOCK_BOOTTIME): what ran out then has run out."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
