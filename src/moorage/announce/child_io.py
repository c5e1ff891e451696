"""Programs that announce for us, as child processes which do not outlive the agent."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence

import structlog

from moorage.model.errors import HostError

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
STOP_SECONDS = 3.0
"""From SIGTERM to SIGKILL."""
_LAST_LINES = 8

log = structlog.get_logger()


class Child:
    """One running program. The kernel kills it when the agent dies, however that comes about (prctl(2) PR_SET_PDEATHSIG)."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self._name = name
        self._process = process
        self._said: deque[str] = deque(maxlen=_LAST_LINES)
        self._listening = asyncio.create_task(self._listen(), name=f"words of {name}")

    @classmethod
    async def start(cls, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
        """Raises HostError where the program cannot be started."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )
        except OSError as error:
            raise HostError(f"cannot start {command[0]}: {error.strerror}") from error
        return cls(name, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.returncode is None

    @property
    def last_words(self) -> tuple[str, ...]:
        """Its last lines."""
        return tuple(self._said)

    async def ended(self) -> int:
        """The exit status, negative after a signal, once it has ended."""
        return await self._process.wait()

    async def stop(self, *, kill: bool = False) -> None:
        """SIGTERM, and SIGKILL where that does not help in time; `kill`: at once."""
        if self.runs and not kill:
            self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                log.warning("a program does not end, and is killed", program=self._name, pid=self.pid)
        if self.runs:
            self._process.kill()
            await self._process.wait()
        self._listening.cancel()

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            text = line.decode(errors="replace").strip()
            if text:
                self._said.append(text)
                log.debug(text, program=self._name)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
