"""The speaker as a child: another program stands in for it."""

from __future__ import annotations

import asyncio
import subprocess
from typing import Any

import pytest
import structlog

from moorage.announce.wish import Wish
from moorage.model.announcing import EDGES
from moorage.run import speaker_child
from moorage.run.speaker_child import SpeakerChild
from tests.run.test_bgp import until

START = subprocess.Popen


class Machine:
    """Starts what is next in `plan`: seconds that a program runs, or why there is none. The last goes on."""

    def __init__(self, *plan: float | OSError) -> None:
        self.plan = list(plan)

    def start(self, _: list[str], **options: Any) -> subprocess.Popen[bytes]:
        step = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        if isinstance(step, OSError):
            raise step
        return START(["sleep", f"{step}"], **options)


FULL = BlockingIOError(11, "Resource temporarily unavailable")


@pytest.mark.parametrize("plan", [(0.0, 60.0), (FULL, 60.0), (0.0, FULL, FULL, 60.0)])
def test_it_is_started_again_whatever_stood_in_the_way(
    plan: tuple[float | OSError, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaker_child, "FIRST_PAUSE", 0.01)
    machine = Machine(*plan)
    monkeypatch.setattr(subprocess, "Popen", machine.start)

    async def story() -> None:
        child = SpeakerChild(EDGES, "a")
        child.start()
        child.say(Wish("a"))
        await until(lambda: machine.plan == [60.0] and child.runs)
        await child.end(lambda: Wish("a", leaving=True), 0.0)
        assert not child.runs

    with structlog.testing.capture_logs() as logs:
        asyncio.run(story())
    assert sum(each["event"] == "the speaker cannot be started" for each in logs) == plan.count(FULL)


def test_one_that_could_not_be_started_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", Machine(FULL).start)

    async def story() -> None:
        for end in (SpeakerChild.let_go, None):
            child = SpeakerChild(EDGES, "a")
            child.start()
            if end is None:
                await child.end(lambda: Wish("a"), 0.0)
            else:
                end(child)
            assert not child.runs

    asyncio.run(story())
