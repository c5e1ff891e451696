"""HAProxy as a child: started with the first proxy, ended after the last, told of nodes that come and go, replaced without a
dropped connection when its configuration changes (`-W` and SIGUSR2).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import structlog

from moorage.balance.haproxy import Proxies, commands, render, shape, standings
from moorage.model.errors import HostError
from moorage.table.types import FrontendAddress

PROGRAM = "haproxy"
START_SECONDS = 10.0
STOP_SECONDS = 3.0
ANSWER_SECONDS = 2.0
POLL = 0.02

_IP_FREEBIND, _IPV6_FREEBIND = (socket.IPPROTO_IP, 15), (socket.IPPROTO_IPV6, 78)
_FAILED = re.compile(r"\[failed: (\d+)\]")

log = structlog.get_logger()


class Haproxy:
    """`directory` is its own, made and removed here. `ended` is called when the process ends by itself; the next `apply` starts
    another. All calls come from one event loop.
    """

    def __init__(self, directory: Path, ended: Callable[[], None] = lambda: None) -> None:
        self._directory = directory
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._shape = ""
        self._standings: dict[str, bool] = {}
        self._serving: frozenset[FrontendAddress] = frozenset()

    @property
    def pid(self) -> int | None:
        """Of the master process."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def apply(self, proxies: Proxies) -> None:
        """Makes HAProxy serve these and no others. Raises HostError where it cannot: all but the named ones are served then, or
        what was served before.
        """
        free = tuple(each for each in proxies if each.match in self._serving or _can_listen(each.match))
        if free:
            await self._serve(free)
        else:
            await self.close()
        self._serving = frozenset(each.match for each in free)
        taken = ", ".join(str(each.match) for each in proxies if each not in free)
        if taken:
            raise HostError(f"another program of this machine listens at {taken}: end it, or have it listen elsewhere")

    async def _serve(self, proxies: Proxies) -> None:
        wanted, now = shape(proxies), standings(proxies)
        if self.pid is not None and wanted == self._shape:
            await self._command(commands(self._standings, now))
            self._standings = now
            return
        before, failures = await self._worker(), await self._failures() or 0
        if self.pid is None or not before:
            await self.close()
        await self._check(render(proxies, str(self._socket)))
        if self._process is None:
            await self._start()
        else:
            self._process.send_signal(signal.SIGUSR2)
        await self._replaced(before, failures)
        self._shape, self._standings = wanted, now
        log.info("haproxy serves", frontends=len(proxies), reloaded=bool(before))

    async def close(self) -> None:
        """Ends it at once, with its connections."""
        self._stop_watching()
        if self._process is not None and self.pid is not None:
            self._process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._process, self._shape, self._standings, self._serving = None, "", {}, frozenset()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _socket(self) -> Path:
        return self._directory / "socket"

    @property
    def _master(self) -> Path:
        return self._directory / "master"

    @property
    def _configuration(self) -> Path:
        return self._directory / "haproxy.cfg"

    async def _check(self, text: str) -> None:
        """Writes the configuration, if HAProxy takes it."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._directory / "new.cfg"
        new.write_text(text)
        code, said = await _run(PROGRAM, "-c", "-q", "-f", str(new))
        if code:
            raise HostError(f"haproxy refuses its configuration: {said}")
        new.replace(self._configuration)

    async def _start(self) -> None:
        """It gets SIGTERM when this process ends, however that happens: one that is left behind would take half of the
        connections of the next.
        """
        self._socket.unlink(missing_ok=True)
        command = ["setpriv", "--pdeathsig", "TERM", PROGRAM, "-W", "-S", f"{self._master},mode,600"]
        command += ["-f", str(self._configuration)]
        self._process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
        self._watch = asyncio.create_task(self._until_end(self._process), name="haproxy")

    async def _until_end(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        log.error("haproxy ended; it is started again", exit_code=code)
        self._ended()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _replaced(self, before: int, failures: int) -> None:
        """Waits until another worker than `before` takes commands: then it listens everywhere. The master starts itself anew
        with each worker, and loses signals until it answers; it counts the workers that could not listen.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while self.pid is not None:
                    worker, now = await self._worker(), await self._failures()
                    if now is not None and worker and worker != before:
                        return
                    if now is not None and now > failures:
                        break
                    await asyncio.sleep(POLL)
        self._shape = ""
        raise HostError("haproxy does not come up with its new configuration; it says why on standard error")

    async def _worker(self) -> int:
        """The process id of the worker that takes commands, 0 for none."""
        try:
            answer = await _ask(self._socket, "show info")
        except HostError:
            return 0
        found = [line for line in answer.splitlines() if line.startswith("Pid:")]
        return int(found[0].split()[1]) if found else 0

    async def _command(self, lines: list[str]) -> None:
        for line in lines:
            if answer := (await _ask(self._socket, line)).strip():
                self._shape = ""
                raise HostError(f"haproxy does not do `{line}`: {answer}")

    async def _failures(self) -> int | None:
        """How often in a row the master could not replace its worker, None where it does not answer."""
        try:
            found = _FAILED.search(await _ask(self._master, "show proc"))
        except HostError:
            return None
        return int(found[1]) if found else 0


def _can_listen(match: FrontendAddress) -> bool:
    """Whether HAProxy can, which shares ports with its own kind (SO_REUSEPORT) and nobody else, owned address or not."""
    six = match.address.version == 6
    with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        trying.setsockopt(*(_IPV6_FREEBIND if six else _IP_FREEBIND), 1)
        try:
            trying.bind((str(match.address), match.port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
        return True


async def _ask(path: Path, line: str) -> str:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                writer.write(f"{line}\n".encode())
                writer.write_eof()
                return (await reader.read()).decode(errors="replace")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise HostError(f"haproxy does not answer: {error or 'no answer in time'}") from error


async def _run(*command: str) -> tuple[int, str]:
    """The exit status and what was said. Raises HostError where there is no such program."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except FileNotFoundError as error:
        raise HostError(
            f"{command[0]} is not installed: Services with moorage.dev/proxy-protocol need it (Debian: apt-get install haproxy)"
        ) from error
    said, _ = await process.communicate()
    return process.returncode or 0, os.fsdecode(said).strip()
