"""An agent as a process of its own in the network namespace of a node, or of an edge.

namespace, kubeconfig -> `moorage node` -> /livez answers 200 once the first table is in the kernel
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from moorage.lab.launch import Entry, command_line
from moorage.run.child_process import POLL_SECONDS, START_SECONDS, ChildProcess
from moorage.run.lab_node import healthy


class AgentProcess(ChildProcess):
    """It dies with this process; what it wrote into the kernel stays there when it ends, and is there for its next start."""

    def __init__(
        self, namespace: str, name: str, kubeconfig: Path, log: Path, options: Sequence[str] = (), role: str = "node"
    ) -> None:
        """`options` are added to the command. The network namespace is the machine's."""
        command = [sys.executable, "-m", "moorage", role, "--name", name, "--kubeconfig", str(kubeconfig)]
        command += ["--log-format", "json", *options]
        super().__init__(f"the {role} agent", command_line(Entry(namespace), command), log)
        self._namespace = namespace

    async def start(self, limit: float = START_SECONDS) -> float:
        """Seconds from the start of the process until /livez says 200. Raises HostError with the end of its log, also where
        it takes longer than `limit`.
        """
        since = time.monotonic()
        self.spawn()
        await self.ready(since, limit)
        return time.monotonic() - since

    async def ready(self, since: float, limit: float = START_SECONDS) -> None:
        """Returns once it is. It must have been spawned, at `since` (monotonic)."""
        while not await healthy(self._namespace):
            self.must_be_starting(since, limit)
            await asyncio.sleep(POLL_SECONDS)
