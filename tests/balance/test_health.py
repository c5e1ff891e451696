from __future__ import annotations

import msgspec
import pytest

from moorage.balance.health import (
    Answer,
    HealthChange,
    HealthSettings,
    Standing,
    Target,
    TargetHealth,
    after,
    answer_of,
    checks,
    healthy,
)
from moorage.model.meta import Key
from moorage.model.reason import Reason
from tests.table.objects import ip

SETTINGS = HealthSettings(interval=1.0, fall=2, rise=2)
OK, BAD = Answer(True, "HTTP 200"), Answer(False, "HTTP 503")
HERE = Target("node-1", ip("192.168.0.1"), 10256, "/livez")
NEW = TargetHealth(HERE, 100.0)
WEB = Key("default", "web")
HEALTHY = msgspec.structs.replace(NEW, standing=Standing.HEALTHY)
UNHEALTHY = msgspec.structs.replace(NEW, standing=Standing.UNHEALTHY)


def run(state: TargetHealth, answers: str) -> tuple[Standing, list[tuple[int, Reason]]]:
    """`answers` is one letter for each probe: + success, - failure. The changes come with the number of the answer."""
    changes = []
    for index, letter in enumerate(answers):
        state, change = after(state, OK if letter == "+" else BAD, state.next_probe, SETTINGS)
        if change is not None:
            changes.append((index, change.reason))
    return state.standing, changes


@pytest.mark.parametrize(
    ("start", "answers", "standing", "changes"),
    [
        (NEW, "", Standing.UNKNOWN, []),
        (NEW, "+", Standing.HEALTHY, [(0, Reason.NODE_HEALTHY)]),
        (NEW, "-", Standing.UNKNOWN, []),
        (NEW, "-+", Standing.HEALTHY, [(1, Reason.NODE_HEALTHY)]),
        (NEW, "--", Standing.UNHEALTHY, [(1, Reason.NODE_UNHEALTHY)]),
        (NEW, "--+", Standing.UNHEALTHY, [(1, Reason.NODE_UNHEALTHY)]),
        (HEALTHY, "-+-+-", Standing.HEALTHY, []),
        (HEALTHY, "+-+--", Standing.UNHEALTHY, [(4, Reason.NODE_UNHEALTHY)]),
        (UNHEALTHY, "+-+-", Standing.UNHEALTHY, []),
        (UNHEALTHY, "-++", Standing.HEALTHY, [(2, Reason.NODE_HEALTHY)]),
        (HEALTHY, "--++", Standing.HEALTHY, [(1, Reason.NODE_UNHEALTHY), (3, Reason.NODE_HEALTHY)]),
    ],
)
def test_thresholds(start: TargetHealth, answers: str, standing: Standing, changes: list[tuple[int, Reason]]) -> None:
    assert run(start, answers) == (standing, changes)


def test_a_change_carries_the_deciding_answer() -> None:
    assert after(NEW, OK, 100.0, SETTINGS)[1] == HealthChange("node-1", Reason.NODE_HEALTHY, "HTTP 200")


def test_probes_keep_their_beat_and_do_not_pile_up() -> None:
    assert after(NEW, OK, 100.3, SETTINGS)[0].next_probe == 101.0
    assert after(NEW, BAD, 105.0, SETTINGS)[0].next_probe == 105.0
    assert after(HEALTHY, OK, 100.3, SETTINGS)[0].next_probe == 101.0
    assert after(HEALTHY, OK, 100.3, SETTINGS, beat=5.0)[0].next_probe == 105.0


def test_only_healthy_nodes_are_used() -> None:
    states = [HEALTHY, at("node-2", UNHEALTHY), at("node-3", NEW), at("node-4", HEALTHY, WEB)]
    assert healthy(states) == {"node-1"}


def test_what_nodes_say_of_a_service() -> None:
    states = [HEALTHY, at("node-1", HEALTHY, WEB), at("node-2", UNHEALTHY, WEB), at("node-2", NEW, Key("default", "api"))]
    assert checks(states) == {
        WEB: {"node-1": Standing.HEALTHY, "node-2": Standing.UNHEALTHY},
        Key("default", "api"): {"node-2": Standing.UNKNOWN},
    }
    assert after(at("node-1", NEW, WEB), OK, 100.0, SETTINGS)[1] == HealthChange("node-1", Reason.NODE_HEALTHY, "HTTP 200", WEB)


def at(node: str, like: TargetHealth, service: Key | None = None) -> TargetHealth:
    return msgspec.structs.replace(like, target=msgspec.structs.replace(HERE, node=node, service=service))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n", Answer(True, "HTTP 200")),
        (b"HTTP/1.0 204\r\n", Answer(True, "HTTP 204")),
        (b"HTTP/1.1 503 Service Unavailable\r\n", Answer(False, "HTTP 503")),
        (b"HTTP/1.1 301 Moved\r\n", Answer(False, "HTTP 301")),
        (b"HTTP/1.1 2000 Odd\r\n", Answer(False, "HTTP 2000")),
        (b"SSH-2.0-OpenSSH_9\r\n", Answer(False, "the answer is not HTTP")),
        (b"HTTP/1.1 ok\r\n", Answer(False, "the answer is not HTTP")),
        (b"", Answer(False, "the connection was closed without an answer")),
    ],
)
def test_what_counts_as_an_answer(line: bytes, expected: Answer) -> None:
    assert answer_of(line) == expected
