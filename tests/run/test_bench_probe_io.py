"""The program that asks Services, on loopback: who is silent, who answers, and who stops answering."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator

from moorage.run.bench_probe_io import PATIENCE, Outcome, Target
from moorage.run.bench_program import Program, program

COMMAND = (sys.executable, "-m", "moorage.run.bench_probe_io")
WORD = 10.0


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"PEER 127.0.0.1")
    writer.close()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@contextlib.asynccontextmanager
async def asking(*ports: int, backend: str = "127.0.0.1") -> AsyncIterator[Program]:
    targets = [Target("127.0.0.1", each, frozenset([backend])) for each in ports]
    async with program("the probe", COMMAND, targets) as running:
        await running.hear("asking", WORD)
        yield running


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def test_a_target_is_silent_until_it_answers() -> None:
    async def story() -> None:
        early = await asyncio.start_server(answer, "127.0.0.1", 0)
        reserved = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = port_of(reserved)
        reserved.close()
        await reserved.wait_closed()
        begun = time.monotonic()
        async with asking(port_of(early), port) as running:
            await asyncio.sleep(0.3)
            late = await asyncio.start_server(answer, "127.0.0.1", port)
            opened = time.monotonic()
            await running.hear("answered", WORD)
            await asyncio.sleep(0.4)
            first, second = await running.figures(list[Outcome], WORD)
        assert first.first is not None
        assert second.first is not None
        assert begun < first.first < opened < second.first < opened + 1.0
        assert first.answered > 2
        assert (first.failed, second.failed) == (0, 0), "what comes before the first answer is not counted"
        assert first.gap < PATIENCE
        early.close()
        late.close()

    asyncio.run(story())


def test_one_that_stops_answering_is_noticed() -> None:
    async def story() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = port_of(server)
        async with asking(port) as running:
            await running.hear("answered", WORD)
            server.close()
            await server.wait_closed()
            server = await asyncio.start_server(hang, "127.0.0.1", port)
            await asyncio.sleep(2 * PATIENCE + 0.3)
            (outcome,) = await running.figures(list[Outcome], WORD)
        assert outcome.failed >= 1
        assert outcome.gap > PATIENCE
        server.close()

    asyncio.run(story())


def test_an_answer_from_elsewhere_is_none() -> None:
    async def story() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with asking(port_of(server), backend="10.0.0.1") as running:
            await asyncio.sleep(0.2)
            (outcome,) = await running.figures(list[Outcome], WORD)
        assert outcome == Outcome()
        server.close()

    asyncio.run(story())
