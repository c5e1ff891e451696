"""The netfilter netlink socket: sends batches and single requests, reads answers and listings.

The kernel handles a request inside `sendmsg`, so every answer is queued when the call returns.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from moorage.datapath import netlink
from moorage.datapath.netlink import Message, Reply
from moorage.model.errors import HostError

_NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
"""Socket option: an error does not carry the refused message back."""
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 16 << 20
_READ = 1 << 20
_DUMP_ATTEMPTS = 5


_STATUS = Path("/proc/thread-self/status")
_NET_ADMIN = 12


def _not_allowed() -> str:
    """Why the kernel lets this process change nothing, and what helps."""
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    if int(lines["CapEff"], 16) >> _NET_ADMIN & 1:
        return (
            "this process may change rules in its own user namespace only: run it as root of the machine, not in a rootless "
            "container"
        )
    return (
        "this process may not change the rules of the kernel, it lacks the capability NET_ADMIN: run it as root, or let its "
        "container have it (securityContext.capabilities.add: [NET_ADMIN])"
    )


class KernelRefusal(HostError):
    """The kernel answered a request with an error. `errno` is the code (`errno.ENOENT`), `what` is what was asked."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"the kernel refused to {what}: {os.strerror(code)} ({errno.errorcode.get(code, code)})")
        self.what = what
        self.errno = code


class Netlink:
    """A socket that stays open: closing one makes the kernel wait for everything that was deleted through any of them,
    15 ms and more (`nft_rcv_nl_event`). Raises HostError when it cannot be had, KernelRefusal when the kernel says no.
    """

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    @classmethod
    def open(cls) -> Netlink:
        """In the network namespace of the calling thread, for good."""
        try:
            opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        except OSError as error:
            raise HostError(
                f"this kernel has no netfilter netlink ({error.strerror}): it needs CONFIG_NETFILTER_NETLINK, module nfnetlink"
            ) from error
        try:
            opened.bind((0, 0))
            opened.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except OSError as error:
            opened.close()
            raise HostError(_not_allowed()) from error
        return cls(opened)

    def close(self) -> None:
        self._socket.close()

    @property
    def port(self) -> int:
        """The port id by which the kernel names this socket to others (`nlmsg_pid`)."""
        port: int = self._socket.getsockname()[0]
        return port

    def transact(self, messages: Sequence[Message]) -> None:
        """Commits nf_tables messages as one batch, or none of them. Raises KernelRefusal for the first one refused."""
        if not messages:
            return
        begin = Message(netlink.message(netlink.BATCH_BEGIN, 0, 0, resource=netlink.SUBSYSTEM_NFTABLES), "begin a batch")
        end = Message(netlink.message(netlink.BATCH_END, 0, 0, resource=netlink.SUBSYSTEM_NFTABLES), "commit the batch")
        batch = (begin, *messages, end)
        refused = self._send(batch, acknowledge=len(messages))
        if refused:
            index, code = refused[0]
            raise KernelRefusal(batch[index].what, code)

    def execute(self, messages: Sequence[Message]) -> list[tuple[Message, int]]:
        """Runs single requests in order and gives back those that were refused, with their errno."""
        if not messages:
            return []
        return [(messages[index], code) for index, code in self._send(messages, acknowledge=len(messages) - 1)]

    def ask(self, request: Message) -> Reply:
        """The one answer to a request."""
        self._send((request,), acknowledge=None)
        try:
            type_, flags, _, payload = next(netlink.replies(self._socket.recv(_READ)))
        except OSError as error:
            raise HostError(f"could not {request.what}: netlink: {error.strerror}") from error
        if type_ == netlink.NLMSG_ERROR:
            (code,) = struct.unpack_from("=i", payload)
            raise KernelRefusal(request.what, -code)
        return Reply(type_, flags, payload[0], payload[4:])

    def dump(self, request: Message) -> list[Reply]:
        """A whole listing. A listing that the kernel calls torn is repeated."""
        for _ in range(_DUMP_ATTEMPTS):
            self._send((request,), acknowledge=None)
            found = list(self._listing(request))
            if not any(each.flags & netlink.NLM_F_DUMP_INTR for each in found):
                return found
        raise HostError(f"could not {request.what}: it kept changing while being read")

    def _send(self, messages: Sequence[Message], acknowledge: int | None) -> list[tuple[int, int]]:
        """Sends all in one datagram, numbered from 1; number `acknowledge` is answered also when all is well.

        Gives (index, errno) of what was refused.
        """
        data = bytearray().join(each.data for each in messages)
        position = 0
        for index, each in enumerate(messages):
            struct.pack_into("=I", data, position + netlink.SEQUENCE_OFFSET, index + 1)
            if index == acknowledge:
                (flags,) = struct.unpack_from("=H", data, position + netlink.FLAGS_OFFSET)
                struct.pack_into("=H", data, position + netlink.FLAGS_OFFSET, flags | netlink.NLM_F_ACK)
            position += len(each.data)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, len(data) + (1 << 16))
            self._socket.send(data)
            return [] if acknowledge is None else list(self._errors())
        except OSError as error:
            raise HostError(f"could not {messages[0].what}: netlink: {error.strerror}") from error

    def _errors(self) -> Iterator[tuple[int, int]]:
        while True:
            try:
                data = self._socket.recv(_READ, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            for type_, _, sequence, payload in netlink.replies(data):
                if type_ == netlink.NLMSG_ERROR:
                    (code,) = struct.unpack_from("=i", payload)
                    if code:
                        yield sequence - 1, -code

    def _listing(self, request: Message) -> Iterator[Reply]:
        while True:
            try:
                data = self._socket.recv(_READ)
            except OSError as error:
                raise HostError(f"could not {request.what}: netlink: {error.strerror}") from error
            for type_, flags, _, payload in netlink.replies(data):
                if type_ in (netlink.NLMSG_DONE, netlink.NLMSG_ERROR):
                    (code,) = struct.unpack_from("=i", payload)
                    if code:
                        raise KernelRefusal(request.what, -code)
                    return
                yield Reply(type_, flags, payload[0], payload[4:])
