from __future__ import annotations

import json

import pytest

from moorage.observe.health import Health, respond
from moorage.observe.http import Request

GET = Request("GET", "/healthz")
FRESH = "1970-01-01T00:01:00.000000Z"


def answer(request: Request, health: Health) -> tuple[int, dict[str, object]]:
    head, _, body = respond(request, health, 60.0).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_a_healthy_node() -> None:
    assert answer(GET, Health(True, 10.0)) == (200, {"lastUpdated": FRESH, "currentTime": FRESH, "nodeEligible": True})


def test_a_sick_node_says_why_and_since_when() -> None:
    was = "1970-01-01T00:00:10.000000Z"
    expected = {"lastUpdated": was, "currentTime": FRESH, "nodeEligible": True, "trouble": "it hurts"}
    assert answer(GET, Health(False, 10.0, trouble="it hurts")) == (503, expected)


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
