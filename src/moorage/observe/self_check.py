"""Whether the rules in the kernel do their work: what came of asking the agent's own frontend -> a verdict.

    outcome, outcome, ... -> SelfCheck(healthy, failures, trouble)

A check that fails once may have met a busy machine; two in a row count. One that succeeds counts at once.
"""

from __future__ import annotations

import msgspec

PERIOD = 0.5
"""Seconds from the begin of one check to that of the next."""
TIMEOUT = 0.3
"""Seconds for one check. So what breaks is known after 1.3 s at the latest: half a second, and two checks."""
FAILURES = 2
"""Checks that fail in a row until the node counts as unhealthy."""

NOT_YET = "the node's own rules have not been asked yet"


class SelfCheck(msgspec.Struct, frozen=True):
    """`healthy` begins false: nobody should be told that rules work before they have. `trouble` says what is wrong, empty while
    all is well. `failures` are those in a row, `failed` all of them.
    """

    healthy: bool = False
    failures: int = 0
    failed: int = 0
    trouble: str = NOT_YET


def after(before: SelfCheck, problem: str) -> SelfCheck:
    """`problem` is empty for a check that succeeded."""
    if not problem:
        return SelfCheck(True, 0, before.failed, "")
    failures = before.failures + 1
    healthy = before.healthy and failures < FAILURES
    return SelfCheck(healthy, failures, before.failed + 1, "" if healthy else problem)
