from __future__ import annotations

import pytest

from moorage.observe.http import Request, answer_json, parse_head, refuse

GET = Request("GET", "/healthz")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: a",
        b"GET /healthz?verbose HTTP/1.1\r\nhost:a\r\nX: \xe4\r\nY:",
        b"GET /healthz HTTP/1.0",
    ],
)
def test_a_good_head(head: bytes) -> None:
    assert parse_head(head) == GET


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x16\x03\x01",
        b"GET /healthz",
        b"GET  /healthz HTTP/1.1\r\nHost: a",
        b"GET /healthz HTTP/2.0\r\nHost: a",
        b"GET /healthz HTTP/1.1",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b",
        b"GET /healthz HTTP/1.1\r\nHost : a",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n folded",
        b"GET /healthz HTTP/1.1\r\nHost: a\x00",
        b"GET /healthz HTTP/1.1\nHost: a",
    ],
)
def test_a_bad_head(head: bytes) -> None:
    assert parse_head(head) is None


def test_an_answer_in_bytes() -> None:
    head = (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 8\r\n"
        b"X-Content-Type-Options: nosniff\r\nX: y\r\nConnection: close\r\n\r\n"
    )
    assert answer_json(GET, 503, {"n": 1}, "X: y\r\n") == head + b'{"n": 1}'
    assert answer_json(Request("HEAD", "/"), 503, {"n": 1}, "X: y\r\n") == head


def test_a_refusal_in_bytes() -> None:
    assert answer_json(Request("POST", "/"), 200, {"n": 1}) == refuse(405, "Allow: GET, HEAD\r\n")
    assert refuse(405, "Allow: GET, HEAD\r\n") == (
        b"HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 19\r\n"
        b"X-Content-Type-Options: nosniff\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\nMethod Not Allowed\n"
    )
