"""The speaker as a child of its agent: wishes go down its standard input, states come up its standard output.

It is not killed when the agent ends: it goes on for a while, until the speaker of the next agent takes over from it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import msgspec
import structlog

from moorage.announce.wish import State, Wish
from moorage.model.announcing import Group

FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0
"""Seconds until one that has ended is started again, doubling."""
STEADY = 10.0
POLL = 0.05

log = structlog.get_logger()


class SpeakerChild:
    """Runs from `start` until `let_go` or `end`. `news` is set when `state` is another one."""

    def __init__(self, group: Group, name: str) -> None:
        self._group = group
        self._name = name
        self.state = State()
        self.news = asyncio.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._said = b""
        self._unsent = b""
        self._watching: asyncio.Task[None] | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether it is started again where it does not run."""
        return self._watching is not None

    @property
    def runs(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self.runs else None

    def start(self) -> None:
        """Once. It is started again where it ends by itself, or could not be started."""
        if self._watching is None:
            self._try()
            self._watching = asyncio.create_task(self._keep_running(), name="speaker")

    def say(self, wish: Wish) -> None:
        """What does not go into the pipe at once goes with the next wish. One that does not run is told later."""
        if self._child is None or self._child.stdin is None or self._child.stdin.closed:
            return
        self._unsent = self._unsent or msgspec.json.encode(wish) + b"\n"
        with suppress(BlockingIOError, BrokenPipeError):
            self._unsent = self._unsent[os.write(self._child.stdin.fileno(), self._unsent) :]

    async def end(self, wish: Callable[[], Wish], seconds: float) -> None:
        """Hands over and ends; killed where that takes longer. `wish` is asked what to say meanwhile."""
        self._forget()
        child = self._child
        if child is None:
            return
        self._unsent = b""
        limit = asyncio.get_running_loop().time() + seconds
        while child.poll() is None and asyncio.get_running_loop().time() < limit:
            self.say(wish())
            await asyncio.sleep(POLL)
        if child.poll() is None:
            child.kill()
        child.wait()
        self._close(child)
        self.state = State()

    def let_go(self) -> None:
        """It goes on alone."""
        self._forget()
        if self._child is not None:
            self._close(self._child)

    def _forget(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _try(self) -> None:
        """A machine that has no memory or no process left for the moment ends no agent."""
        try:
            self._spawn()
        except OSError as error:
            log.error("the speaker cannot be started", error=str(error))

    def _spawn(self) -> None:
        command = [sys.executable, "-m", "moorage.run.speaker", self._group.word, self._name]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True)
        assert self._child.stdout is not None
        assert self._child.stdin is not None
        os.set_blocking(self._child.stdin.fileno(), False)
        os.set_blocking(self._child.stdout.fileno(), False)
        self._said = self._unsent = b""
        asyncio.get_running_loop().add_reader(self._child.stdout.fileno(), self._hear, self._child)

    def _close(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        assert child.stdin is not None
        if not child.stdout.closed:
            asyncio.get_running_loop().remove_reader(child.stdout.fileno())
            child.stdout.close()
            with suppress(BrokenPipeError):
                child.stdin.close()

    def _hear(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        try:
            data = os.read(child.stdout.fileno(), 1 << 20)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(child.stdout.fileno())
        *lines, self._said = (self._said + data).split(b"\n")
        if lines:
            self.state = msgspec.json.decode(lines[-1], type=State)
            self.news.set()

    async def _keep_running(self) -> None:
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE
        while True:
            since, child = loop.time(), self._child
            while child is not None and child.poll() is None:  # noqa: ASYNC110
                await asyncio.sleep(POLL)
            if child is not None:
                self._close(child)
                self._child = None
            self.state = State()
            self.news.set()
            pause = FIRST_PAUSE if loop.time() > since + STEADY else pause
            exit_code = child.returncode if child is not None else None
            log.error("the speaker does not run; it is started again", exit_code=exit_code, after_s=pause)
            await asyncio.sleep(pause)
            pause = min(LAST_PAUSE, 2 * pause)
            self._try()
