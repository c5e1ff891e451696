"""The API server as a process of its own on loopback: started, measured, ended, or killed as a crash would.

    directory -> `moorage server` -> a kubeconfig of admin in that directory, once the server can be used

Benchmarks and tests use it: what they measure and kill is what a person starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from moorage.model.errors import HostError

START_SECONDS = 30.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.01


class ServerProcess:
    """A context: ended at its end. `log` holds what the server has written, of all its starts in this directory."""

    def __init__(
        self,
        directory: Path,
        options: Sequence[str] = (),
        listen: str = "127.0.0.1:0",
        prefix: Sequence[str] = (),
    ) -> None:
        """`options` are added to the command, `prefix` goes before it (a program that limits resources)."""
        self.kubeconfig = directory / "kubeconfig"
        self.log = directory / "server.log"
        self._data = directory / "data"
        self._command = [*prefix, sys.executable, "-m", "moorage", "server", "--data-dir", str(self._data), "--listen", listen]
        self._command += ["--kubeconfig-out", f"admin=={self.kubeconfig}", "--log-format", "json", *options]
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def database(self) -> Path:
        return self._data / "moorage.db"

    @property
    def pid(self) -> int:
        if self._child is None:
            raise HostError("the server does not run")
        return self._child.pid

    def start(self) -> None:
        """Returns once the server can be used. Raises HostError with the end of its log where it ends instead."""
        self.spawn()
        end = time.monotonic() + START_SECONDS
        while not self.kubeconfig.exists():
            if self._child is None or self._child.poll() is not None or time.monotonic() > end:
                code = self.kill()
                raise HostError(f"the API server did not start (exit status {code}): {self.last_words()}")
            time.sleep(_POLL_SECONDS)

    def spawn(self) -> None:
        """Starts without waiting."""
        self.kubeconfig.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait(self, seconds: float = START_SECONDS) -> int:
        """The exit status, negative after a signal, once it has ended by itself."""
        if self._child is None:
            raise HostError("the server does not run")
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise HostError(f"the API server still runs after {seconds:.0f} s") from error

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

    def cpu_seconds(self) -> float:
        """Processor time used so far, in user and kernel space."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def last_words(self, lines: int = 5) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
