"""One interface as a speaker uses it: hears questions for addresses and what others say of them, answers, and tells
all.

Raw sockets, so that no address is ever put on the interface: a speaker that does not run answers nobody. Needs
CAP_NET_RAW.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from moorage.announce import arp, ndp
from moorage.announce.arp import Arp
from moorage.announce.ndp import Ndp
from moorage.model.errors import HostError
from moorage.model.net import Address

_SO_ATTACH_FILTER = 26
_SIOCGIFHWADDR = 0x8927
_ETHERNET = 1
"""ARPHRD_ETHER: the kind of interface that has neighbours and answers them with a MAC."""
_LONGEST = 2048
_GROUPS_PER_SOCKET = 100
"""A socket has memory for some hundred groups (net.core.optmem_max)."""

_LOAD_BYTE, _JUMP_EQUAL, _RETURN = 0x30, 0x15, 0x06
_DISCOVERY = (
    (_LOAD_BYTE, 0, 0, ndp.NEXT_HEADER_AT),
    (_JUMP_EQUAL, 0, 4, ndp.ICMPV6),
    (_LOAD_BYTE, 0, 0, ndp.TYPE_AT),
    (_JUMP_EQUAL, 1, 0, ndp.NEIGHBOUR_SOLICITATION),
    (_JUMP_EQUAL, 0, 1, ndp.NEIGHBOUR_ADVERTISEMENT),
    (_RETURN, 0, 0, _LONGEST),
    (_RETURN, 0, 0, 0),
)
"""Classic BPF: neighbour solicitations and advertisements, and no other frame."""


class Wire:
    """Raises HostError where there is no such interface, or it has no MAC."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.index, self.mac = identity(interface)
        self._joined: dict[IPv6Address, socket.socket] = {}
        self._groups: list[tuple[socket.socket, set[IPv6Address]]] = []
        try:
            self.arp = _packet_socket(interface, arp.ETHERTYPE)
            self.ndp = _packet_socket(interface, ndp.ETHERTYPE, _DISCOVERY)
        except OSError as error:
            raise HostError(f"interface {interface}: cannot listen for neighbours: {error.strerror}") from error

    @property
    def sockets(self) -> tuple[socket.socket, socket.socket]:
        return self.arp, self.ndp

    def close(self) -> None:
        for each in (self.arp, self.ndp, *(group for group, _ in self._groups)):
            each.close()

    def is_stale(self) -> bool:
        """Whether the interface is another one now, or gone."""
        try:
            return (self.index, self.mac) != identity(self.interface)
        except HostError:
            return True

    def read(self, ready: socket.socket) -> Arp | Ndp | None:
        """One message from a socket that is readable, None for one that says nothing."""
        try:
            frame = ready.recv(_LONGEST)
        except OSError:
            return None
        return arp.read(frame) if ready is self.arp else ndp.read(frame)

    def answer(self, asked: Arp | Ndp) -> None:
        if isinstance(asked, Arp):
            self._send(self.arp, arp.answer(self.mac, asked))
        else:
            self._send(self.ndp, ndp.answer(self.mac, asked))

    def tell(self, address: Address) -> None:
        """Tells all neighbours that the address is here."""
        if isinstance(address, IPv4Address):
            for frame in arp.gratuitous(self.mac, address):
                self._send(self.arp, frame)
        else:
            self._send(self.ndp, ndp.unsolicited(self.mac, address))

    def listen_for(self, addresses: Iterable[Address]) -> None:
        """Joins the multicast groups in which IPv6 addresses are asked for, and leaves those of others."""
        wanted = {ndp.solicited_node(each) for each in addresses if isinstance(each, IPv6Address)}
        for group in self._joined.keys() - wanted:
            self._change(self._joined.pop(group), socket.IPV6_LEAVE_GROUP, group)
        for group in wanted - self._joined.keys():
            self._joined[group] = self._group_socket()
            self._change(self._joined[group], socket.IPV6_JOIN_GROUP, group)

    def _group_socket(self) -> socket.socket:
        for made, groups in self._groups:
            if len(groups) < _GROUPS_PER_SOCKET:
                return made
        self._groups.append((socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), set()))
        return self._groups[-1][0]

    def _change(self, made: socket.socket, option: int, group: IPv6Address) -> None:
        """An interface without IPv6 has no groups: nobody asks there."""
        groups = next(groups for each, groups in self._groups if each is made)
        (groups.add if option == socket.IPV6_JOIN_GROUP else groups.discard)(group)
        try:
            made.setsockopt(socket.IPPROTO_IPV6, option, group.packed + struct.pack("@I", self.index))
        except OSError:
            return

    def _send(self, through: socket.socket, frame: bytes) -> None:
        """A frame that does not get out is lost, as any frame can be: it is repeated, or asked for again."""
        try:
            through.send(frame)
        except OSError:
            return


def identity(interface: str) -> tuple[int, bytes]:
    """Index and MAC. Raises HostError where there is no such interface, or it has no MAC."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            index = socket.if_nametoindex(interface)
            answer = fcntl.ioctl(asking, _SIOCGIFHWADDR, struct.pack("16sH14x", interface.encode()[:15], 0))
        except OSError as error:
            raise HostError(f"there is no interface {interface}; name one that `ip link` shows") from error
    kind, mac = struct.unpack("16xH6s8x", answer)
    if kind != _ETHERNET:
        raise HostError(f"interface {interface} has no MAC: addresses cannot be announced there")
    return index, mac


def _packet_socket(interface: str, ethertype: int, program: tuple[tuple[int, int, int, int], ...] = ()) -> socket.socket:
    """Hears nothing before its filter is in place."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        if program:
            code = ctypes.create_string_buffer(b"".join(struct.pack("@HBBI", *each) for each in program))
            made.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code)))
        made.bind((interface, ethertype))
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
