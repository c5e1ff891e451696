"""HAProxy as a child: started with the first proxy, ended after the last, told of nodes that come and go, replaced without a
dropped connection when its configuration changes (`-W` and SIGUSR2).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import structlog

from moorage.balance.haproxy import Proxies, commands, render, shape, standings
from moorage.model.errors import HostError

PROGRAM = "haproxy"
START_SECONDS = 10.0
STOP_SECONDS = 3.0
ANSWER_SECONDS = 2.0
POLL = 0.02

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

    @property
    def pid(self) -> int | None:
        """Of the master process."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def apply(self, proxies: Proxies) -> None:
        """Makes HAProxy serve these and no others. Raises HostError, with what served before still serving, where it cannot."""
        if not proxies:
            await self.close()
            return
        wanted, now = shape(proxies), standings(proxies)
        if self.pid is not None and wanted == self._shape:
            await self._command(commands(self._standings, now))
            self._standings = now
            return
        await self._check(render(proxies, str(self._socket)))
        before = self.pid and await self._worker()
        if self._process is not None and before:
            self._process.send_signal(signal.SIGUSR2)
        else:
            await self._start()
        await self._replaced(before or 0)
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
        self._process, self._shape, self._standings = None, "", {}
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

    async def _replaced(self, before: int) -> None:
        """Waits until another worker than `before` takes commands: then it listens everywhere. The master starts itself anew
        after each worker, and loses signals until it answers.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while self.pid is not None:
                    if (worker := await self._worker()) and worker != before and await self._master_answers():
                        return
                    await asyncio.sleep(POLL)
        self._shape = ""
        raise HostError("haproxy does not come up: does another program listen at a load-balancer address of this machine?")

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

    async def _master_answers(self) -> bool:
        try:
            return bool(await _ask(self._master, "show proc"))
        except HostError:
            return False


async def _ask(socket: Path, line: str) -> str:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(socket))
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
