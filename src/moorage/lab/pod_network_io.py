"""The network of a Pod: a namespace with one routed link to its node, as in docs/architecture.md. There is no bridge.

Pod: eth0 ADDRESS/32, default via 169.254.1.1      node: pod-N 169.254.1.1/32, route to ADDRESS/32
"""

from __future__ import annotations

from ipaddress import IPv4Address

from pyroute2.netlink.exceptions import NetlinkError

from moorage.lab import netns_io
from moorage.lab.machines_io import QUIET, is_absent, link_index, routing
from moorage.lab.plan import INTERFACE, POD_GATEWAY, Machine, pod_link
from moorage.model.errors import HostError


async def attach_pod(node: Machine, namespace: str, address: IPv4Address) -> None:
    """Makes the network namespace and links it to the node. Raises HostError; nothing is left then."""
    netns_io.create(namespace)
    try:
        with netns_io.inside(namespace):
            netns_io.set_sysctl(QUIET)
        await _link(node, namespace, address)
        await _set_up_inside(namespace, address)
    except BaseException:
        await detach_pod(node, namespace, address)
        raise


async def _link(node: Machine, namespace: str, address: IPv4Address) -> None:
    """The node's side. The route names the node's own address as source, so that probes come from there."""
    name = _link_name(node, address)
    async with routing(node.namespace) as route:
        with netns_io.opened(namespace) as inside:
            peer = {"ifname": INTERFACE, "net_ns_fd": inside}
            await route.link("add", ifname=name, kind="veth", peer=peer, state="up")
        index = await link_index(route, name)
        await route.addr("add", index=index, address=str(POD_GATEWAY), prefixlen=32, scope=253)
        await route.route("add", dst=f"{address}/32", oif=index, scope=253, prefsrc=str(node.address))


async def _set_up_inside(namespace: str, address: IPv4Address) -> None:
    async with routing(namespace) as route:
        await route.link("set", index=1, state="up")
        index = await link_index(route, INTERFACE)
        await route.link("set", index=index, state="up")
        await route.addr("add", index=index, address=str(address), prefixlen=32)
        await route.route("add", dst=f"{POD_GATEWAY}/32", oif=index, scope=253)
        await route.route("add", dst="default", gateway=str(POD_GATEWAY), oif=index)


async def detach_pod(node: Machine, namespace: str, address: IPv4Address) -> None:
    """Takes link and namespace away; absent is not an error. The namespace ends with its last process."""
    if netns_io.exists(node.namespace):
        try:
            async with routing(node.namespace) as route:
                for index in await route.link_lookup(ifname=_link_name(node, address)):
                    await route.link("del", index=index)
        except HostError as error:
            if not isinstance(error.__cause__, NetlinkError) or not is_absent(error.__cause__):
                raise
    netns_io.delete(namespace)


def _link_name(node: Machine, address: IPv4Address) -> str:
    assert node.pod_cidr is not None, f"{node.name} is no node"
    return pod_link(node.pod_cidr, address)
