"""The node's own end: packets that it sends itself, and packets that it keeps.

Receiving raw sockets see what is delivered to the node, after address translation and the input hook. The stack goes on to
answer each packet as always (RST, port unreachable, echo reply), with one exception: an IP protocol that nobody implements is
not refused while a raw socket listens to it, so SCTP stays unanswered on a kernel without SCTP.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator

import msgspec

from tests.kernel.wire.frames import Kind, Parsed, parse_datagram, parse_segment
from tests.kernel.wire.packets import Packet, Transport, datagram

_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")
"""The last of `SK_MEMINFO_VARS` is the number of packets that found no room in the socket."""
_RECEIVE_BUFFER = 32 << 20
_READ = 4096
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class WireError(Exception):
    """What has become of the packets is not known in full."""


class LocalEnd:
    """Opened by a thread that lives in the node's namespace, used from any."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._receivers: dict[int, tuple[socket.socket, int]] = {}
        self._senders: dict[int, socket.socket] = {}
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._poll.close()
        for opened in (*self._senders.values(), *(each for each, _ in self._receivers.values())):
            opened.close()

    def send(self, packet: Packet) -> int:
        """Through the output hook. Gives 0 or the errno: EPERM where the hook drops or rejects, EINVAL or ENETUNREACH where
        the packet cannot be routed, before or after its translation.
        """
        try:
            self._senders[packet.source.version].sendto(datagram(packet), (str(packet.destination), 0))
        except OSError as error:
            return error.errno or -1
        return 0

    def drain(self) -> Iterator[Parsed]:
        """All that has been delivered. Raises WireError where a socket was too small for it."""
        for descriptor, _ in self._poll.poll(0):
            receiver, number = self._receivers[descriptor]
            if _MEMINFO.unpack(receiver.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[-1]:
                raise WireError(f"the receive buffer for IP protocol {number} has overflowed")
            yield from map(_checked, _packets(receiver, number))

    def _open(self) -> None:
        for version, family in _FAMILIES.items():
            self._senders[version] = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
            for transport in Transport:
                number = transport.number(version)
                receiver = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, number)
                self._receivers[receiver.fileno()] = receiver, number
                receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
                if version == 6:
                    receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                self._poll.register(receiver, select.EPOLLIN)


def _packets(receiver: socket.socket, number: int) -> Iterator[Parsed]:
    """IPv4 sockets give packets with their header, IPv6 sockets without: the addresses come beside them."""
    while True:
        try:
            if receiver.family == socket.AF_INET:
                yield parse_datagram(receiver.recv(_READ))
                continue
            segment, ancillary, _, peer = receiver.recvmsg(_READ, 64)
        except BlockingIOError:
            return
        destination = next(data[:16] for level, _, data in ancillary if level == socket.IPPROTO_IPV6)
        source = socket.inet_pton(socket.AF_INET6, peer[0].partition("%")[0])
        yield parse_segment(source, destination, number, segment)


def _checked(packet: Parsed) -> Parsed:
    """A reset that the node keeps came from itself over `lo`, where checksums are left unfinished."""
    return msgspec.structs.replace(packet, intact=None) if packet.kind is Kind.RESET else packet
