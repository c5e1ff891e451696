"""A socket on which the kernel tells of every change to nf_tables in this network namespace."""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterator

from moorage.datapath.nft.interference import Interference, Watcher
from moorage.model.errors import HostError

_NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_ADD_MEMBERSHIP, _DROP_MEMBERSHIP = 1, 2
_GROUP_NFTABLES = 7
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 4 << 20
_READ = 1 << 16


class TableWatch:
    """Opened in the namespace of the calling thread, for good."""

    def __init__(self, table: str) -> None:
        self._watcher = Watcher(table)
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
            self._socket.setblocking(False)
            self._socket.bind((0, 0))
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
        except OSError as error:
            raise HostError(f"cannot watch nf_tables: {error.strerror}") from error

    def fileno(self) -> int:
        """Readable when something has changed."""
        return self._socket.fileno()

    def pause(self) -> None:
        """The kernel tells nothing until `resume`: a large change of our own would only overflow the socket."""
        self._socket.setsockopt(_SOL_NETLINK, _DROP_MEMBERSHIP, _GROUP_NFTABLES)

    def resume(self) -> None:
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)

    def read(self, ours: Collection[int]) -> tuple[list[Interference], bool]:
        """What others have done to the table since the last call, and whether the kernel has told everything. Does not wait."""
        missed: list[OSError] = []
        found = list(self._watcher.read(self._datagrams(missed), ours))
        return found, not missed

    def close(self) -> None:
        self._socket.close()

    def _datagrams(self, missed: list[OSError]) -> Iterator[bytes]:
        while True:
            try:
                yield self._socket.recv(_READ)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise HostError(f"cannot watch nf_tables: {error.strerror}") from error
                missed.append(error)
