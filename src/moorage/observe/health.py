"""A request + how the agent is -> the response. What load balancers and kubelets ask a node for.

Source: kube-proxy `pkg/proxy/healthcheck/proxy_health.go` for paths, codes and bodies.
"""

from __future__ import annotations

import msgspec

from moorage.model.clock import micro_timestamp
from moorage.observe.http import Request, answer_json, refuse

HEALTHZ = "/healthz"
"""Whether to send traffic to this node: what cloud load balancers ask."""

LIVEZ = "/livez"
"""Whether the agent works, eligible node or not: what its own liveness probe asks."""


class Health(msgspec.Struct, frozen=True):
    """`healthy`: the kernel holds the newest table, and its rules do their work. `last_updated` is when that was last so, in
    seconds since the epoch. `trouble` says in words why it is not healthy.

    `node_eligible` is false for a node that should get no new connections, because it is going away (KEP-3836).
    """

    healthy: bool
    last_updated: float = 0.0
    node_eligible: bool = True
    trouble: str = ""


def respond(request: Request, health: Health, now: float) -> bytes:
    """The whole response; `now` is in seconds since the epoch."""
    if request.path not in (HEALTHZ, LIVEZ):
        return refuse(404)
    body: dict[str, object] = {
        # kube-proxy: a healthy agent is as fresh as the question, whether or not there was anything to do.
        "lastUpdated": micro_timestamp(now if health.healthy else health.last_updated),
        "currentTime": micro_timestamp(now),
    }
    if not health.healthy:
        body["trouble"] = health.trouble
    good = health.healthy
    if request.path == HEALTHZ:
        good = good and health.node_eligible
        body["nodeEligible"] = health.node_eligible
    return answer_json(request, 200 if good else 503, body)
