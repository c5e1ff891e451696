"""The maps of the program, and the three ways in which a packet finds its frontend in them.

    ADDRESS     daddr . l4proto . dport      ClusterIPs, load-balancer and external addresses
    NODE_PORT   l4proto . dport              NodePorts, at every address of `node_port_addresses`
    RANGE       daddr . l4proto              a port range; which ports belong to it stands in `range_frontends`

CLIENT is `saddr . KEY`. In IPv6 it has 32 bits of a hash in place of each address: nft (1.0.6) cannot load a rule again that
updates a map under a longer key than 16 bytes. Two clients in four billion are taken for one, and go to the same backend.

Each space has a set of maps of its own, named alike:

    frontends   KEY                     -> verdict: goto the chain that picks a backend
    backends    KEY . seat              -> address . port; a port range keeps the port, and holds the address alone
    seats       KEY . slot              -> seat, where clients are kept with their backend
    affinity    CLIENT                  -> seat; the kernel adds, refreshes and forgets these elements itself
    admitted    KEY . saddr             the only clients of frontends that let in but some
    rejected    KEY                     frontends without a backend that refuse connections
    dropped     KEY                     those that swallow them
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from moorage.model.net import Family

FRONTENDS, BACKENDS, SEATS, AFFINITY = "frontends", "backends", "seats", "affinity"
ADMITTED = "admitted"
REJECTED, DROPPED = "rejected", "dropped"

CLUSTER_IPS = "cluster_ips"
"""Set: addresses that may be reached only from inside the cluster."""
LOAD_BALANCER_IPS = "load_balancer_ips"
"""Set: addresses that a load balancer of ours brings here, all of whose ports are Services'."""
CLUSTER_SOURCES = "cluster_sources"
"""Intervals: source addresses that count as inside. What the node itself sends is inside without being listed."""
PODS_HERE = "pods_here"
"""Intervals: the node's own Pods."""
NODE_PORT_ADDRESSES = "node_port_addresses"
"""Intervals: where NodePorts are served, as far as these addresses are the node's own."""
SERVICE_CIDRS = "service_cidrs"
"""Intervals: where ClusterIPs come from."""
PINGS = "pings"
"""Map: addresses that answer echo requests -> the node's own address that does so for them."""
UNREACHABLE = "unreachable"
"""Set: addresses that would answer, if they had a backend."""
OF_ADDRESSES = (CLUSTER_IPS, LOAD_BALANCER_IPS, PINGS, UNREACHABLE)
"""What is said of an address as a whole, which is the key."""
REQUESTS, REPLIES, CONNECTIONS = "requests", "replies", "connections"
"""Sets of counters that the kernel fills: the packets of each direction, and connections, by frontend and endpoint."""
REFUSALS = "refusals"
"""The same for refused packets, by where they were sent."""

WORDS = {Family.IPV4: "ip", Family.IPV6: "ip6"}
"""How nft spells the families."""


class Space(enum.Enum):
    """The value begins the names of its maps, and with dashes those of its chains."""

    ADDRESS = ""
    NODE_PORT = "node_port_"
    RANGE = "range_"

    def map(self, name: str) -> str:
        return self.value + name

    def chain(self, name: str) -> str:
        return self.value.replace("_", "-") + name

    def key(self, family: Family) -> str:
        """The fields of a packet that name its frontend, as nft writes them."""
        address, port = f"{WORDS[family]} daddr", "th dport"
        fields = {
            Space.ADDRESS: (address, "meta l4proto", port),
            Space.NODE_PORT: ("meta l4proto", port),
            Space.RANGE: (address, "meta l4proto"),
        }
        return " . ".join(fields[self])

    def client(self, family: Family) -> str:
        """The types of the fields of CLIENT; any number of 32 bits stands for a hash."""
        if family is Family.IPV4:
            return f"ip saddr . {self.key(family)}"
        number = "numgen random mod 65536"
        return f"{number} . {self.key(family).replace('ip6 daddr', number)}"


HASH_MODULUS, HASH_SEED = 0xFFFFFFFF, 1
"""Of `jhash`. All rules have to hash alike, those of another run too."""


class Shape(enum.Enum):
    """How the elements of a map are written in a netlink message."""

    SET = "set"
    DATA = "data"
    VERDICT = "verdict"
    INTERVAL = "interval"
    """A set of address intervals: the key is the first address and the last one."""
    BOX = "box"
    """A set of intervals in several fields at once: the key is the lower end of every field, then the upper ends."""
    BOX_VERDICT = "box verdict"


class Field(enum.Enum):
    """One field of a key or a value. All but addresses take four bytes."""

    ADDRESS = "address"
    PROTOCOL = "protocol"
    PORT = "port"
    NUMBER = "number"
    """A slot or a seat, in host byte order."""
    CHAIN = "chain"


class Map(NamedTuple):
    """What a map or set holds. `value` is empty in sets."""

    shape: Shape
    key: tuple[Field, ...]
    value: tuple[Field, ...] = ()


_KEYS = {
    Space.ADDRESS: (Field.ADDRESS, Field.PROTOCOL, Field.PORT),
    Space.NODE_PORT: (Field.PROTOCOL, Field.PORT),
    Space.RANGE: (Field.ADDRESS, Field.PROTOCOL),
}


def _maps_of(space: Space) -> dict[str, Map]:
    """A range is found by its ports, which its other maps do not hold."""
    key, ranged = _KEYS[space], space is Space.RANGE
    found = (*key, Field.PORT) if ranged else key
    endpoint = (Field.ADDRESS,) if ranged else (Field.ADDRESS, Field.PORT)
    return {
        space.map(FRONTENDS): Map(Shape.BOX_VERDICT if ranged else Shape.VERDICT, found, (Field.CHAIN,)),
        space.map(BACKENDS): Map(Shape.DATA, (*key, Field.NUMBER), endpoint),
        space.map(SEATS): Map(Shape.DATA, (*key, Field.NUMBER), (Field.NUMBER,)),
        space.map(ADMITTED): Map(Shape.BOX, (*key, Field.ADDRESS)),
        space.map(REJECTED): Map(Shape.BOX if ranged else Shape.SET, found),
        space.map(DROPPED): Map(Shape.BOX if ranged else Shape.SET, found),
    }


OF_THE_KERNEL = frozenset({REQUESTS, REPLIES, CONNECTIONS, REFUSALS, *(space.map(AFFINITY) for space in Space)})
"""The maps and sets that the kernel fills itself."""

MAPS: dict[str, Map] = {
    **_maps_of(Space.ADDRESS),
    **_maps_of(Space.NODE_PORT),
    **_maps_of(Space.RANGE),
    CLUSTER_IPS: Map(Shape.SET, (Field.ADDRESS,)),
    LOAD_BALANCER_IPS: Map(Shape.SET, (Field.ADDRESS,)),
    UNREACHABLE: Map(Shape.SET, (Field.ADDRESS,)),
    PINGS: Map(Shape.DATA, (Field.ADDRESS,), (Field.ADDRESS,)),
    **dict.fromkeys((CLUSTER_SOURCES, PODS_HERE, NODE_PORT_ADDRESSES, SERVICE_CIDRS), Map(Shape.INTERVAL, (Field.ADDRESS,))),
}
"""Every map and set that the agent writes."""
