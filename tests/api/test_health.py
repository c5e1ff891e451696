"""Checks of health, in the words of apiserver `server/healthz/healthz.go`."""

from __future__ import annotations

import pytest

from moorage.api.health import Health

BROKEN = {"store": lambda: "the disk is full"}
FINE = {"store": lambda: ""}


def told(health: Health, path: str, **query: str) -> tuple[int, str]:
    response = health.answer(path, query)
    assert response is not None
    return response.status, b"".join(response.body).decode()


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/readyz/store", "/livez/ping"])
def test_well(path: str) -> None:
    assert told(Health(FINE, lambda: False), path) == (200, "ok")


def test_verbose() -> None:
    health = Health(FINE, lambda: False)
    assert told(health, "/readyz", verbose="") == (200, "[+]ping ok\n[+]store ok\n[+]shutdown ok\nreadyz check passed\n")
    assert told(health, "/livez", verbose="") == (200, "[+]ping ok\n[+]store ok\nlivez check passed\n")


def test_unwell() -> None:
    health = Health(BROKEN, lambda: False)
    assert told(health, "/livez") == (500, "[+]ping ok\n[-]store failed: the disk is full\nlivez check failed\n")
    assert told(health, "/livez/store") == (500, "internal server error: the disk is full\n")
    assert told(health, "/livez", exclude="store", verbose="")[1].splitlines()[1] == "[+]store excluded: ok"
    assert told(health, "/livez", exclude="store") == (200, "ok")


def test_a_server_that_ends_is_alive_and_not_ready() -> None:
    health = Health(FINE, lambda: True)
    assert told(health, "/livez") == (200, "ok")
    assert told(health, "/readyz")[0] == 500


@pytest.mark.parametrize("path", ["/readyz/nothing", "/ready", "/readyzz", "/"])
def test_other_paths(path: str) -> None:
    assert Health(FINE, lambda: False).answer(path, {}) is None
