"""What an instance left behind, found by its names and taken away: processes, network namespaces, files.

Nothing is kept in a list that a crash could lose: namespaces are recognised by `INSTANCE-MACHINE`, processes by the namespace
they are in, links and rules end with their namespace.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import msgspec

from moorage.lab import netns_io
from moorage.lab.plan import RUNTIME, belongs_to, check_instance
from moorage.model.errors import HostError

_PATIENCE = 5.0
"""Seconds that the kernel is given to end killed processes."""


class Swept(msgspec.Struct, frozen=True):
    """What was found and removed."""

    namespaces: tuple[str, ...] = ()
    processes: tuple[int, ...] = ()
    files: bool = False

    def __bool__(self) -> bool:
        return bool(self.namespaces or self.processes or self.files)

    def describe(self) -> str:
        """For people: what was found."""
        files = ", files" if self.files else ""
        return f"{len(self.namespaces)} namespaces, {len(self.processes)} processes{files}" if self else "nothing found"


def sweep(instance: str) -> Swept:
    """Removes all that is the instance's; doing it twice changes nothing. Raises HostError where a process does not end."""
    check_instance(instance)
    namespaces = tuple(name for name in netns_io.names() if belongs_to(instance, name))
    processes = _kill_inside(namespaces)
    for name in namespaces:
        netns_io.delete(name)
    state = Path(RUNTIME / instance)
    files = state.is_dir()
    if files:
        shutil.rmtree(state)
    with suppress(OSError):
        Path(RUNTIME).rmdir()
    return Swept(namespaces, processes, files)


def _kill_inside(namespaces: tuple[str, ...]) -> tuple[int, ...]:
    """Kills every process in one of the namespaces, until a look finds none: one may fork while it is looked for."""
    identities = {_identity(netns_io.path(name)) for name in namespaces} - {None}
    killed: list[int] = []
    while identities and (found := _processes_in(identities)):
        killed += found
        _kill(found, identities)
    return tuple(killed)


def _identity(path: Path) -> tuple[int, int] | None:
    """What two handles of one namespace have in common: device and inode (namespaces(7))."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _processes_in(identities: set[tuple[int, int] | None]) -> list[int]:
    own = os.getpid()
    numbers = [int(each) for each in os.listdir("/proc") if each.isdigit()]
    return [pid for pid in numbers if pid != own and _identity(Path(f"/proc/{pid}/ns/net")) in identities]


def _kill(processes: list[int], identities: set[tuple[int, int] | None]) -> None:
    """SIGKILL through process descriptors, so that a number that is used again meanwhile hits nobody; waits for the end."""
    poll, descriptors = select.poll(), {}
    for pid in processes:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            if _identity(Path(f"/proc/{pid}/ns/net")) in identities:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                poll.register(descriptor, select.POLLIN)
                descriptors[descriptor] = pid
            else:
                os.close(descriptor)
    try:
        waiting = set(descriptors)
        while waiting:
            ended = poll.poll(_PATIENCE * 1000)
            if not ended:
                raise HostError(f"processes do not end: {sorted(descriptors[each] for each in waiting)}")
            for descriptor, _ in ended:
                poll.unregister(descriptor)
                waiting.discard(descriptor)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
