"""A child process whose figures count: started, measured, ended, or killed as a crash would.

Benchmarks and tests use it: what they measure and kill is what a person starts.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from moorage.client.proxies import VARIABLES
from moorage.model.errors import HostError

START_SECONDS = 30.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.01


class ChildProcess:
    """`command` as a child of this process. `log` holds what it has written, of all its starts."""

    def __init__(self, what: str, command: Sequence[str], log: Path) -> None:
        """`what` names it in messages: "the API server"."""
        self.log = log
        self._what = what
        self._command = tuple(command)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise HostError(f"{self._what} does not run")
        return self._child.pid

    @property
    def runs(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def spawn(self) -> None:
        """Starts without waiting. A proxy of this machine's environment leads nowhere in a lab: the child is not told of it."""
        environment = {name: value for name, value in os.environ.items() if name.upper() not in VARIABLES}
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def must_be_starting(self, since: float, limit: float = START_SECONDS) -> None:
        """Kills it and raises HostError with the end of its log where it has ended, or was started (`since`) more than
        `limit` seconds ago.
        """
        if not self.runs or time.monotonic() > since + limit:
            code = self.kill()
            raise HostError(f"{self._what} did not start (exit status {code}): {self.last_words()}")

    def wait(self, seconds: float = START_SECONDS) -> int:
        """The exit status, negative after a signal, once it has ended by itself."""
        if self._child is None:
            raise HostError(f"{self._what} does not run")
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise HostError(f"{self._what} still runs after {seconds:.0f} s") from error

    def kill(self) -> int:
        """SIGKILL: nothing is said goodbye to."""
        if self._child is None:
            return 0
        self._child.kill()
        return self._child.wait()

    def stop(self) -> int:
        """SIGTERM, and SIGKILL where that does not help in time; the exit status."""
        if self._child is None:
            return 0
        self._child.terminate()
        try:
            return self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return self.kill()

    def resident_bytes(self) -> int:
        """Memory in use (RSS)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def peak_bytes(self) -> int:
        """The most memory it has had in use so far (VmHWM of proc(5))."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def cpu_seconds(self) -> float:
        """Processor time used so far, in user and kernel space."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def said(self, since: int = 0) -> list[str]:
        """The lines of the log, without its first `since` ones."""
        return self.log.read_text(errors="replace").splitlines()[since:] if self.log.exists() else []

    def last_words(self, lines: int = 5) -> str:
        return "\n".join(self.said()[-lines:])


def busy_seconds() -> float:
    """Processor time that all of this machine has used since it started: /proc/stat without idling and waiting for disks."""
    user, nice, system, _idle, _iowait, irq, softirq = Path("/proc/stat").read_text().split()[1:8]
    return sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")
