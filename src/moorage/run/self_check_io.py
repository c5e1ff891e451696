"""Asks the agent's own frontend through the node's own rules, again and again: see `table.self_check` for the place.

    standing = Standing(forwarder, say)
    tasks.create_task(standing.run())
    standing.health()                    for /healthz and /livez
    standing.healthy                     may this node announce addresses?
    await standing.changed()             until that is another answer

Both ends are in one thread of their own: a connection is made by the kernel alone, so that a busy event loop fails no check.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

import msgspec

from moorage.model.errors import HostError
from moorage.model.reason import Reason
from moorage.observe.health import Health
from moorage.observe.self_check import FAILURES, PERIOD, TIMEOUT, SelfCheck, after
from moorage.run.forward_io import Forwarder
from moorage.table.self_check import LISTENER, PORT, VIP

_NONCE = 16
"""Bytes of chance: whoever else answers at that place does not know them."""
_RESET = struct.pack("ii", 1, 0)
"""`SO_LINGER` with no time to linger: the connection ends with a reset."""


class Say(Protocol):
    """Tells of something that happened to the node: `run.tell_io.Teller.say`."""

    def __call__(self, reason: Reason, message: str, *, warning: bool = True) -> None: ...


class Standing:
    """Whether this node's dataplane works, and so whether the node may announce addresses. `run` finds out."""

    def __init__(self, forwarder: Forwarder, say: Say, port: int = PORT) -> None:
        self._forwarder = forwarder
        self._say = say
        self._port = port
        self._check = SelfCheck()
        self._moved = asyncio.Event()
        self._listener: socket.socket | None = None

    @property
    def healthy(self) -> bool:
        """A connection through the node's own rules was answered by this agent, and no two in a row since have failed."""
        return self._check.healthy

    async def changed(self) -> bool:
        """Waits until `healthy` is not what it is now, and returns it."""
        await self._moved.wait()
        return self.healthy

    def health(self) -> Health:
        """The forwarder's, and what came of asking."""
        health = self._forwarder.health()
        if self._check.healthy or not health.healthy:
            return health
        return msgspec.structs.replace(health, healthy=False, trouble=self._check.trouble)

    def listen(self) -> None:
        """Takes the port. Raises HostError where it is not to be had."""
        try:
            self._listener = socket.create_server((str(LISTENER), self._port), backlog=8)
        except OSError as error:
            raise HostError(
                f"port {self._port} of {LISTENER}, at which the agent checks its own rules, is not to be had "
                f"({error.strerror}): does another agent run here? Choose another port with --self-check-port"
            ) from error
        self._listener.setblocking(False)

    def close(self) -> None:
        """Gives the port back. `run` does so itself when it ends."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def run(self) -> None:
        """Until cancelled. It begins once there is a table in the kernel. Raises HostError where the port is not to be had."""
        if self._listener is None:
            self.listen()
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        try:
            await self._forwarder.first_table.wait()
            with ThreadPoolExecutor(1, "self-check") as thread:
                while True:
                    begun = loop.time()
                    self._judge(await loop.run_in_executor(thread, ask, self._listener, self._port))
                    await asyncio.sleep(max(0.0, begun + PERIOD - loop.time()))
        finally:
            self.close()

    def _judge(self, problem: str) -> None:
        before, self._check = self._check, after(self._check, problem)
        figures = self._forwarder.figures
        figures.answers, figures.checks_failed = self._check.healthy, self._check.failed
        if before.healthy != self._check.healthy:
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
        if self._check.failures == FAILURES:
            self._say(Reason.SELF_CHECK_FAILED, problem)
        elif self._check.healthy and before.failures >= FAILURES:
            self._say(Reason.SELF_CHECK_PASSED, "a connection through the node's own rules is answered again", warning=False)


def ask(listener: socket.socket, port: int, seconds: float = TIMEOUT) -> str:
    """One check: what is wrong, or an empty text. `listener` does not block. The connection ends with a reset, so that neither
    sockets nor tracked flows wait for stragglers.
    """
    place = f"{VIP}:{port}, which the node's own rules forward to this agent"
    nonce = os.urandom(_NONCE)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as asking:
        asking.settimeout(seconds)
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        try:
            asking.connect((str(VIP), port))
            heard = _exchange(listener, asking, nonce, time.monotonic() + seconds)
        except TimeoutError:
            return f"a connection to {place}, has no answer within {seconds} s"
        except OSError as error:
            return f"a connection to {place}, fails: {error.strerror}"
    return "" if heard == nonce else f"a connection to {place}, is answered by somebody else"


def _exchange(listener: socket.socket, asking: socket.socket, nonce: bytes, end: float) -> bytes:
    """What `asking` hears, while whoever comes to the listener is told the nonce. Raises TimeoutError after `end`."""
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    waiting.register(asking, select.POLLIN)
    while (left := end - time.monotonic()) > 0:
        ready = [descriptor for descriptor, _ in waiting.poll(left * 1000)]
        if asking.fileno() in ready:
            return asking.recv(_NONCE)
        if listener.fileno() in ready:
            with suppress(BlockingIOError):
                accepted, _ = listener.accept()
                with accepted:
                    accepted.send(nonce)
    raise TimeoutError
