"""`moorage up` and `moorage down`: a standalone system in the foreground, in the background, and its end."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO

from moorage.lab.sweep_io import Swept, sweep
from moorage.model.errors import HostError
from moorage.run.standalone import Standalone, UpSettings
from moorage.run.state_io import Running, directory, read_running

DETACH_LIMIT = 60.0
END_LIMIT = 20.0
"""Seconds that a supervisor is given to take its system away before it is killed."""


async def foreground(settings: UpSettings, step: Callable[[str], None], tell: Callable[[Running], None]) -> None:
    """Runs a system until SIGINT or SIGTERM, then takes it away."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    system = Standalone(settings, step)
    starting = asyncio.create_task(system.start())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
        running = read_running(settings.instance)
        assert running is not None, "a started system has a record"
        tell(running)
        await waiting
        step("taking everything away")
        await system.stop()


def detached(settings: UpSettings, tell: Callable[[str], None] = lambda _: None) -> Running:
    """Starts a system in a process of its own and returns once it is ready; `tell` gets each line that the process prints.

    Raises HostError with that process's last words.
    """
    command = [sys.executable, "-m", "moorage", "up", "--instance", settings.instance, "--nodes", str(settings.nodes)]
    command += ["--load-balancer", settings.load_balancer, "--dataplane", settings.dataplane, "--port", str(settings.port)]
    with tempfile.TemporaryFile() as words:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=words, start_new_session=True
        )
        return _await_ready(settings.instance, child, words, tell)


def _await_ready(instance: str, child: subprocess.Popen[bytes], words: IO[bytes], tell: Callable[[str], None]) -> Running:
    limit = time.monotonic() + DETACH_LIMIT
    heard = 0
    while time.monotonic() < limit:
        ended = child.poll() is not None
        lines = os.pread(words.fileno(), 1 << 20, 0).decode(errors="replace").splitlines()
        for line in lines[heard:]:
            tell(line)
        heard = len(lines)
        running = read_running(instance)
        if running is not None and running.pid == child.pid:
            return running
        if ended:
            raise HostError(_last_words(lines))
        time.sleep(0.03)
    child.terminate()
    raise HostError(f"the system did not come up within {DETACH_LIMIT:.0f} s; see {directory(instance)}/logs")


def _last_words(lines: Sequence[str]) -> str:
    """The error that a `moorage` process ended with, or its last line."""
    starts = [number for number, line in enumerate(lines) if line.startswith("moorage: ")]
    words = lines[starts[-1] :] if starts else lines[-1:]
    return "\n".join(words).removeprefix("moorage: ") or "the system ended at once, without a word"


def end(instance: str) -> Swept:
    """Ends a running system and removes what is left of any: what was found beyond an orderly end."""
    running = read_running(instance)
    if running is not None:
        _end_process(running.pid)
    return sweep(instance)


def _end_process(pid: int) -> None:
    """SIGTERM and a wait for the end; SIGKILL after 20 s."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not select.select([descriptor], [], [], END_LIMIT)[0]:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                select.select([descriptor], [], [], END_LIMIT)
        finally:
            os.close(descriptor)
