"""One ExaBGP process, which keeps one BGP session: started, told what to announce, watched.

A process for each session: a change of one peer, or a crash, touches no other session.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from moorage.announce import exabgp
from moorage.announce.bgp_peers import Session
from moorage.announce.child_io import Child
from moorage.announce.private_io import PrivateDirectory
from moorage.model.errors import HostError
from moorage.model.net import Address

COMMAND_SECONDS = 10.0
"""A process that leaves a command unanswered for longer is stuck."""
_LONGEST_LINE = 1 << 20

log = structlog.get_logger()


class ExaBGP:
    """`told` hears what the process tells, in order. Its files, one with the password, are in a private directory."""

    def __init__(self, session: Session, source: Address, told: Callable[[exabgp.Told], None]) -> None:
        self._session = session
        self._source = source
        self._told = told
        self._directory = PrivateDirectory("moorage-exabgp-")
        self._waiting: deque[tuple[str, float]] = deque()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = contextlib.ExitStack()
        self._commands: asyncio.WriteTransport | None = None
        self._child: Child | None = None
        self._closing.callback(self._directory.close)

    @property
    def source(self) -> Address:
        return self._source

    @property
    def pid(self) -> int:
        return self._child.pid if self._child else 0

    @property
    def last_words(self) -> str:
        return exabgp.complaint(self._child.last_words) if self._child else ""

    async def start(self) -> None:
        """Raises HostError."""
        commands, events, file = (self._directory.path / name for name in ("commands", "events", "configuration"))
        try:
            for each in (commands, events):
                os.mkfifo(each, 0o600)
            file.touch(0o600)
            file.write_text(exabgp.configuration(self._session, self._source, str(commands), str(events)))
            reader = await self._open(commands, events)
        except OSError as error:
            raise HostError(f"cannot prepare ExaBGP in {self._directory.path}: {error.strerror}") from error
        command = (sys.executable, "-m", "exabgp", str(file))
        self._child = await Child.start("exabgp", command, exabgp.ENVIRONMENT)
        self._tasks.append(asyncio.create_task(self._listen(reader, file), name="exabgp events"))

    async def _open(self, commands: Path, events: Path) -> asyncio.StreamReader:
        """No end is ever without its other end: opening waits for nobody, and a process that ends closes nothing."""
        loop = asyncio.get_running_loop()
        other_end = os.open(commands, os.O_RDONLY | os.O_NONBLOCK)
        self._closing.callback(os.close, other_end)
        ours = os.fdopen(os.open(commands, os.O_WRONLY | os.O_NONBLOCK), "wb", buffering=0)
        self._commands, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, ours)
        self._closing.callback(self._commands.abort)
        reader = asyncio.StreamReader(limit=_LONGEST_LINE)
        heard = os.fdopen(os.open(events, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), heard)
        self._closing.callback(transport.close)
        return reader

    def order(self, commands: Iterable[str]) -> None:
        """Writes commands; answers come later."""
        now = asyncio.get_running_loop().time()
        for each in commands:
            self._waiting.append((each, now))
            assert self._commands is not None, "an ExaBGP that was not started"
            self._commands.write(f"{each}\n".encode())

    @property
    def stuck(self) -> bool:
        now = asyncio.get_running_loop().time()
        return bool(self._waiting) and now - self._waiting[0][1] > COMMAND_SECONDS

    async def ended(self) -> int:
        assert self._child is not None, "an ExaBGP that was not started"
        return await self._child.ended()

    async def stop(self, *, kill: bool = False) -> None:
        """SIGTERM ends the session in good order. `kill`: without a word, so that graceful restart keeps our routes."""
        if self._child is not None:
            await self._child.stop(kill=kill)
        for task in self._tasks:
            task.cancel()
        self._closing.close()

    async def _listen(self, reader: asyncio.StreamReader, file: Path) -> None:
        async for line in reader:
            file.unlink(missing_ok=True)  # read by now, and it holds the password
            told = exabgp.read(line.decode(errors="replace"))
            if isinstance(told, exabgp.Answer) and self._waiting:
                command, _ = self._waiting.popleft()
                if not told.done:
                    log.error("ExaBGP refuses a command", command=command, peer=str(self._session.peer))
            if told is not None:
                self._told(told)
