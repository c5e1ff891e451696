"""Who answers in the namespace of a benchmark's backends, over TCP and UDP, on one port of all its addresses.

    request or datagram -> "PEER OWN": the address that the packets came from, and the one they were sent to

Over TCP this side closes first, as an HTTP server does after `Connection: close`: what is left of the connection
(TIME_WAIT, RFC 9293 section 3.6.1) stays here, and the client's port is free at once. It takes a few microseconds for one
connection besides the system calls. Run with `python -I -S`: it imports the standard library only.
"""

from __future__ import annotations

import _socket
import select
import socket
import sys

_AT_ONCE = 64
_CHUNK = 2048
_IP_PKTINFO = 8


class Echo:
    """One thread and one epoll(7)."""

    def __init__(self, port: int) -> None:
        self._poll = select.epoll()
        self._waiting: dict[int, tuple[_socket.socket, bytes]] = {}
        self._tcp = socket.create_server(("", port), backlog=4096)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self._udp.bind(("", port))
        for each in (self._tcp, self._udp):
            each.setblocking(False)
            self._poll.register(each.fileno(), select.EPOLLIN)

    def serve(self) -> None:
        tcp, udp = self._tcp.fileno(), self._udp.fileno()
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == tcp:
                    self._accept()
                elif descriptor == udp:
                    self._answer_datagrams()
                else:
                    self._poll.unregister(descriptor)
                    connection, peer = self._waiting.pop(descriptor)
                    self._talk(connection, peer)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                descriptor, (peer, _) = self._tcp._accept()  # type: ignore[attr-defined]  # a bare descriptor: no object to set up
            except OSError:  # nobody is left, or the client went away again
                return
            self._talk(_socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor), peer.encode())

    def _talk(self, connection: _socket.socket, peer: bytes) -> None:
        """The request is there already more often than not; otherwise it is waited for."""
        try:
            if connection.recv(_CHUNK, socket.MSG_DONTWAIT):
                connection.send(b"%b %b" % (peer, connection.getsockname()[0].encode()))
        except BlockingIOError:
            self._waiting[connection.fileno()] = (connection, peer)
            self._poll.register(connection.fileno(), select.EPOLLIN)
            return
        except OSError:
            pass  # the client counts it
        connection.close()

    def _answer_datagrams(self) -> None:
        """From the address that was asked (ip(7), IP_PKTINFO: interface, its address, destination of the packet)."""
        for _ in range(_AT_ONCE):
            try:
                _, ancillary, _, peer = self._udp.recvmsg(_CHUNK, 64)
                own = next(data[8:12] for _, kind, data in ancillary if kind == _IP_PKTINFO)
                text = f"{peer[0]} {socket.inet_ntoa(own)}".encode()
                source = (socket.IPPROTO_IP, _IP_PKTINFO, bytes(4) + own + bytes(4))
                self._udp.sendmsg([text], [source], 0, peer)
            except OSError:
                return


def main() -> None:
    echo = Echo(int(sys.argv[1]))
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    echo.serve()


if __name__ == "__main__":
    main()
