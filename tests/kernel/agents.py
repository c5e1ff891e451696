"""Starts `moorage node` and `moorage edge` in a network namespace, on a kernel that does not let them, or lets them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NOWHERE = """apiVersion: v1
kind: Config
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: nobody, user: {}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
current-context: nowhere
"""
"""Of an API server that does not answer: an agent waits for it, once it has begun."""


def node(*options: str) -> tuple[str, ...]:
    return ("node", "--name", "node-1", *options)


EDGE = ("edge", "--name", "edge-1", "--interface", "lo")


class Agent:
    """A role in a namespace. What it says goes to a file; it is ended by its process id."""

    def __init__(
        self, namespace: str, directory: Path, role: Sequence[str], before: Sequence[str] = (), config: str = NOWHERE
    ) -> None:
        kubeconfig, self._log = directory / "kubeconfig", directory / "log"
        kubeconfig.write_text(config)
        command = ["ip", "netns", "exec", namespace, *before, sys.executable, "-m", "moorage", *role]
        command += ["--kubeconfig", str(kubeconfig), "--log-format", "json"]
        with self._log.open("w") as log:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ended(self, seconds: float = 20) -> tuple[int, str]:
        """The exit status, and everything that was said."""
        return self._child.wait(seconds), self.said

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def runs(self) -> bool:
        return self._child.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def stop(self) -> int:
        self._child.terminate()
        try:
            return self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            raise
