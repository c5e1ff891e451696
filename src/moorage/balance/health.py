"""Answers of a node's health check, one after the other -> whether the load balancer may use the node.

UNKNOWN -- first success ----------> HEALTHY -- `fall` failures in a row --> UNHEALTHY
UNKNOWN -- `fall` failures --------> UNHEALTHY -- `rise` successes in a row --> HEALTHY
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

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


class NodeHealth(msgspec.Struct, frozen=True):
    """One node as the prober sees it. `streak` counts the last answers in a row that speak against `standing`.

    `next_probe` is when the next probe starts, on the clock that `now` is read from.
    """

    node: str
    address: Address
    next_probe: float
    standing: Standing = Standing.UNKNOWN
    streak: int = 0


class HealthChange(msgspec.Struct, frozen=True):
    """A node came into use (NODE_HEALTHY) or is no longer to be used (NODE_UNHEALTHY); `detail` is the deciding answer."""

    node: str
    reason: Reason
    detail: str


def after(state: NodeHealth, answer: Answer, now: float, settings: HealthSettings) -> tuple[NodeHealth, HealthChange | None]:
    """The state after an answer that came at `now`. Probes keep their beat; one that took longer is followed at once."""
    next_probe = max(state.next_probe + settings.interval, now)
    if answer.ok == (state.standing is Standing.HEALTHY) and state.standing is not Standing.UNKNOWN:
        return msgspec.structs.replace(state, next_probe=next_probe, streak=0), None
    streak = state.streak + 1
    if streak < _needed(state.standing, answer.ok, settings):
        return msgspec.structs.replace(state, next_probe=next_probe, streak=streak), None
    standing, reason = (Standing.HEALTHY, Reason.NODE_HEALTHY) if answer.ok else (Standing.UNHEALTHY, Reason.NODE_UNHEALTHY)
    moved = msgspec.structs.replace(state, next_probe=next_probe, standing=standing, streak=0)
    return moved, HealthChange(state.node, reason, answer.detail)


def healthy(states: Iterable[NodeHealth]) -> frozenset[str]:
    """The names of the nodes that may be used."""
    return frozenset(each.node for each in states if each.standing is Standing.HEALTHY)


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
