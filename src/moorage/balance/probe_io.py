"""HTTP health checks of all nodes at once: each node has its own task, so that one that hangs delays no other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from types import TracebackType

from moorage.balance.health import Answer, HealthChange, HealthSettings, NodeHealth, after, answer_of, healthy
from moorage.model.cluster import Node
from moorage.model.net import Address
from moorage.model.snapshot import Snapshot
from moorage.table.facts import internal_addresses

MAX_STATUS_LINE = 1024
"""Bytes. A longer first line is no HTTP answer of ours."""


class NodeProber:
    """Probes the nodes it follows while it is entered: `async with NodeProber() as prober`.

    `follow` says which nodes there are, `next` waits for a change, `healthy` is the answer at any moment.
    """

    def __init__(self, settings: HealthSettings = HealthSettings(), clock: Callable[[], float] = time.monotonic) -> None:  # noqa: B008
        self._settings = settings
        self._clock = clock
        self._states: dict[str, NodeHealth] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changes: asyncio.Queue[HealthChange] = asyncio.Queue()
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> NodeProber:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    @property
    def healthy(self) -> frozenset[str]:
        """The names of the nodes to use now."""
        return healthy(self._states.values())

    def follow(self, snapshot: Snapshot) -> None:
        """Probes these Nodes from now on, at their first InternalIP; one whose address changed starts again as unknown."""
        wanted = {}
        for node in snapshot.all(Node).values():
            if addresses := internal_addresses(node):
                wanted[node.metadata.name] = addresses[0]
        for name in [name for name, state in self._states.items() if wanted.get(name) != state.address]:
            self._tasks.pop(name).cancel()
            del self._states[name]
        for name in wanted.keys() - self._states.keys():
            self._states[name] = NodeHealth(name, wanted[name], self._clock())
            self._tasks[name] = self._group.create_task(self._probe(name), name=f"probe {name}")

    async def next(self) -> tuple[HealthChange, ...]:
        """Waits for one or more nodes to change."""
        changes = [await self._changes.get()]
        while not self._changes.empty():
            changes.append(self._changes.get_nowait())
        return tuple(changes)

    async def _probe(self, name: str) -> None:
        while True:
            state = self._states[name]
            await asyncio.sleep(max(0.0, state.next_probe - self._clock()))
            answer = await ask(state.address, self._settings)
            self._states[name], change = after(state, answer, self._clock(), self._settings)
            if change is not None:
                self._changes.put_nowait(change)


async def ask(address: Address, settings: HealthSettings) -> Answer:
    """One probe; whatever goes wrong within `timeout` seconds is an answer."""
    try:
        async with asyncio.timeout(settings.timeout):
            return answer_of(await _status_line(address, settings))
    except TimeoutError:
        return Answer(False, f"no answer within {settings.timeout:g} s")
    except OSError as error:
        return Answer(False, os.strerror(error.errno) if error.errno else str(error))
    except ValueError:
        return Answer(False, "the answer is not HTTP")


async def _status_line(address: Address, settings: HealthSettings) -> bytes:
    reader, writer = await asyncio.open_connection(str(address), settings.port, limit=MAX_STATUS_LINE)
    try:
        host = f"[{address}]" if address.version == 6 else str(address)
        request = (
            f"GET {settings.path} HTTP/1.1\r\nHost: {host}:{settings.port}\r\nUser-Agent: moorage\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode("ascii"))
        return await reader.readline()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
