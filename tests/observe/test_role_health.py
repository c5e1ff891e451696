from __future__ import annotations

import json

import pytest

from moorage.observe.http import Request
from moorage.observe.role_health import RoleHealth, respond

LEADS = RoleHealth(healthy=True, ready=True, leads=True, elects=True, identity="a", leader="a", transitions=3)
WAITS = RoleHealth(healthy=True, ready=True, leads=False, elects=True, identity="b", leader="a")


def code(path: str, health: RoleHealth) -> int:
    return int(respond(Request("GET", path), health).split()[1])


@pytest.mark.parametrize(
    ("health", "healthz", "readyz"),
    [
        (LEADS, 200, 200),
        (WAITS, 200, 200),
        (RoleHealth(healthy=True, ready=False), 200, 503),
        (RoleHealth(healthy=False, ready=True), 503, 503),
    ],
)
def test_what_probes_are_told(health: RoleHealth, healthz: int, readyz: int) -> None:
    assert (code("/healthz", health), code("/livez", health), code("/readyz", health)) == (healthz, healthz, readyz)


def test_who_leads_is_in_the_body() -> None:
    body = json.loads(respond(Request("GET", "/healthz"), WAITS).partition(b"\r\n\r\n")[2])
    assert (body["leads"], body["identity"], body["leader"]) == (False, "b", "a")


def test_metrics() -> None:
    text = respond(Request("GET", "/metrics"), LEADS).partition(b"\r\n\r\n")[2].decode()
    values = dict(line.split(" ") for line in text.splitlines() if not line.startswith("#"))
    assert values == {
        "moorage_controller_leader": "1",
        "moorage_controller_ready": "1",
        "moorage_controller_leader_changes": "3",
    }
    assert text.count("# TYPE ") == text.count("# HELP ") == 3


def test_other_paths() -> None:
    assert code("/", LEADS) == 404
