"""The API server as a process of its own on loopback.

directory -> `moorage server` -> a kubeconfig of admin in that directory, once the server can be used
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from moorage.run.child_process import POLL_SECONDS, ChildProcess


class ServerProcess(ChildProcess):
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
        self._data = directory / "data"
        command = [*prefix, sys.executable, "-m", "moorage", "server", "--data-dir", str(self._data), "--listen", listen]
        command += ["--kubeconfig-out", f"admin=={self.kubeconfig}", "--log-format", "json", *options]
        super().__init__("the API server", command, directory / "server.log")

    @property
    def database(self) -> Path:
        return self._data / "moorage.db"

    def start(self) -> None:
        """Returns once the server can be used. Raises HostError with the end of its log where it ends instead."""
        since = time.monotonic()
        self.spawn()
        while not self.kubeconfig.exists():
            self.must_be_starting(since)
            time.sleep(POLL_SECONDS)

    def spawn(self) -> None:
        """Starts without waiting."""
        self.kubeconfig.unlink(missing_ok=True)
        super().spawn()

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
