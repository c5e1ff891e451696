from __future__ import annotations

import pytest

from moorage.model.meta import Key
from moorage.model.reason import Reason
from moorage.observe.http import Request, refuse
from moorage.observe.service_health import NotServed, owners, respond
from moorage.table.types import LocalCheck

WEB, API, DB = Key("default", "web"), Key("default", "api"), Key("prod", "db")
GET = Request("GET", "/")


def expected(status: str, endpoints: int, healthy: str) -> bytes:
    body = (
        '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n'
        f'\t"localEndpoints": {endpoints},\n\t"serviceProxyHealthy": {healthy}\n}}'
    )
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Content-Type-Options: nosniff\r\nX-Load-Balancing-Endpoint-Weight: {endpoints}\r\nConnection: close\r\n\r\n"
    )
    return (head + body).encode()


@pytest.mark.parametrize(
    ("endpoints", "healthy", "status"),
    [
        (2, True, "200 OK"),
        (0, True, "503 Service Unavailable"),
        (2, False, "503 Service Unavailable"),
        (0, False, "503 Service Unavailable"),
    ],
)
def test_a_node_is_good_with_endpoints_and_a_healthy_agent(endpoints: int, healthy: bool, status: str) -> None:
    answer = respond(WEB, LocalCheck(32000, endpoints), healthy, GET)
    assert answer == expected(status, endpoints, "true" if healthy else "false")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/anything/at/all", "*", "http://node-1/"])
def test_the_path_does_not_matter(path: str) -> None:
    assert respond(WEB, LocalCheck(32000, 1), True, Request("GET", path)) == expected("200 OK", 1, "true")


def test_head_gets_the_same_head() -> None:
    whole = respond(WEB, LocalCheck(32000, 3), True, GET)
    assert respond(WEB, LocalCheck(32000, 3), True, Request("HEAD", "/")) == whole[: whole.index(b"{")]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_other_methods_are_refused(method: str) -> None:
    assert respond(WEB, LocalCheck(32000, 1), True, Request(method, "/")) == refuse(405, "Allow: GET, HEAD\r\n")


def test_each_service_has_its_port() -> None:
    wanted = {WEB: LocalCheck(32000, 1), API: LocalCheck(32001, 1)}
    assert owners(wanted, {}) == ({32000: WEB, 32001: API}, ())


def test_a_port_wanted_twice_goes_to_the_first_by_name_whatever_the_order() -> None:
    lost = NotServed(WEB, 32000, "port 32000 is already the healthCheckNodePort of Service default/api")
    check = LocalCheck(32000, 1)
    for wanted in ({WEB: check, API: check}, {API: check, WEB: check}):
        assert owners(wanted, {}) == ({32000: API}, (lost,))
    assert lost.reason is Reason.FAILED_TO_START_SERVICE_HEALTHCHECK


def test_a_port_stays_with_the_service_that_has_it() -> None:
    check = LocalCheck(32000, 1)
    found, without = owners({WEB: check, API: check, DB: check}, {32000: WEB})
    assert found == {32000: WEB}
    assert [each.service for each in without] == [API, DB]
    assert owners({DB: check}, {32000: WEB}) == ({32000: DB}, ())
    moved = {WEB: LocalCheck(32001, 1), API: check}
    assert owners(moved, {32000: WEB}) == ({32001: WEB, 32000: API}, ())


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_what_is_no_port_is_told(port: int) -> None:
    lost = NotServed(WEB, port, f"spec.healthCheckNodePort: {port} is no port")
    assert owners({WEB: LocalCheck(port, 1), API: LocalCheck(32000, 1)}, {}) == ({32000: API}, (lost,))
