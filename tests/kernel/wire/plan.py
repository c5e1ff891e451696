"""What the node is made of, as values: links, addresses, routes, and the `ip -batch` text and sysctls that make them.

    world                                                        node
    198.18.0.0/24, 2001:db8::/64, everything else ---- lan ---- 198.18.0.11  2001:db8::11
    10.244.1.N, fd00:244:1::N  (N = 2 to 9) --------- podN ---- 169.254.1.1  fe80::1       (a route to each address)
    fence ---- recnef                                            (both ends in the world)

All links have ARP off. The kernel then takes every neighbour as known, with the link's own hardware address (`arp_constructor`,
`ndisc_constructor`), so a frame leaves the node addressed to the node itself. The far end takes it for somebody else's, and the
world's stack discards it right behind the capture.
"""

from __future__ import annotations

from ipaddress import ip_address

import msgspec

from moorage.model.net import Address, Family

NODE: dict[Family, Address] = {Family.IPV4: ip_address("198.18.0.11"), Family.IPV6: ip_address("2001:db8::11")}
GATEWAY: dict[Family, Address] = {Family.IPV4: ip_address("198.18.0.1"), Family.IPV6: ip_address("2001:db8::1")}
OTHER_NODES = (12, 13)
"""Nodes 198.18.0.N and 2001:db8::N, with Pods 10.244.M.0/24 and fd00:244:M::/64 where M is N - 10."""
PODS = range(2, 10)
FENCE, FENCE_END = "fence", "recnef"


class Link(msgspec.Struct, frozen=True):
    """`near` is the hardware address of the node's end, `far` that of the world's. Both ends have the same name."""

    name: str
    near: bytes
    far: bytes


def _link(name: str, number: int) -> Link:
    return Link(name, bytes((2, 0, 0, 0, 1, number)), bytes((2, 0, 0, 0, 2, number)))


LAN = _link("lan", 1)
POD_LINKS = tuple(_link(f"pod{number}", 16 + number) for number in PODS)
LINKS = (LAN, *POD_LINKS)
FENCE_LINK = _link(FENCE, 255)
"""`far` is the end that sends."""


def other_node(number: int, family: Family) -> Address:
    return ip_address(f"198.18.0.{number}" if family is Family.IPV4 else f"2001:db8::{number}")


def pod(number: int, family: Family, node: int = 11) -> Address:
    """A Pod's address on node 198.18.0.`node`."""
    return ip_address(f"10.244.{node - 10}.{number}" if family is Family.IPV4 else f"fd00:244:{node - 10}::{number}")


NODE_SYSCTLS = {
    "net/core/rps_default_mask": "0",
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/addr_gen_mode": "1",
    "net/ipv4/icmp_ratemask": "0",
    "net/ipv6/icmp/ratemask": "\n",
}
"""The masks name the ICMP types that are limited in number: none. Address mode 1 makes no link-local addresses."""
WORLD_SYSCTLS = {
    "net/core/rps_default_mask": "0",
    "net/ipv4/ip_forward": "0",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
}


def links_batch(world: str) -> str:
    """First, in the node's namespace."""
    lines = []
    for link in LINKS:
        ends = f"name {link.name} address {_hex(link.near)} type veth peer name {link.name} address {_hex(link.far)}"
        lines += [f"link add {ends} netns {world}", f"link set dev {link.name} arp off up"]
    return _batch(lines)


def world_batch() -> str:
    """Second, in the world's namespace."""
    ends = f"name {FENCE} address {_hex(FENCE_LINK.far)} type veth peer name {FENCE_END} address {_hex(FENCE_LINK.near)}"
    names = (*(link.name for link in LINKS), FENCE, FENCE_END)
    return _batch([f"link add {ends}", *(f"link set dev {name} arp off up" for name in names), _ready(FENCE)])


def node_batch() -> str:
    """Third, in the node's namespace."""
    lines = [_ready(link.name) for link in LINKS]
    lines += [f"addr add {NODE[Family.IPV4]}/24 dev lan", f"addr add {NODE[Family.IPV6]}/64 dev lan nodad"]
    for family in Family:
        lines.append(f"route add default via {GATEWAY[family]} dev lan")
        lines += [_pods_of(number, family) for number in OTHER_NODES]
    for number in PODS:
        lines += [f"addr add 169.254.1.1/32 dev pod{number} scope link", f"addr add fe80::1/64 dev pod{number} nodad"]
        lines += [f"route add {pod(number, family)}/{family.bits} dev pod{number}" for family in Family]
    return _batch(lines)


def _ready(name: str) -> str:
    """The end of a veth that is set up first has no carrier yet. Until the kernel's link watch has run, some time after the
    other end came up, it discards all it is to send. Asking for the one link makes the kernel run it (`linkwatch_sync_dev`).
    """
    return f"link show dev {name}"


def _batch(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def _pods_of(number: int, family: Family) -> str:
    prefix = f"{pod(0, family, number)}/{24 if family is Family.IPV4 else 64}"
    return f"route add {prefix} via {other_node(number, family)} dev lan"


def _hex(address: bytes) -> str:
    return address.hex(":")
