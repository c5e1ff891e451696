"""The plan of a lab: how many nodes -> the name and address of every machine. The only place with addresses.

LAN 198.18.0.0/16 (RFC 2544)    gateway .0.1   server .0.2   edge .0.3   client .0.100   node N .0.(10+N)
Pods 10.244.0.0/16 (RFC 1918)   node N has 10.244.N.0/24
Pod gateway 169.254.1.1         on the node's side of every Pod's link (RFC 3927)
"""

from __future__ import annotations

import re
from collections.abc import Collection
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network
from pathlib import PurePosixPath

import msgspec

from moorage.model.errors import UserError

MAX_NODES = 80
"""Node addresses end below the client's."""

LAN = IPv4Network("198.18.0.0/16")
GATEWAY = LAN[1]
POD_GATEWAY = IPv4Address("169.254.1.1")
RUNTIME = PurePosixPath("/run/moorage")
INTERFACE = "eth0"
"""The link of every machine and every Pod, seen from inside."""

_INSTANCE = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")
_MACHINE = re.compile(r"lan|server|edge(-[1-9][0-9]*)?|client|node-[1-9][0-9]*|pod-[-a-z0-9]+\.[-a-z0-9.]+")
_MAX_NAME = 200
"""Bytes of a namespace name: a file name holds 255."""


class Machine(msgspec.Struct, frozen=True):
    """One machine of the LAN. `pod_cidr` is set for nodes: the Pods they hold. `port` is its socket of the switch."""

    name: str
    namespace: str
    address: IPv4Address
    pod_cidr: IPv4Network | None = None

    @property
    def port(self) -> str:
        """The switch's side of the cable, an interface name of at most 15 bytes."""
        return self.name


class LabPlan(msgspec.Struct, frozen=True):
    """A lab that belongs to `instance`. Everything named starts with `INSTANCE-`, every file lies below `state`."""

    instance: str = "moorage"
    nodes: int = 3
    cluster_cidr: IPv4Network = IPv4Network("10.244.0.0/16")
    service_cidr: IPv4Network = IPv4Network("10.96.0.0/16")
    load_balancer_range: str = "198.18.100.1-198.18.100.254"

    def __post_init__(self) -> None:
        check_instance(self.instance)
        if not 1 <= self.nodes <= MAX_NODES:
            raise UserError(f"a lab has 1 to {MAX_NODES} nodes, not {self.nodes}")

    @property
    def dns_address(self) -> IPv4Address:
        """The ClusterIP of cluster DNS: the tenth of the Service range, as kubeadm has it."""
        return self.service_cidr[10]

    @property
    def server(self) -> Machine:
        return self._machine("server", 2)

    @property
    def edge(self) -> Machine:
        return self._machine("edge", 3)

    @property
    def client(self) -> Machine:
        return self._machine("client", 100)

    @property
    def node_machines(self) -> tuple[Machine, ...]:
        subnets = list(self.cluster_cidr.subnets(new_prefix=24))
        return tuple(self._machine(f"node-{n}", 10 + n, subnets[n]) for n in range(1, self.nodes + 1))

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Everything with a cable to the switch."""
        return (self.server, self.edge, self.client, *self.node_machines)

    @property
    def switch(self) -> str:
        """The namespace of the LAN's bridge, which holds the gateway's address and forwards nothing beyond the LAN."""
        return f"{self.instance}-lan"

    @property
    def state(self) -> PurePosixPath:
        return RUNTIME / self.instance

    @property
    def programs(self) -> PurePosixPath:
        """A folder for PATH: the lab's own commands (`ask`)."""
        return self.state / "bin"

    def machine(self, name: str) -> Machine:
        """Raises UserError where the lab has no such machine."""
        for each in self.machines:
            if each.name == name:
                return each
        raise UserError(f"the lab has no machine {name!r}: it has {', '.join(each.name for each in self.machines)}")

    def machine_directory(self, name: str) -> PurePosixPath:
        """resolv.conf, hosts and hostname as programs on that machine see them."""
        return self.state / "machines" / name

    def pod_namespace(self, namespace: str, name: str, uid: str) -> str:
        """The network namespace of a Pod. The uid keeps a Pod and its namesake's successor apart."""
        return f"{self.instance}-pod-{_pod_name(namespace, name, uid)}"

    def pod_directory(self, namespace: str, name: str, uid: str) -> PurePosixPath:
        """A Pod's resolv.conf, hosts and hostname, and `CONTAINER.log` for each container."""
        return self.state / "pods" / _pod_name(namespace, name, uid)

    def _machine(self, name: str, host: int, pod_cidr: IPv4Network | None = None) -> Machine:
        return Machine(name, f"{self.instance}-{name}", LAN[host], pod_cidr)


def _pod_name(namespace: str, name: str, uid: str) -> str:
    """`default.web-1.4f9c2d1e`; names too long for a file are cut and keep a digest. No two Pods share one."""
    full = f"{namespace}.{name}.{uid[:8] or '0'}"
    if len(full) <= _MAX_NAME - 40:
        return full
    return f"{full[: _MAX_NAME - 60]}.{sha256(f'{full}{uid}'.encode()).hexdigest()[:12]}"


def check_instance(instance: str) -> None:
    """Raises UserError for a name whose namespaces could be taken for those of another instance."""
    if not _INSTANCE.fullmatch(instance) or "pod" in instance.split("-"):
        raise UserError(
            f"{instance!r} cannot name an instance: use up to 32 of a-z, 0-9 and '-', not at the ends, and no part 'pod'"
        )


def belongs_to(instance: str, namespace: str) -> bool:
    """Whether a network namespace of that name is one of the instance's own."""
    prefix = f"{instance}-"
    return namespace.startswith(prefix) and _MACHINE.fullmatch(namespace.removeprefix(prefix)) is not None


def pod_link(cidr: IPv4Network, address: IPv4Address) -> str:
    """The node's side of a Pod's link: `pod-7` for 10.244.1.7."""
    return f"pod-{int(address) - int(cidr.network_address)}"


def next_pod_address(cidr: IPv4Network, used: Collection[IPv4Address], last: IPv4Address | None) -> IPv4Address | None:
    """The first free address after `last`, from .2 on and around: each is reused as late as possible. None: all taken."""
    first, end = int(cidr.network_address) + 2, int(cidr.broadcast_address)
    start = first if last is None else max(first, int(last) + 1)
    for value in (*range(start, end), *range(first, min(start, end))):
        if (address := IPv4Address(value)) not in used:
            return address
    return None
