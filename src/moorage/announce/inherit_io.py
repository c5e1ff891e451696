"""One speaker of a group on a machine: the next run takes over the memory of the one before, which ends.

They meet at an abstract socket, whose name is gone with its process and exists in one network namespace (unix(7)).
"""

from __future__ import annotations

import os
import socket
import struct
import time

from moorage.model.announcing import Group
from moorage.model.errors import HostError

_PATIENCE = 2.0
_PAUSE = 0.005
_CREDENTIALS = struct.Struct("@3i")


def door_of(group: Group) -> str:
    return f"\0moorage-speaker-{group.word}"


def inherit(door: str) -> tuple[socket.socket, bytes]:
    """The door, and the memory of the speaker that stood there, empty where there was none. Raises HostError where one
    does not give way.
    """
    end = time.monotonic() + _PATIENCE
    memory = b""
    while True:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(door)
        except OSError:
            listening.close()
            if time.monotonic() > end:
                raise HostError("another speaker runs here and does not give way; end it") from None
            memory = memory or _ask(door)
            time.sleep(_PAUSE)
        else:
            listening.listen(1)
            listening.setblocking(False)
            return listening, memory


def _ask(door: str) -> bytes:
    parts = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_PATIENCE)
        try:
            asking.connect(door)
            while part := asking.recv(1 << 16):
                parts.append(part)
        except OSError:
            return b""
    return b"".join(parts)


def heir(listening: socket.socket) -> socket.socket | None:
    """The next run, where it stands at the door; anybody else is turned away."""
    try:
        came, _ = listening.accept()
    except OSError:
        return None
    _, user, _ = _CREDENTIALS.unpack(came.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    if user != os.geteuid():
        came.close()
        return None
    return came


def bequeath(to: socket.socket, memory: bytes) -> None:
    """Gives the memory away; whoever calls ends now."""
    with to:
        to.setblocking(True)
        to.settimeout(_PATIENCE)
        try:
            to.sendall(memory)
        except OSError:
            return
