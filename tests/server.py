"""A real server on loopback, in a process of its own: TLS, tokens and a database in a directory of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from moorage.run.server_process import ServerProcess


class Server(msgspec.Struct, frozen=True):
    """The kubeconfig is admin's."""

    kubeconfig: Path
    directory: Path


@contextmanager
def served(directory: Path) -> Iterator[Server]:
    """Serves until the block ends, which must be in good order."""
    process = ServerProcess(directory)
    process.start()
    try:
        yield Server(process.kubeconfig, directory)
    finally:
        status = process.stop()
    assert status == 0, process.last_words()


def eventually(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Waits, within bounds, until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.01)
