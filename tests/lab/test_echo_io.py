import json
import signal
import socket
import subprocess

import pytest

from moorage.lab.echo_io import Conversation, Identity, port_of
from moorage.lab.launch import ECHO


def identity() -> Identity:
    return Identity({"POD_NAME": "web-1", "NODE_NAME": "node-1"})


def talk(*parts: bytes, who: Identity | None = None) -> tuple[bytes, bool]:
    """What a client at 192.0.2.7 gets that sends `parts`, and whether the connection ends."""
    conversation = Conversation(who or identity(), "192.0.2.7")
    return b"".join(conversation.receive(part) for part in parts), conversation.closing


def get(path: str, method: str = "GET", headers: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


def test_an_http_request_is_answered_with_who_answers_and_who_asked() -> None:
    answer, closing = talk(get("/a?b=c"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {
        "pod": "web-1",
        "node": "node-1",
        "client": "192.0.2.7",
        "method": "GET",
        "path": "/a?b=c",
        "ready": True,
    }
    assert not closing


def test_a_request_in_pieces_and_two_at_once() -> None:
    request = get("/one")
    answer, _ = talk(*(request[n : n + 1] for n in range(len(request))), get("/two") + get("/three"))
    assert answer.count(b"HTTP/1.1 200") == 3


def test_the_connection_ends_where_it_is_asked_to() -> None:
    assert talk(get("/", headers="Connection: close\r\n"))[1]
    assert talk(b"GET / HTTP/1.0\r\n\r\n")[1]
    assert not talk(get("/", headers="Connection: keep-alive\r\n"))[1]


def test_a_body_belongs_to_its_request() -> None:
    answer, _ = talk(get("/", "POST", "Content-Length: 4\r\n"), b"GE", b"T ", get("/next"))
    assert answer.count(b"HTTP/1.1 200") == 2


def test_head_has_no_body() -> None:
    assert talk(get("/", "HEAD"))[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize("request_bytes", [get("/", headers="Content-Length: x\r\n"), b"GET / x HTTP/1.1\r\n\r\n"])
def test_what_is_no_request_is_refused(request_bytes: bytes) -> None:
    answer, closing = talk(request_bytes)
    assert answer.startswith(b"HTTP/1.1 400")
    assert closing


def test_a_line_is_echoed_with_pod_and_client() -> None:
    assert talk(b"hel", b"lo\r\nagain\nrest") == (b"web-1 192.0.2.7 hello\nweb-1 192.0.2.7 again\n", False)
    assert talk(b"GET lost\n") == (b"web-1 192.0.2.7 GET lost\n", False)


def test_endless_lines_and_requests_are_cut_off() -> None:
    assert talk(b"x" * (1 << 21)) == (b"", True)
    answer, closing = talk(get("/", "POST", f"Content-Length: {1 << 22}\r\n"), b"x" * (1 << 21))
    assert answer.startswith(b"HTTP/1.1 413")
    assert closing


def test_readiness_is_switched_from_outside() -> None:
    who = identity()
    codes = [talk(get(path, method), who=who)[0][9:12] for path, method in (
        ("/ready", "GET"), ("/unready", "POST"), ("/ready", "GET"), ("/healthz", "GET"), ("/ready", "POST"), ("/ready", "GET"),
    )]  # fmt: skip
    assert codes == [b"200", b"200", b"503", b"200", b"200", b"200"]


def test_exit_is_answered_before_it_happens() -> None:
    who = identity()
    answer, closing = talk(get("/exit?code=3", "POST"), who=who)
    assert answer.startswith(b"HTTP/1.1 200")
    assert closing
    assert who.exit_code == 3
    other = identity()
    talk(get("/exit", "POST"), who=other)
    talk(get("/exit"), who=who)
    assert other.exit_code == 1


def test_the_port_comes_from_the_arguments_or_the_environment() -> None:
    assert port_of([], {}) == 8080
    assert port_of([], {"PORT": "81"}) == 81
    assert port_of(["--port", "82"], {"PORT": "81"}) == 82
    assert port_of(["--port=83"], {}) == 83
    for arguments in (["--port", "x"], ["--port", "70000"], ["--what"], ["--port"]):
        with pytest.raises(SystemExit, match="echo:"):
            port_of(arguments, {})


def test_it_serves_on_for_a_moment_after_sigterm() -> None:
    with subprocess.Popen([*ECHO, "--port", "0"], stdout=subprocess.PIPE, text=True) as echo:
        assert echo.stdout is not None
        port = int(echo.stdout.readline().split()[-1])
        echo.send_signal(signal.SIGTERM)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"still there?\n")
            assert connection.recv(1000).endswith(b"still there?\n")
        assert echo.wait(5) == 0
