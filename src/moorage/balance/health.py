"""Answers of a health check, one after the other -> whether the load balancer may use the node, at all or for one Service.

UNKNOWN -- first success ----------> HEALTHY -- `fall` failures in a row --> UNHEALTHY
UNKNOWN -- `fall` failures --------> UNHEALTHY -- `rise` successes in a row --> HEALTHY
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import msgspec

from moorage.model.meta import Key
from moorage.model.net import Address
from moorage.model.reason import Reason


class HealthSettings(msgspec.Struct, frozen=True):
    """How nodes are probed: GET `path` at `port`. Times are seconds. A dead node is out after `fall` timeouts and intervals.

    `/livez` says whether the agent works. `/healthz` would also refuse for a node about to go away, which the Node object
    tells, and which still serves `externalTrafficPolicy: Local` (KEP-3836).
    """

    interval: float = 0.25
    timeout: float = 0.5
    fall: int = 2
    rise: int = 2
    port: int = 10256
    path: str = "/livez"


class Standing(enum.Enum):
    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Answer(msgspec.Struct, frozen=True):
    """The outcome of one probe; `detail` says in a few words what came back."""

    ok: bool
    detail: str


class Target(msgspec.Struct, frozen=True):
    """What is asked: GET `path` at an address of a node. `service` is the one whose `healthCheckNodePort` it is; None asks for
    the node itself.
    """

    node: str
    address: Address
    port: int
    path: str
    service: Key | None = None


class TargetHealth(msgspec.Struct, frozen=True):
    """One target as the prober sees it. `streak` counts the last answers in a row that speak against `standing`.

    `next_probe` is when the next probe starts, on the clock that `now` is read from.
    """

    target: Target
    next_probe: float
    standing: Standing = Standing.UNKNOWN
    streak: int = 0


class HealthChange(msgspec.Struct, frozen=True):
    """A node came into use (NODE_HEALTHY) or is no longer to be used (NODE_UNHEALTHY), for one `service` alone where it is
    given; `detail` is the deciding answer.
    """

    node: str
    reason: Reason
    detail: str
    service: Key | None = None


Checks = Mapping[Key, Mapping[str, Standing]]
"""What nodes say at the `healthCheckNodePort` of Services; a node that is not asked is not named."""
NO_CHECKS: Checks = {}


def after(
    state: TargetHealth, answer: Answer, now: float, settings: HealthSettings, beat: float = 0.0
) -> tuple[TargetHealth, HealthChange | None]:
    """The state after an answer that came at `now`. Probes keep their beat: the interval, or `beat` seconds where that is
    longer. One that took longer is followed at once.
    """
    next_probe = max(state.next_probe + max(settings.interval, beat), now)
    if answer.ok == (state.standing is Standing.HEALTHY) and state.standing is not Standing.UNKNOWN:
        return msgspec.structs.replace(state, next_probe=next_probe, streak=0), None
    streak = state.streak + 1
    if streak < _needed(state.standing, answer.ok, settings):
        return msgspec.structs.replace(state, next_probe=next_probe, streak=streak), None
    standing, reason = (Standing.HEALTHY, Reason.NODE_HEALTHY) if answer.ok else (Standing.UNHEALTHY, Reason.NODE_UNHEALTHY)
    moved = msgspec.structs.replace(state, next_probe=next_probe, standing=standing, streak=0)
    return moved, HealthChange(state.target.node, reason, answer.detail, state.target.service)


def healthy(states: Iterable[TargetHealth]) -> frozenset[str]:
    """The names of the nodes that may be used."""
    of_nodes = (each for each in states if each.target.service is None)
    return frozenset(each.target.node for each in of_nodes if each.standing is Standing.HEALTHY)


def checks(states: Iterable[TargetHealth]) -> Checks:
    """The same for single Services."""
    found: dict[Key, dict[str, Standing]] = {}
    for each in states:
        if each.target.service is not None:
            found.setdefault(each.target.service, {})[each.target.node] = each.standing
    return found


def answer_of(status_line: bytes) -> Answer:
    """The first line of an HTTP response: any 2xx is a success."""
    words = status_line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        return Answer(False, "the answer is not HTTP" if status_line else "the connection was closed without an answer")
    return Answer(words[1][:1] == b"2" and len(words[1]) == 3, f"HTTP {words[1].decode('ascii')}")


def _needed(standing: Standing, ok: bool, settings: HealthSettings) -> int:
    if not ok:
        return settings.fall
    return 1 if standing is Standing.UNKNOWN else settings.rise
