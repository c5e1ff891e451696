"""The namespaces of a `BenchPlan`, and the links between them as a cluster routes them. Nothing leaves them.

The node forwards. The outside client has a default route through it; backends and the inside client are Pods behind routed
links, as `lab/pod_network_io.py` has them, except that all backends share one: a whole prefix is local there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from moorage.lab import netns_io
from moorage.lab.machines_io import QUIET, ROUTER, link_index, routing
from moorage.lab.plan import INTERFACE, LAN, POD_GATEWAY
from moorage.model.errors import HostError
from moorage.run.bench_lab import BACKENDS, INSIDE_ADDRESS, NODE_ADDRESS, OUTSIDE_ADDRESS, TARGET_PORT, BenchPlan

CLIENT_PORTS = "32768 40959"
"""Source ports of a client: 8,192, so that each is used again within a second or two, and all the traces that they leave
(TIME_WAIT at backends, tracked connections on the node) stay below the kernel's limits.
"""
CLIENT: Mapping[str, str | int] = {
    "net/ipv4/ip_local_port_range": CLIENT_PORTS,
    "net/ipv4/tcp_syn_retries": 2,
}
"""A client that nobody answers gives up after 3 s."""

SERVER: Mapping[str, str | int] = {"net/ipv4/tcp_max_tw_buckets": 1 << 20, "net/core/somaxconn": 4096}
"""The kernel forgets no TIME_WAIT before its time, which would make reusing ports easier than it is."""

_LOCAL_TABLE = 255


async def build(plan: BenchPlan) -> None:
    """Raises HostError where a namespace exists or the kernel refuses; what was made until then is the caller's to sweep."""
    for namespace, settings in ((plan.node, ROUTER), (plan.outside, CLIENT), (plan.inside, CLIENT), (plan.backends, SERVER)):
        netns_io.create(namespace)
        with netns_io.inside(namespace):
            netns_io.set_sysctl({**QUIET, **settings})
    async with routing(plan.node) as route:
        await route.link("set", index=1, state="up")
        await _cable(route, "lan", plan.outside)
        await _cable(route, "inside", plan.inside)
        await _cable(route, "backends", plan.backends)
        await _set_up_node(route)
    await _set_up_outside(plan.outside)
    await _set_up_pod(plan.inside, str(INSIDE_ADDRESS))
    await _set_up_pod(plan.backends, str(BACKENDS[1]))
    async with routing(plan.backends) as route:
        await route.route("add", dst=str(BACKENDS), oif=1, type="local", table=_LOCAL_TABLE, scope=254)


async def _cable(route: Any, name: str, namespace: str) -> None:
    with netns_io.opened(namespace) as far_end:
        await route.link("add", ifname=name, kind="veth", peer={"ifname": INTERFACE, "net_ns_fd": far_end}, state="up")


async def _set_up_node(route: Any) -> None:
    """Its default route is for addresses of Services alone: without one its own packets to them end before the hooks."""
    lan, inside, backends = [await link_index(route, each) for each in ("lan", "inside", "backends")]
    await route.addr("add", index=lan, address=str(NODE_ADDRESS), prefixlen=LAN.prefixlen)
    await route.route("add", dst="default", gateway=str(OUTSIDE_ADDRESS))
    for link, pod in ((inside, INSIDE_ADDRESS), (backends, BACKENDS[1])):
        await route.addr("add", index=link, address=str(POD_GATEWAY), prefixlen=32, scope=253)
        await route.route("add", dst=f"{pod}/32", oif=link, scope=253, prefsrc=str(NODE_ADDRESS))
    await route.route("add", dst=str(BACKENDS), gateway=str(BACKENDS[1]), prefsrc=str(NODE_ADDRESS))


async def _set_up_outside(namespace: str) -> None:
    async with routing(namespace) as route:
        await route.link("set", index=1, state="up")
        own = await link_index(route, INTERFACE)
        await route.link("set", index=own, state="up")
        await route.addr("add", index=own, address=str(OUTSIDE_ADDRESS), prefixlen=LAN.prefixlen)
        await route.route("add", dst="default", gateway=str(NODE_ADDRESS))


async def _set_up_pod(namespace: str, address: str) -> None:
    async with routing(namespace) as route:
        await route.link("set", index=1, state="up")
        own = await link_index(route, INTERFACE)
        await route.link("set", index=own, state="up")
        await route.addr("add", index=own, address=address, prefixlen=32)
        await route.route("add", dst=f"{POD_GATEWAY}/32", oif=own, scope=253)
        await route.route("add", dst="default", gateway=str(POD_GATEWAY), oif=own)


def add_rule_by_hand(plan: BenchPlan, port: int, to: str) -> None:
    """Sends TCP connections to that port of the node to a backend, masqueraded, by the least that nftables takes for it."""
    text = f"""
        table ip by-hand {{
            chain prerouting {{
                type nat hook prerouting priority dstnat;
                tcp dport {port} dnat to {to}:{TARGET_PORT}
            }}
            chain output {{
                type nat hook output priority -100;
                ip daddr {NODE_ADDRESS} tcp dport {port} dnat to {to}:{TARGET_PORT}
            }}
            chain postrouting {{
                type nat hook postrouting priority srcnat;
                ip daddr {to} ct status dnat masquerade
            }}
        }}
    """
    with netns_io.inside(plan.node):
        done = subprocess.run(["nft", "-f", "-"], input=text, text=True, capture_output=True, check=False, timeout=30)
    if done.returncode:
        raise HostError(f"nft refused a rule: {done.stderr.strip()}")
