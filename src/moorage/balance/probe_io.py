"""HTTP health checks of all targets at once: each has its own task, so that one that hangs delays no other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from types import TracebackType

from moorage.balance.health import (
    Answer,
    Checks,
    HealthChange,
    HealthSettings,
    Standing,
    Target,
    TargetHealth,
    after,
    answer_of,
    checks,
    healthy,
)  # fmt: skip
from moorage.balance.targets import beat

MAX_STATUS_LINE = 1024
"""Bytes. A longer first line is no HTTP answer of ours."""
LATE = 0.05
"""Seconds. A large change of the kernel's tables keeps the process from everything else for longer."""


class NodeProber:
    """Probes the targets it follows while it is entered: `async with NodeProber() as prober`.

    `follow` says which there are, `next` waits for a change, `healthy` and `checks` are the answers at any moment.
    """

    def __init__(self, settings: HealthSettings = HealthSettings(), clock: Callable[[], float] = time.monotonic) -> None:  # noqa: B008
        self._settings = settings
        self._clock = clock
        self._states: dict[Target, TargetHealth] = {}
        self._tasks: dict[Target, asyncio.Task[None]] = {}
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

    @property
    def asked(self) -> bool:
        """Whether there is an answer for every node."""
        return all(each.standing is not Standing.UNKNOWN for each in self._states.values() if each.target.service is None)

    @property
    def checks(self) -> Checks:
        """What nodes say of Services with `externalTrafficPolicy: Local`."""
        return checks(self._states.values())

    def follow(self, wanted: AbstractSet[Target]) -> None:
        """Probes these from now on; one that is new, if only in its address, starts as unknown."""
        for target in self._states.keys() - wanted:
            self._tasks.pop(target).cancel()
            del self._states[target]
        for target in wanted - self._states.keys():
            self._states[target] = TargetHealth(target, self._clock())
            self._tasks[target] = self._group.create_task(self._probe(target), name=f"probe {target.node}")

    async def next(self) -> tuple[HealthChange, ...]:
        """Waits for one or more nodes to change."""
        changes = [await self._changes.get()]
        while not self._changes.empty():
            changes.append(self._changes.get_nowait())
        return tuple(changes)

    async def _probe(self, target: Target) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._states[target].next_probe - self._clock()))
            answer = await ask(target, self._settings.timeout)
            if answer is None:
                continue
            slower = beat(target, len(self._states))
            self._states[target], change = after(self._states[target], answer, self._clock(), self._settings, slower)
            if change is not None:
                self._changes.put_nowait(change)


async def ask(target: Target, timeout: float) -> Answer | None:
    """One probe; whatever goes wrong within `timeout` seconds is an answer. None where this process was busy with something
    else when the time was over: that says nothing of the node.
    """
    clock = asyncio.get_running_loop().time
    over = clock() + timeout
    try:
        async with asyncio.timeout(timeout):
            return answer_of(await _status_line(target))
    except TimeoutError:
        if clock() > over + LATE:
            return None
        return Answer(False, f"no answer within {timeout:g} s")
    except OSError as error:
        return Answer(False, os.strerror(error.errno) if error.errno else str(error))
    except ValueError:
        return Answer(False, "the answer is not HTTP")


async def _status_line(target: Target) -> bytes:
    address = target.address
    reader, writer = await asyncio.open_connection(str(address), target.port, limit=MAX_STATUS_LINE)
    try:
        host = f"[{address}]" if address.version == 6 else str(address)
        request = (
            f"GET {target.path} HTTP/1.1\r\nHost: {host}:{target.port}\r\nUser-Agent: moorage\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode("ascii"))
        return await reader.readline()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
