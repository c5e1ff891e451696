"""Two nodes below two top-of-rack routers, with the real API server and agents.

    client ---- frr (AS 64513, API server) ---- one, two ---- bird (AS 64512)
    .9.100      .1.1 to one, .2.1 to two        .11           .3.1 to one, .4.1 to two

These are of 198.18.0.0/16, and 2001:db8::/32 is alike.

Each node has a backend at an address of its own loopback. The Service is `externalTrafficPolicy: Local`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.client.socket_io import AddressInfo
from moorage.lab.launch import Entry, command_line
from moorage.lab.netns_io import socket_in
from moorage.model.cluster import Node
from moorage.model.meta import Object
from moorage.model.net import Family
from moorage.model.service import Service
from moorage.run.agent_process import AgentProcess
from moorage.run.identities import node_identity
from moorage.run.server_process import ServerProcess
from tests.kernel.bgp_objects import BIRD_PASSWORD, NODES, VIPS, objects
from tests.kernel.routers import BirdRouter, FrrRouter
from tests.kernel.topology import Echo, Namespace, _ip, _write

T = TypeVar("T")
PORT = 8080
_LINKS = ((1, "frr", "one"), (2, "frr", "two"), (3, "bird", "one"), (4, "bird", "two"), (9, "frr", "client"))
"""The third octet of the link's network, the router's end, the other end."""

_FRR = """router bgp 64513
 bgp router-id 198.18.1.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp bestpath as-path multipath-relax
 bgp graceful-restart
 {neighbors}
 address-family ipv4 unicast
  maximum-paths 8
  {activate}
 exit-address-family
 address-family ipv6 unicast
  maximum-paths 8
  {activate}
 exit-address-family
"""
_BIRD = """router id 198.18.3.1;
protocol device {{ scan time 1; }}
protocol kernel {{ ipv4 {{ export all; }}; merge paths on; }}
protocol kernel {{ ipv6 {{ export all; }}; merge paths on; }}
protocol direct {{ ipv4; ipv6; }}
protocol bfd {{ interface "*" {{ min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }}; }}
template bgp nodes {{
  local as 64512;
  direct;
  hold time 9;
  passive on;
  bfd on;
  error wait time 1, 2;
  password "{password}";
  ipv4 {{ import all; export none; gateway direct; next hop self; }};
  ipv6 {{ import all; export none; gateway direct; next hop self; }};
}}
protocol bgp one from nodes {{ neighbor 198.18.3.11 as 64512; }}
protocol bgp two from nodes {{ neighbor 2001:db8:4::11 as 64512; }}
"""


class BGPLab:
    """Agents are not started. `close` takes all of it away."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        try:
            self._set_up()
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        self._stack.close()

    def _set_up(self) -> None:
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="moorage-bgp-test-")))
        self.echo = Echo()
        self._stack.callback(self.echo.close)
        self.spaces = {role: self._namespace(role) for role in ("frr", "bird", "one", "two", "client")}
        for number, router, other in _LINKS:
            self._link(number, router, other)
        for number, name in enumerate(NODES, start=1):
            self._node(number, name)
        for default in ("route add default via 198.18.9.1", "route add default via 2001:db8:9::1"):
            _ip(f"-n {self.spaces['client'].name} {default}")
        self._start_routers(directory)
        self._start_server(directory)
        self.api(lambda client: _create(client, objects()))

    def _namespace(self, role: str) -> Namespace:
        made = Namespace(f"mt-{os.getpid()}-{role}")
        self._stack.callback(made.close)
        for path in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/fib_multipath_hash_policy"):
            made.run(lambda path=path: _write(path, "1"))  # type: ignore[misc]
        made.run(lambda: _write("net/ipv6/fib_multipath_hash_policy", "1"))
        return made

    def _link(self, number: int, router: str, other: str) -> None:
        a, b = self.spaces[router].name, self.spaces[other].name
        end = 100 if other == "client" else 11
        _ip(f"link add to-{other} netns {a} type veth peer name to-{router} netns {b}")
        for space, link, host in ((a, f"to-{other}", 1), (b, f"to-{router}", end)):
            _ip(f"-n {space} addr add 198.18.{number}.{host}/24 dev {link}")
            _ip(f"-n {space} addr add 2001:db8:{number}::{host}/64 dev {link} nodad")
            _ip(f"-n {space} link set {link} up")

    def _node(self, number: int, name: str) -> None:
        space = self.spaces[name]
        _ip(f"-n {space.name} route add default via 198.18.{number}.1")
        _ip(f"-n {space.name} route add default via 2001:db8:{number}::1")
        for family, address in ((Family.IPV4, f"10.244.{number}.2"), (Family.IPV6, f"fd00:244:{number}::2")):
            nodad = " nodad" if family is Family.IPV6 else ""
            _ip(f"-n {space.name} addr add {address}/{family.bits} dev lo{nodad}")
            self.echo.listen(space, family, name, PORT, address)

    def _start_routers(self, directory: Path) -> None:
        addresses = ("198.18.1.11", "198.18.2.11")
        neighbors = "\n ".join(
            f"neighbor {each} {setting}" for each in addresses for setting in ("remote-as 64512", "passive", "timers 3 9")
        )
        activate = "\n  ".join(f"neighbor {each} activate" for each in addresses)
        self.frr = FrrRouter(self.spaces["frr"].name, directory / "frr", _FRR.format(neighbors=neighbors, activate=activate))
        self._stack.callback(self.frr.close)
        self.bird = BirdRouter(self.spaces["bird"].name, directory / "bird", _BIRD.format(password=BIRD_PASSWORD))
        self._stack.callback(self.bird.close)

    def _start_server(self, directory: Path) -> None:
        url = "https://198.18.1.1:6443"
        files = {name: directory / f"kubeconfig.{name}" for name in NODES}
        options = ["--service-cidr", "10.96.0.0/16,fd00:96::/112"]
        for name, file in files.items():
            options += ["--kubeconfig-out", f"{node_identity(name)}={url}={file}"]
        prefix = command_line(Entry(self.spaces["frr"].name), ())
        self.server = ServerProcess(directory, options, "198.18.1.1:6443", prefix)
        self._stack.callback(self.server.stop)
        self.server.start()
        self.agents = {}
        for name, file in files.items():
            agent = AgentProcess(
                self.spaces[name].name, name, file, directory / f"{name}.log", ("--cluster-cidr", "10.244.0.0/16")
            )
            self._stack.callback(agent.stop)
            self.agents[name] = agent

    def api(self, work: Callable[[HttpClient], Coroutine[Any, Any, T]]) -> T:
        """Does something as the administrator."""

        async def connected() -> T:
            async with HttpClient(load(self.server.kubeconfig), self._from_client, "test") as client:
                return await work(client)

        return asyncio.run(connected())

    def _from_client(self, info: AddressInfo) -> socket.socket:
        return socket_in(self.spaces["client"].name, info[0], info[1], info[2])

    def start(self, *names: str) -> None:
        async def all_started() -> None:
            await asyncio.gather(*(self.agents[each].start() for each in names))

        asyncio.run(all_started())

    def ask(self, family: Family = Family.IPV4, timeout: float = 1.0) -> str:
        """Which node's backend answers a connection from outside to the Service."""
        return self.spaces["client"].ask(ip_address(VIPS[family]), 80, timeout=timeout).split()[0]

    def kernel_next_hops(self, router: str, prefix: str) -> set[str]:
        """The gateways that the router's kernel has for a prefix."""
        family = "-6" if ":" in prefix else "-4"
        command = ["ip", family, "-n", self.spaces[router].name, "route", "show", prefix]
        words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return {after for word, after in pairwise(words) if word == "via"}


async def _create(client: HttpClient, made: tuple[Object, ...]) -> None:
    for each in made:
        await client.create(each)
        if isinstance(each, Service | Node):
            current = await client.get(type(each), each.key)
            await client.update(msgspec.structs.replace(current, status=each.status), "status")
