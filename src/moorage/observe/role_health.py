"""A request + how a controller is -> the response: what a kubelet's probes and Prometheus ask it.

/healthz /livez   whether it works as it should; a candidate that waits does
/readyz           whether it has the API before it: the one that leads has read all that it follows
/metrics          who leads, and how often that has changed
"""

from __future__ import annotations

import msgspec

from moorage.observe.http import Request, answer, answer_json, refuse

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "moorage_controller_"


class RoleHealth(msgspec.Struct, frozen=True):
    """`elects` is false where it works alone. `identity` is its own, `leader` who leads as far as it knows, empty for nobody.

    `healthy` is false for one that works though it may not; `ready` as above; `failure` says what is wrong with the API, empty
    for nothing.
    """

    healthy: bool
    ready: bool
    leads: bool = True
    elects: bool = False
    identity: str = ""
    leader: str = ""
    transitions: int = 0
    failure: str = ""


def respond(request: Request, health: RoleHealth) -> bytes:
    """The whole response."""
    match request.path:
        case "/healthz" | "/livez":
            good = health.healthy
        case "/readyz":
            good = health.healthy and health.ready
        case "/metrics":
            return answer(request, 200, _TEXT, _metrics(health))
        case _:
            return refuse(404)
    return answer_json(request, 200 if good else 503, msgspec.to_builtins(health))


def _metrics(health: RoleHealth) -> str:
    rows = (
        ("leader", "gauge", "Whether this process does the work: 1 or 0.", int(health.leads)),
        ("ready", "gauge", "Whether it has the API before it: 1 or 0.", int(health.ready)),
        ("leader_changes", "gauge", "How often the leader's Lease has changed hands.", health.transitions),
    )
    return "".join(
        f"# HELP {_PREFIX}{name} {about}\n# TYPE {_PREFIX}{name} {kind}\n{_PREFIX}{name} {value}\n"
        for name, kind, about, value in rows
    )
