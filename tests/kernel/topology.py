"""A node, clients and backends out of network namespaces, for tests that send real packets.

    client 198.18.0.100 ---- 198.18.0.11 node 10.244.1.1 ---- backend-N 10.244.1.N/32 (routed veth, no bridge)
           2001:db8::100 --- 2001:db8::11   fd00:244::1   ---- fd00:244::N

Sockets live in the namespaces, all code in this process: a thread enters a namespace, opens the socket and hands it over.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from moorage.datapath import netlink
from moorage.datapath.netlink_io import Netlink
from moorage.model.net import Address, Family

T = TypeVar("T")
_CONNTRACK_DELETE = 2
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)

NODE = {Family.IPV4: ip_address("198.18.0.11"), Family.IPV6: ip_address("2001:db8::11")}
CLIENT = {Family.IPV4: ip_address("198.18.0.100"), Family.IPV6: ip_address("2001:db8::100")}
PORT = 8080
_NODE_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/icmp_ratemask": "0",
    "net/ipv6/icmp/ratemask": "\n",
}
"""The masks name the ICMP types that are limited in number: none."""


def backend_address(family: Family, number: int) -> Address:
    return ip_address(f"10.244.1.{number}" if family is Family.IPV4 else f"fd00:244::{number}")


class Entered:
    """A thread that lives in a network namespace. `run` calls a function there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._thread = ThreadPoolExecutor(1, initializer=self._enter)

    def run(self, function: Callable[[], T]) -> T:
        return self._thread.submit(function).result(timeout=60)

    def close(self) -> None:
        self._thread.shutdown()

    def open_socket(self, family: Family, kind: socket.SocketKind, timeout: float = 3) -> socket.socket:
        made = self.run(lambda: socket.socket(socket.AF_INET if family is Family.IPV4 else socket.AF_INET6, kind))
        made.settimeout(timeout)
        return made

    def ask(self, address: Address, port: int, kind: socket.SocketKind = socket.SOCK_STREAM, timeout: float = 3) -> str:
        """One connection or datagram: sends a byte and gives what comes back, "name address port"."""
        with self.open_socket(Family.of(address), kind, timeout) as asking:
            asking.connect((str(address), port))
            asking.send(b"?")
            return asking.recv(200).decode()

    def _enter(self) -> None:
        with open(f"/run/netns/{self.name}") as namespace:
            if _LIBC.setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter {self.name}")


class Namespace(Entered):
    """A network namespace that is made here, and deleted by `close`."""

    def __init__(self, name: str) -> None:
        _ip(f"netns add {name}")
        super().__init__(name)
        self.run(lambda: _ip("link set lo up"))
        self.run(lambda: _write("net/ipv6/conf/default/accept_dad", "0"))

    def close(self) -> None:
        super().close()
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)


class Echo:
    """Answers each TCP read and each datagram with the server's name and the client's address and port, on one thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, waker = socket.socketpair()
        self._selector.register(waker, selectors.EVENT_READ, "stop")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def listen(self, namespace: Entered, family: Family, name: str, port: int = PORT, host: str = "") -> None:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            made = namespace.open_socket(family, kind)
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family is Family.IPV6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((host, port))
            if kind is socket.SOCK_STREAM:
                made.listen(256)
            self._selector.register(made, selectors.EVENT_READ, name)

    def close(self) -> None:
        self._wake.send(b"x")
        self._thread.join(5)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()
        self._wake.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data == "stop":
                    return
                self._answer(key.fileobj, key.data)  # type: ignore[arg-type]

    def _answer(self, ready: socket.socket, name: str) -> None:
        try:
            if ready.type == socket.SOCK_DGRAM:
                _, peer = ready.recvfrom(200)
                ready.sendto(f"{name} {peer[0]} {peer[1]}".encode(), peer)
            elif ready.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                accepted, _ = ready.accept()
                self._selector.register(accepted, selectors.EVENT_READ, name)
            elif ready.recv(200):
                peer = ready.getpeername()
                ready.send(f"{name} {peer[0]} {peer[1]}".encode())
            else:
                self._selector.unregister(ready)
                ready.close()
        except ConnectionError:
            self._selector.unregister(ready)
            ready.close()


def forget_all_flows() -> None:
    """Empties the connection tracking of the namespace: a later test whose socket draws the same port starts a new flow."""
    kernel = Netlink.open()
    try:
        for family, number in netlink.NFPROTO.items():
            body = netlink.message(netlink.SUBSYSTEM_CONNTRACK << 8 | _CONNTRACK_DELETE, 0, number, b"")
            assert kernel.execute([netlink.Message(body, f"forget all flows of {family.value}")]) == []
    finally:
        kernel.close()


class Topology:
    """The node, one client outside and `backends` namespaces, each listening on PORT in both families. Removes all of it."""

    def __init__(self, backends: int = 3) -> None:
        self._stack = ExitStack()
        try:
            self.echo = Echo()
            self._stack.callback(self.echo.close)
            self.node = self._namespace("node")
            self.client = self._namespace("client")
            self._link_client()
            self.backends = [self._backend(number) for number in range(2, 2 + backends)]
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Topology:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def _namespace(self, role: str) -> Namespace:
        made = Namespace(f"mt-{os.getpid()}-{role}")
        self._stack.callback(made.close)
        return made

    def _link_client(self) -> None:
        for path, value in _NODE_SYSCTLS.items():
            self.node.run(partial(_write, path, value))
        _ip(f"link add lan netns {self.node.name} type veth peer name eth0 netns {self.client.name}")
        for namespace, link, mine, other in ((self.node, "lan", NODE, CLIENT), (self.client, "eth0", CLIENT, NODE)):
            _ip(f"-n {namespace.name} addr add {mine[Family.IPV4]}/24 dev {link}")
            _ip(f"-n {namespace.name} addr add {mine[Family.IPV6]}/64 dev {link} nodad")
            _ip(f"-n {namespace.name} link set {link} up")
            _ip(f"-n {namespace.name} route add default via {other[Family.IPV4]}")
            _ip(f"-n {namespace.name} route add default via {other[Family.IPV6]}")

    def _backend(self, number: int) -> Namespace:
        made = self._namespace(f"b{number}")
        veth = f"pod{number}"
        _ip(f"link add {veth} netns {self.node.name} type veth peer name eth0 netns {made.name}")
        _ip(f"-n {self.node.name} addr add 169.254.1.1/32 dev {veth} scope link")
        _ip(f"-n {self.node.name} addr add fe80::1/64 dev {veth} nodad")
        _ip(f"-n {self.node.name} link set {veth} up")
        _ip(f"-n {made.name} link set eth0 up")
        for family, gateway in ((Family.IPV4, "169.254.1.1"), (Family.IPV6, "fe80::1")):
            address = backend_address(family, number)
            nodad = " nodad" if family is Family.IPV6 else ""
            _ip(f"-n {made.name} addr add {address}/{family.bits} dev eth0{nodad}")
            if family is Family.IPV4:
                _ip(f"-n {made.name} route add {gateway} dev eth0 scope link")
            _ip(f"-n {made.name} route add default via {gateway} dev eth0")
            _ip(f"-n {self.node.name} route add {address}/{family.bits} dev {veth}")
            self.echo.listen(made, family, f"b{number}")
        return made


def _ip(arguments: str) -> None:
    done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {arguments}: {done.stderr.strip()}")


def _write(path: str, value: str) -> None:
    """A sysctl of the calling thread's namespace."""
    Path("/proc/sys", path).write_text(value)
