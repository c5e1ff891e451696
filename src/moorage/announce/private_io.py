"""Directories of running programs, for their pipes, sockets and configurations: private, and gone when their maker is gone."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from moorage.model.errors import HostError


class PrivateDirectory:
    """A temporary directory of mode 0700, locked while it is in use: what killed makers left behind has no lock, and the next
    maker with the same prefix takes it away.
    """

    def __init__(self, prefix: str) -> None:
        """Raises HostError."""
        _sweep(prefix)
        try:
            self.path = Path(tempfile.mkdtemp(prefix=prefix))
            self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise HostError(f"cannot make a directory in {tempfile.gettempdir()}: {error.strerror}") from error

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _sweep(prefix: str) -> None:
    """What cannot be opened or is in use stays. A directory between its making and its lock is empty, and stays, too."""
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        try:
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if any(left.iterdir()):
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(lock)
