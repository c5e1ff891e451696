from __future__ import annotations

import json

import pytest

from moorage.observe.health import Health, Request, parse_head, respond

GET = Request("GET", "/healthz")
FRESH = "1970-01-01T00:01:00.000000Z"


def answer(request: Request, health: Health) -> tuple[int, dict[str, object]]:
    head, _, body = respond(request, health, 60.0).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_a_healthy_node() -> None:
    assert answer(GET, Health(True, 10.0)) == (200, {"lastUpdated": FRESH, "currentTime": FRESH, "nodeEligible": True})


def test_a_sick_node_says_since_when() -> None:
    was = "1970-01-01T00:00:10.000000Z"
    assert answer(GET, Health(False, 10.0)) == (503, {"lastUpdated": was, "currentTime": FRESH, "nodeEligible": True})


def test_a_node_that_is_going_away_is_alive_but_gets_no_traffic() -> None:
    leaving = Health(True, 10.0, node_eligible=False)
    assert answer(GET, leaving) == (503, {"lastUpdated": FRESH, "currentTime": FRESH, "nodeEligible": False})
    assert answer(Request("GET", "/livez"), leaving) == (200, {"lastUpdated": FRESH, "currentTime": FRESH})


def test_head_gets_no_body() -> None:
    head, _, body = respond(Request("HEAD", "/livez"), Health(True), 60.0).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b""
    assert b"Content-Length: 0" not in head


@pytest.mark.parametrize(("method", "path", "code"), [("GET", "/", 404), ("GET", "/healthz/", 404), ("POST", "/healthz", 405)])
def test_other_questions_are_refused(method: str, path: str, code: int) -> None:
    assert respond(Request(method, path), Health(True), 60.0).startswith(f"HTTP/1.1 {code} ".encode())


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
