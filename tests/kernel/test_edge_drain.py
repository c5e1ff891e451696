"""An edge that is told to end serves on for a while, and says at /healthz that it goes."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage.model.net import Family
from tests.kernel.agents import EDGE, Agent
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.topology import Namespace

pytestmark = [pytest.mark.kernel, needs_root]


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(unique_instance("drain"))
    yield made
    made.close()


def eligible(namespace: Namespace) -> bool | None:
    """What /healthz says of new connections; None where nobody answers."""
    try:
        with namespace.open_socket(Family.IPV4, socket.SOCK_STREAM, timeout=1) as asking:
            asking.connect(("127.0.0.1", 10256))
            asking.sendall(b"GET /healthz HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := asking.recv(4096):
                answer += part
    except OSError:
        return None
    found: bool = json.loads(answer.partition(b"\r\n\r\n")[2])["nodeEligible"]
    return found


def becomes(namespace: Namespace, wanted: bool | None, seconds: float = 20) -> bool:
    limit = time.monotonic() + seconds
    while eligible(namespace) is not wanted:
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


def test_it_goes_on_for_the_time_that_it_is_given(namespace: Namespace, tmp_path: Path) -> None:
    agent = Agent(namespace.name, tmp_path, (*EDGE, "--drain", "1.5", "--run-dir", str(tmp_path)))
    try:
        assert becomes(namespace, True), agent.said
        told = time.monotonic()
        agent.signal(signal.SIGTERM)
        assert becomes(namespace, False, 1.4), agent.said
        status, said = agent.ended()
        assert (status, time.monotonic() - told >= 1.5) == (0, True), said
    finally:
        agent.stop()


def test_a_second_signal_ends_it_at_once(namespace: Namespace, tmp_path: Path) -> None:
    agent = Agent(namespace.name, tmp_path, (*EDGE, "--drain", "60", "--run-dir", str(tmp_path)))
    try:
        assert becomes(namespace, True), agent.said
        agent.signal(signal.SIGTERM)
        assert becomes(namespace, False), agent.said
        agent.signal(signal.SIGTERM)
        assert agent.ended()[0] == 0
    finally:
        agent.stop()
