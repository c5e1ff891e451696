"""A small program of a benchmark as a child of this process: orders as one line of JSON, words and figures as lines back.

async with program("a client", command, orders) as running:
    await running.hear("ready", 10.0)
    tallies = await running.figures(list[Tally], 30.0)     its standard input is closed; its last line
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from moorage.model.errors import HostError

T = TypeVar("T")

LONGEST_LINE = 1 << 24
GRACE = 0.5
"""Seconds in which a program that has nothing more to do ends."""


class Program:
    """`what` names it in messages. Raises HostError, with its own last words, where it does not say what it should."""

    def __init__(self, what: str, process: asyncio.subprocess.Process) -> None:
        self._what = what
        self._process = process

    async def hear(self, word: str, seconds: float) -> None:
        """Returns once its next line has come, which must be this."""
        if (line := await self._line(seconds)).strip() != word.encode():
            raise await self._failure(f"did not say {word!r} but {line[:200]!r}")

    async def figures(self, type_: type[T], seconds: float) -> T:
        """Its next line, as JSON of that type. It hears that nothing more will be ordered: its standard input ends."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        line = await self._line(seconds)
        try:
            return msgspec.json.decode(line, type=type_)
        except msgspec.DecodeError as error:
            raise await self._failure(f"gave no figures: {error}") from error

    async def _line(self, seconds: float) -> bytes:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                return await self._process.stdout.readline()
        except TimeoutError as error:
            raise HostError(f"{self._what} said nothing within {seconds:.0f} s") from error

    async def _failure(self, why: str) -> HostError:
        assert self._process.stderr is not None
        await end(self._process)
        last = (await self._process.stderr.read()).decode(errors="replace").strip().splitlines()[-1:]
        return HostError(f"{self._what} {why} (exit status {self._process.returncode}): {''.join(last)}")


@asynccontextmanager
async def program(what: str, command: Sequence[str], orders: object) -> AsyncIterator[Program]:
    """Runs until the end of the block. Its Ctrl-C is this process's: it has a session of its own, and is killed in the end."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=LONGEST_LINE,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(orders) + b"\n")
        yield Program(what, process)
    finally:
        await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """Most end by themselves when their standard input does. To kill one that is just ending is a race with asyncio, which
    loses its exit status then.
    """
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
