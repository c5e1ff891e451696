"""A LabPlan becomes machines: network namespaces on a switched LAN, with addresses, routes and kernel parameters.

    lan (bridge with the gateway's address; nothing leaves the LAN)
     +- server  +- edge  +- client  +- node-1 ... node-N

Nodes and the server have routes to every node's Pods. The client and the edge have none: they are outside the cluster. The
loop must be asyncio's own: uvloop does not take pyroute2's netlink sockets.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from moorage.lab import netns_io
from moorage.lab.files_io import write_machine_files, write_programs
from moorage.lab.plan import GATEWAY, INTERFACE, LAN, LabPlan, Machine
from moorage.lab.sweep_io import sweep
from moorage.model.errors import HostError

BRIDGE = "lan0"

QUIET = {
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv4/conf/all/send_redirects": 0,
    "net/ipv4/conf/default/send_redirects": 0,
    "net/ipv4/conf/all/accept_redirects": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/accept_ra": 0,
}
"""No reverse-path filter (answers may take another way than questions) and no redirects around the machine that translates."""

ROUTER = {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1, "net/ipv4/conf/all/arp_ignore": 0}


@asynccontextmanager
async def routing(namespace: str) -> AsyncIterator[Any]:
    """A route socket in that namespace; kernel refusals inside the block become HostError."""
    raw = netns_io.socket_in(namespace, socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE)
    try:
        async with AsyncIPRoute(fileno=raw.detach()) as route:
            yield route
    except NetlinkError as error:
        raise HostError(f"the kernel refused a link, address or route in {namespace}: {error}") from error


async def build(plan: LabPlan) -> None:
    """Makes every machine of the plan. Raises HostError where one exists or the kernel refuses; nothing is left then."""
    try:
        _make_namespaces(plan)
        await _make_switch(plan)
        await asyncio.gather(*(_set_up(plan, machine) for machine in plan.machines))
        for machine in plan.machines:
            write_machine_files(plan, machine)
        write_programs(plan)
    except BaseException:
        destroy(plan)
        raise


def destroy(plan: LabPlan) -> None:
    """Takes the machines, the Pods, their processes and the instance's files away."""
    sweep(plan.instance)


def _make_namespaces(plan: LabPlan) -> None:
    netns_io.create(plan.switch)
    with netns_io.inside(plan.switch):
        netns_io.set_sysctl(QUIET)
    for machine in plan.machines:
        netns_io.create(machine.namespace)
        with netns_io.inside(machine.namespace):
            netns_io.set_sysctl(QUIET | (ROUTER if routes_packets(machine) else {}))


def routes_packets(machine: Machine) -> bool:
    """Nodes forward for their Pods and Services, the edge for its clients."""
    return machine.pod_cidr is not None or machine.name == "edge"


async def _make_switch(plan: LabPlan) -> None:
    """The bridge, and one cable from it to each machine."""
    async with routing(plan.switch) as route:
        await route.link("set", index=1, state="up")
        await route.link("add", ifname=BRIDGE, kind="bridge")
        bridge = await link_index(route, BRIDGE)
        await route.link("set", index=bridge, state="up")
        await route.addr("add", index=bridge, address=str(GATEWAY), prefixlen=LAN.prefixlen)
        for machine in plan.machines:
            with netns_io.opened(machine.namespace) as far_end:
                peer = {"ifname": INTERFACE, "net_ns_fd": far_end}
                await route.link("add", ifname=machine.port, kind="veth", peer=peer, master=bridge, state="up")


async def _set_up(plan: LabPlan, machine: Machine) -> None:
    """Addresses and routes of one machine."""
    async with routing(machine.namespace) as route:
        await route.link("set", index=1, state="up")
        own = await link_index(route, INTERFACE)
        await route.link("set", index=own, state="up")
        await route.addr("add", index=own, address=str(machine.address), prefixlen=LAN.prefixlen)
        await route.route("add", dst="default", gateway=str(GATEWAY))
        if machine.pod_cidr is not None:
            await route.route("add", dst=str(machine.pod_cidr), type="unreachable")
        if machine.pod_cidr is not None or machine.name == "server":
            for node in plan.node_machines:
                if node.name != machine.name:
                    await route.route("add", dst=str(node.pod_cidr), gateway=str(node.address))


async def link_index(route: Any, name: str) -> int:
    """Raises HostError where the namespace has no such link."""
    found: list[int] = await route.link_lookup(ifname=name)
    if not found:
        raise HostError(f"there is no link {name}")
    return found[0]


async def power(plan: LabPlan, machine: str, on: bool) -> None:
    """Plugs the machine's cable in or pulls it. Its processes are not touched."""
    async with routing(plan.switch) as route:
        port = await link_index(route, plan.machine(machine).port)
        await route.link("set", index=port, state="up" if on else "down")


def is_absent(error: NetlinkError) -> bool:
    """The link, address or route to remove is gone already."""
    return error.code in (errno.ENODEV, errno.ESRCH, errno.ENOENT, errno.EADDRNOTAVAIL)
