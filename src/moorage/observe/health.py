"""Head of an HTTP request + how the agent is -> the response. What load balancers and kubelets ask a node for.

Source: kube-proxy `pkg/proxy/healthcheck/proxy_health.go` for paths, codes and bodies; RFC 9112 3 and 5 for the head.
"""

from __future__ import annotations

import json
import re

import msgspec

from moorage.model.clock import micro_timestamp

HEALTHZ = "/healthz"
"""Whether to send traffic to this node: what cloud load balancers ask."""

LIVEZ = "/livez"
"""Whether the agent works, eligible node or not: what its own liveness probe asks."""

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}

_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP/1\.([01])")
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*)")


class Health(msgspec.Struct, frozen=True):
    """`healthy`: the kernel holds the newest table. `last_updated` is when that was last so, in seconds since the epoch.

    `node_eligible` is false for a node that should get no new connections, because it is going away (KEP-3836).
    """

    healthy: bool
    last_updated: float = 0.0
    node_eligible: bool = True


class Request(msgspec.Struct, frozen=True):
    method: str
    path: str


def parse_head(head: bytes) -> Request | None:
    """The request in a head (up to and without the empty line), or None where it is none: answer 400."""
    first, *fields = head.split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    names = [match[1].lower() if (match := _FIELD_LINE.fullmatch(field)) else None for field in fields]
    if line is None or None in names:
        return None
    if line[3] == b"1" and names.count(b"host") != 1:
        return None
    return Request(line[1].decode(), line[2].decode().partition("?")[0])


def respond(request: Request, health: Health, now: float) -> bytes:
    """The whole response; `now` is in seconds since the epoch."""
    if request.path not in (HEALTHZ, LIVEZ):
        return refuse(404)
    if request.method not in ("GET", "HEAD"):
        return refuse(405, "Allow: GET, HEAD\r\n")
    body: dict[str, object] = {
        # kube-proxy: a healthy agent is as fresh as the question, whether or not there was anything to do.
        "lastUpdated": micro_timestamp(now if health.healthy else health.last_updated),
        "currentTime": micro_timestamp(now),
    }
    good = health.healthy
    if request.path == HEALTHZ:
        good = good and health.node_eligible
        body["nodeEligible"] = health.node_eligible
    return _response(200 if good else 503, "application/json", json.dumps(body), head_only=request.method == "HEAD")


def refuse(code: int, fields: str = "") -> bytes:
    """A response that says no, in words."""
    return _response(code, "text/plain; charset=utf-8", f"{_PHRASES[code]}\n", fields)


def _response(code: int, content_type: str, body: str, fields: str = "", head_only: bool = False) -> bytes:
    head = (
        f"HTTP/1.1 {code} {_PHRASES[code]}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        f"X-Content-Type-Options: nosniff\r\n{fields}Connection: close\r\n\r\n"
    )
    return (head if head_only else head + body).encode()
