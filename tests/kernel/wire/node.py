"""A node whose links all end in one place: packets go in on any link, and what comes out is known without waiting.

Why the fence suffices. The calling thread stays on one CPU. A packet sent on a veth or on `lo` is appended to the backlog of
the CPU that sends it (`netif_rx`): veth has a queue of its own only with XDP or GRO, and receive packet steering is off. There
is one backlog per CPU for all links of all namespaces, first in first out, and one softirq at a time works it off: packet by
packet, through all hooks, to the sockets or on to the next link, which appends to the same backlog again. So when a packet
leaves the backlog, all that went in before it have gone before it. A fence goes through the backlog once, on a link of its own
where no rule of the node applies. When the k-th fence in a row has arrived, everything has been handled that was at most k
passes away from where it was sent. The longest way takes two: world to node and node to world, or node to itself and its
answer back. Links, neighbours and rules hold nothing back: veth has no queue discipline, and all neighbours are known.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import msgspec

from moorage.datapath import netlink
from moorage.datapath.netlink_io import Netlink
from tests.kernel.needs import unique_instance
from tests.kernel.topology import Namespace
from tests.kernel.wire.frames import Kind, Parsed, parse_frame
from tests.kernel.wire.local import LocalEnd, WireError
from tests.kernel.wire.packets import Packet, datagram, ethernet
from tests.kernel.wire.plan import (
    FENCE,
    FENCE_LINK,
    LINKS,
    NODE_SYSCTLS,
    WORLD_SYSCTLS,
    Link,
    links_batch,
    node_batch,
    world_batch,
)

KEPT = "node"
"""The link of what the node keeps."""
FENCES = 3
"""One more than the longest way takes."""

_WAIT = 2.0
_READ = 4096
_ETH_P_ALL = 3
_EXPERIMENTAL = 0x88B5
"""EtherType for local experiments (IEEE 802), which no stack reads."""
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_IGNORE_OUTGOING = 263, 6, 23
_SO_RCVBUFFORCE = 33
_SIOCETHTOOL, _ETHTOOL_STXCSUM = 0x8946, 0x17
_CONNTRACK_DELETE = 2


class Captured(msgspec.Struct, frozen=True, gc=False):
    """`link` is the link that the packet left the node on, or KEPT."""

    link: str
    packet: Parsed


class WireNode:
    """Makes the namespaces when it is made, and removes them on exit. Only the thread that made it may send and collect.

    `room` is the size of the capture's buffer in bytes; a frame takes about 1,000. The kernel tracks `nf_conntrack_max`
    connections (262,144) and then gives up old ones for new ones: `reset` before that.
    """

    def __init__(self, room: int = 64 << 20) -> None:
        self._room = room
        self._stack = ExitStack()
        try:
            self._stay_on_this_cpu()
            instance = unique_instance("wire")
            self.node = self._namespace(f"{instance}-node")
            self.world = self._namespace(f"{instance}-world")
            self._link()
            self._open()
            self.collect()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> WireNode:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def inject(self, link: str, packet: Packet) -> None:
        """Sends it into the node as if it came from that link."""
        headers = self._headers[link]
        self.inject_frame(link, headers[packet.source.version] + datagram(packet))

    def inject_many(self, packets: Iterable[tuple[str, Packet]]) -> None:
        for link, packet in packets:
            self.inject(link, packet)

    def inject_frame(self, link: str, frame: bytes) -> None:
        """A whole Ethernet frame, which has to be addressed to `Link.near`."""
        self._check_thread()
        self._wire.sendto(frame, (link, 0))

    def send_local(self, packet: Packet) -> int:
        """A packet of the node's own, from any source address. Gives 0 or the errno of `LocalEnd.send`."""
        self._check_thread()
        return self._local.send(packet)

    def collect(self) -> list[Captured]:
        """Everything that came of the packets sent since the last call, in the order of leaving; what the node kept comes last.
        The stack's chatter is left out. Raises WireError where the list is not complete.
        """
        self._check_thread()
        frames: list[bytes] = []
        for _ in range(FENCES):
            self._fence(frames)
        self._check_losses()
        near = self._near
        found = [Captured(near[frame[6:12]], parse_frame(frame)) for frame in frames]
        found += [Captured(KEPT, packet) for packet in self._local.drain()]
        return [each for each in found if each.packet.kind is not Kind.CHATTER]

    def reset(self) -> None:
        """Forgets all tracked connections, and all that has not been collected. It takes 20 ms where there is any connection:
        the kernel walks the table of all namespaces.
        """
        assert self._netlink.execute([_FORGET]) == []
        self.collect()

    def readable(self, timeout: float) -> bool:
        """Whether a frame is there that has not been collected, or comes within `timeout` seconds."""
        return bool(self._poll.poll(timeout * 1000))

    def _fence(self, frames: list[bytes]) -> None:
        """Sends one and reads all frames before it."""
        self._fences += 1
        fence = self._fence_header + self._fences.to_bytes(8, "big")
        self._wire.sendto(fence, (FENCE, 0))
        deadline = time.monotonic() + _WAIT
        receive = self._wire.recv
        while True:
            try:
                frame = receive(_READ)
            except BlockingIOError:
                self._wait(deadline)
                continue
            if frame == fence:
                return
            if not frame.startswith(self._fence_header):
                frames.append(frame)

    def _wait(self, deadline: float) -> None:
        self._check_losses()
        left = deadline - time.monotonic()
        if left <= 0 or not self.readable(left):
            raise WireError(f"a fence has not come back within {_WAIT} s")

    def _check_losses(self) -> None:
        _, drops = struct.unpack("=II", self._wire.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        if drops:
            raise WireError(f"{drops} frames found no room: collect more often")

    def _check_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise WireError("only the thread that made the node may use it: the fence holds for one CPU")

    def _stay_on_this_cpu(self) -> None:
        self._thread = threading.get_ident()
        self._stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, {ctypes.CDLL(None).sched_getcpu()})

    def _namespace(self, name: str) -> Namespace:
        made = Namespace(name)
        self._stack.callback(made.close)
        return made

    def _link(self) -> None:
        self.node.run(lambda: _set(NODE_SYSCTLS))
        self.world.run(lambda: _set(WORLD_SYSCTLS))
        self.node.run(lambda: _ip_batch(links_batch(self.world.name)))
        self.world.run(lambda: _ip_batch(world_batch()))
        self.node.run(lambda: _ip_batch(node_batch()))
        self.node.run(lambda: _checksum_in_software(LINKS))

    def _open(self) -> None:
        self._wire = self._stack.enter_context(self.world.run(lambda: _capture(self._room)))
        self._poll = select.poll()
        self._poll.register(self._wire, select.POLLIN)
        self._local = self.node.run(LocalEnd)
        self._stack.callback(self._local.close)
        self._netlink = self.node.run(Netlink.open)
        self._stack.callback(self._netlink.close)
        self._headers = {link.name: {version: ethernet(link.near, link.far, version) for version in (4, 6)} for link in LINKS}
        self._near = {link.near: link.name for link in LINKS}
        self._fence_header = FENCE_LINK.near + FENCE_LINK.far + _EXPERIMENTAL.to_bytes(2, "big")
        self._fences = 0


_FORGET = netlink.Message(netlink.message(netlink.SUBSYSTEM_CONNTRACK << 8 | _CONNTRACK_DELETE, 0, 0), "forget all flows")
"""A deletion that names no flow, with `nfgenmsg.version` 0, deletes those of all families (`ctnetlink_del_conntrack`)."""


def _capture(room: int) -> socket.socket:
    """One socket for all links of the world: one queue, so frames keep their order across links."""
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_ALL))
    made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, room)
    made.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
    return made


def _checksum_in_software(links: tuple[Link, ...]) -> None:
    """A veth with checksum offload hands on the node's own packets with unfinished checksums."""
    value = ctypes.create_string_buffer(struct.pack("=II", _ETHTOOL_STXCSUM, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for link in links:
            fcntl.ioctl(control, _SIOCETHTOOL, struct.pack("16sP16x", link.name.encode(), ctypes.addressof(value)))


def _set(sysctls: dict[str, str]) -> None:
    for path, value in sysctls.items():
        Path("/proc/sys", path).write_text(value)


def _ip_batch(text: str) -> None:
    done = subprocess.run(["ip", "-batch", "-"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip -batch: {done.stderr.strip()}")
