"""Head of an HTTP request -> `Request`; code and body -> the whole response. One request a connection, GET and HEAD.

Source: RFC 9112 3 and 5 for the head.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec

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


def answer_json(request: Request, code: int, body: Mapping[str, object], fields: str = "", indent: str | None = None) -> bytes:
    """As `answer`. `fields` are header lines, each with its CRLF."""
    return answer(request, code, "application/json", json.dumps(body, indent=indent), fields)


def answer(request: Request, code: int, content_type: str, body: str, fields: str = "") -> bytes:
    """The response to GET, its head to HEAD, and 405 to any other method."""
    if request.method not in ("GET", "HEAD"):
        return refuse(405, "Allow: GET, HEAD\r\n")
    return _response(code, content_type, body, fields, head_only=request.method == "HEAD")


def refuse(code: int, fields: str = "") -> bytes:
    """A response that says no, in words."""
    return _response(code, "text/plain; charset=utf-8", f"{_PHRASES[code]}\n", fields)


def _response(code: int, content_type: str, body: str, fields: str = "", head_only: bool = False) -> bytes:
    data = body.encode()
    head = (
        f"HTTP/1.1 {code} {_PHRASES[code]}\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n"
        f"X-Content-Type-Options: nosniff\r\n{fields}Connection: close\r\n\r\n"
    ).encode()
    return head if head_only else head + data
