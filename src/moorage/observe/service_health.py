"""A Service with a `healthCheckNodePort`, its endpoints on this node, a request -> the response; and who answers at which port.

Source: kube-proxy `pkg/proxy/healthcheck/service_health.go` for codes, fields, body and that the path does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.model.meta import Key
from moorage.model.reason import Reason
from moorage.observe.http import Request, answer_json
from moorage.table.types import LocalCheck

PORTS = range(1, 65536)


class NotServed(msgspec.Struct, frozen=True):
    """A Service whose health check nobody answers on this node; `message` is a sentence for people."""

    service: Key
    port: int
    message: str
    reason: Reason = Reason.FAILED_TO_START_SERVICE_HEALTHCHECK


def respond(service: Key, check: LocalCheck, agent_healthy: bool, request: Request) -> bytes:
    """200 where a load balancer may send the Service's connections to this node, else 503; the body says why."""
    good = check.endpoints > 0 and agent_healthy
    body = {
        "service": {"namespace": service.namespace, "name": service.name},
        "localEndpoints": check.endpoints,
        "serviceProxyHealthy": agent_healthy,
    }
    weight = f"X-Load-Balancing-Endpoint-Weight: {check.endpoints}\r\n"
    return answer_json(request, 200 if good else 503, body, weight, indent="\t")


def owners(wanted: Mapping[Key, LocalCheck], before: Mapping[int, Key]) -> tuple[dict[int, Key], tuple[NotServed, ...]]:
    """Port -> the Service that it belongs to, and the Services that get none.

    A port that several want stays with the one that had it `before`; otherwise it goes to the first by namespace and name.
    """
    found = {port: key for port, key in before.items() if (check := wanted.get(key)) is not None and check.port == port}
    without = []
    for key in sorted(wanted):
        port = wanted[key].port
        owner = found.setdefault(port, key) if port in PORTS else None
        if owner is None:
            without.append(NotServed(key, port, f"spec.healthCheckNodePort: {port} is no port"))
        elif owner != key:
            without.append(NotServed(key, port, f"port {port} is already the healthCheckNodePort of Service {owner}"))
    return found, tuple(without)
