"""TCP frontends of Services with `moorage.dev/proxy-protocol: v2` -> what HAProxy is told: a configuration, and commands.

    edge_table's frontends -> divide -> what stays in the datapath, and Proxies
    Proxies -> render     the configuration, with the servers as they stand now
            -> shape      the same without how they stand: two equal shapes need no new process
            -> commands   from one standing to another, over HAProxy's own socket

Every node is a server, so that one that fails or comes back is one command. Nothing of the text comes from an object but
numbers and addresses. Source: HAProxy 2.6 configuration and management manuals; PROXY protocol version 2,
haproxy.org/download/2.6/doc/proxy-protocol.txt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from moorage.balance.edge import everybody
from moorage.model.meta import Key
from moorage.model.net import Address, Family, Protocol
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.snapshot import Snapshot
from moorage.table.ingress import proxy_protocol
from moorage.table.types import Backend, Choice, ForwardingTable, Frontend, FrontendAddress

LINGER = "1h"
"""How long a process that has been replaced keeps the connections that it has."""
MOST_OLD = 50
"""How many replaced processes there may be: the oldest goes, with its connections."""


LEFT = Choice((), Reason.PROXIED)


class Proxy(msgspec.Struct, frozen=True):
    """One frontend that HAProxy serves. `servers` are all nodes' addresses with its NodePort; `usable` are those that may get
    new connections. With `affinity`, a client's address decides which.
    """

    match: FrontendAddress
    servers: tuple[Backend, ...]
    usable: frozenset[bytes]
    affinity: bool = False

    @property
    def name(self) -> str:
        return f"{self.match.address}-{self.match.port}"


Proxies = tuple[Proxy, ...]


def divide(table: ForwardingTable, snapshot: Snapshot) -> tuple[ForwardingTable, Proxies]:
    """The table with what HAProxy serves left to it, once the kernel has seen who is let in. A frontend that has no node to use
    stays as it is, so that the kernel refuses connections before HAProxy accepts them.
    """
    services: dict[Key, tuple[Frontend, ...]] = {}
    proxies: list[Proxy] = []
    nodes = {family: everybody(snapshot, family) for family in Family}
    for key, frontends in table.services.items():
        service = snapshot.get(Service, key)
        if service is None or not proxy_protocol(service):
            services[key] = frontends
            continue
        of = [_proxy(service, each, nodes) for each in frontends if each.match.protocol is Protocol.TCP]
        proxies += filter(None, of)
        services[key] = tuple(map(_left_to_haproxy, frontends))
    return msgspec.structs.replace(table, services=services), tuple(sorted(proxies, key=lambda each: each.name))


def _left_to_haproxy(frontend: Frontend) -> Frontend:
    if frontend.match.protocol is not Protocol.TCP or not frontend.backends:
        return frontend
    return Frontend(frontend.match, frontend.kind, LEFT, sources=frontend.sources, port_name=frontend.port_name)


def _proxy(service: Service, frontend: Frontend, nodes: Mapping[Family, Sequence[Address]]) -> Proxy | None:
    match = frontend.match
    node_port = next((each.node_port for each in service.spec.ports if _is(each.protocol, each.port, match)), 0)
    servers = tuple(Backend.at(each, node_port) for each in nodes[Family.of(match.address)])
    if not node_port or not servers:
        return None
    usable = frozenset(each.endpoint for each in frontend.backends)
    return Proxy(match, servers, usable, bool(frontend.affinity))


def _is(protocol: str, port: int, match: FrontendAddress) -> bool:
    return port == match.port and (protocol or Protocol.TCP.value) == match.protocol.value


def render(proxies: Proxies, socket: str) -> str:
    """The configuration. `socket` is where the process takes commands."""
    return _text(proxies, socket, {name for name, usable in standings(proxies).items() if not usable})


def shape(proxies: Proxies) -> str:
    return _text(proxies, "", set())


def standings(proxies: Proxies) -> dict[str, bool]:
    """Whether each server may get new connections, by the name that commands use."""
    return {_name(each, server): server.endpoint in each.usable for each in proxies for server in each.servers}


def _name(proxy: Proxy, server: Backend) -> str:
    return f"{proxy.name}/{server.address}-{server.port}"


def commands(before: Mapping[str, bool], after: Mapping[str, bool]) -> list[str]:
    """Each is answered with an empty line. A server in maintenance keeps its connections and gets no new ones."""
    changed = (name for name, usable in after.items() if before.get(name) != usable)
    return [f"set server {name} state {'ready' if after[name] else 'maint'}" for name in changed]


def _text(proxies: Proxies, socket: str, disabled: set[str]) -> str:
    head = f"""global
    stats socket {socket} mode 600 level admin expose-fd listeners
    hard-stop-after {LINGER}
    mworker-max-reloads {MOST_OLD}
    user haproxy
    group haproxy

defaults
    mode tcp
    timeout connect 2s
    timeout client {LINGER}
    timeout server {LINGER}
    option clitcpka
    option srvtcpka
    option redispatch
"""
    return head + "".join(line + "\n" for each in proxies for line in _listen(each, disabled))


def _listen(proxy: Proxy, disabled: set[str]) -> Iterator[str]:
    """`transparent` lets it listen before this machine owns the address."""
    yield ""
    yield f"listen {proxy.name}"
    yield f"    bind {proxy.match.address}:{proxy.match.port} transparent"
    if proxy.affinity:
        yield "    balance source"
        yield "    hash-type consistent"
    else:
        yield "    balance random"
    for server in proxy.servers:
        name, state = _name(proxy, server).partition("/")[2], " disabled" if _name(proxy, server) in disabled else ""
        yield f"    server {name} {server.address}:{server.port} send-proxy-v2{state}"
