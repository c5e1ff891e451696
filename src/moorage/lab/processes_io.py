"""Starts a command at an Entry, keeps its output, tells when it ends, and ends it.

Processes are watched through process descriptors (pidfd_open(2)), so nothing waits in a thread; output goes through a pipe into
a log of bounded size. The calling process must run an asyncio loop in its main thread, whose death takes all of them along.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import msgspec

from moorage.lab.launch import CANNOT_ENTER, Entry, command_line
from moorage.lab.netns_io import children_in_new_pid_namespace
from moorage.model.errors import HostError

MAX_LOG_BYTES = 1 << 20
_CHUNK = 1 << 16


class LaunchError(HostError):
    """The command did not start. `code` is 125, 126 or 127 as `launch_io.py` says."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Wish(msgspec.Struct, frozen=True):
    """What to start. The environment is complete: nothing is inherited. An empty `log` throws the output away.

    `first` gives the command a process namespace, so that its end, or `Process.kill`, ends all it has started. `inherit` are
    open descriptors that the command finds under the same numbers.
    """

    entry: Entry
    command: Sequence[str]
    environment: Mapping[str, str] = {}
    directory: str = ""
    log: str = ""
    first: bool = False
    inherit: tuple[int, ...] = ()


class Log:
    """A file that holds the last 1 to 2 MiB of output: at 1 MiB it becomes NAME.1 and starts anew."""

    def __init__(self, path: Path, limit: int = MAX_LOG_BYTES) -> None:
        self._path, self._limit = path, limit
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def write(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._limit:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._path.open("ab", buffering=0)
            self._size = 0
        self._file.write(data)
        self._size += len(data)

    def close(self) -> None:
        self._file.close()


class Process:
    """A started command. `exit_code` is 128 + N after signal N, and None while it runs."""

    def __init__(self, child: subprocess.Popen[bytes], output: int | None, log: Log | None) -> None:
        self.pid = child.pid
        self._child = child
        self._output, self._log = output, log
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._descriptor = os.pidfd_open(child.pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._on_end)
        if output is not None:
            asyncio.get_running_loop().add_reader(output, self._on_output)

    @property
    def exit_code(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        """The exit code, once it has ended and its output is on disk."""
        return await asyncio.shield(self._ended)

    def send(self, number: signal.Signals) -> None:
        """A process that has ended meanwhile is not an error."""
        if not self._ended.done():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    async def terminate(self, grace: float) -> int:
        """SIGTERM, then after `grace` seconds SIGKILL; the exit code."""
        self.send(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                return await self.wait()
        self.kill()
        return await self.wait()

    def _on_end(self) -> None:
        code = self._child.poll()
        if code is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        while self._output is not None and self._on_output():
            pass
        self._close_output()
        self._ended.set_result(code if code >= 0 else 128 - code)

    def _on_output(self) -> bool:
        """Moves what is there; False when nothing is there now or ever again."""
        assert self._output is not None
        try:
            data = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._close_output()
            return False
        if self._log is not None:
            self._log.write(data)
        return True

    def _close_output(self) -> None:
        if self._output is not None:
            asyncio.get_running_loop().remove_reader(self._output)
            os.close(self._output)
            self._output = None
        if self._log is not None:
            self._log.close()
            self._log = None


async def spawn(wish: Wish) -> Process:
    """Returns once the command runs. Raises LaunchError with the launcher's message where it does not come so far."""
    log = _open_log(wish.log)
    status, status_end = _pipe()
    output, output_end = _pipe() if log else (None, None)
    try:
        child = _start(wish, status_end, output_end)
    except BaseException:
        os.close(status)
        if output is not None and log is not None:
            os.close(output)
            log.close()
        raise
    finally:
        os.close(status_end)
        if output_end is not None:
            os.close(output_end)
    process = Process(child, output, log)
    try:
        message = await _read_all(status)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    finally:
        os.close(status)
    if message:
        raise LaunchError(message, await process.wait())
    return process


def _open_log(path: str) -> Log | None:
    try:
        return Log(Path(path)) if path else None
    except OSError as error:
        raise LaunchError(f"cannot write the log {path}: {error.strerror}", CANNOT_ENTER) from error


def _start(wish: Wish, status: int, output: int | None) -> subprocess.Popen[bytes]:
    line = command_line(wish.entry, wish.command, first=wish.first, status=status, directory=wish.directory)
    destination = subprocess.DEVNULL if output is None else output
    try:
        with children_in_new_pid_namespace() if wish.first else nullcontext():
            return subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=destination,
                stderr=destination,
                env=dict(wish.environment),
                pass_fds=(status, *wish.inherit),
                start_new_session=True,
            )
    except OSError as error:
        raise LaunchError(f"cannot start a process: {error.strerror}", CANNOT_ENTER) from error


def _pipe() -> tuple[int, int]:
    """A reading end for the loop, which must not wait, and a writing end for a child, which may."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reader, False)
    return reader, writer


async def _read_all(descriptor: int) -> str:
    """Text up to the end of a pipe."""
    loop = asyncio.get_running_loop()
    parts: list[bytes] = []
    done = loop.create_future()

    def readable() -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if data:
            parts.append(data)
        elif not done.done():
            done.set_result(None)

    loop.add_reader(descriptor, readable)
    try:
        await done
    finally:
        loop.remove_reader(descriptor)
    return b"".join(parts).decode(errors="replace").strip()
