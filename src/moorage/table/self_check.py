"""The agent's own frontend: a place behind the node's own rules at which only the agent answers.

    127.10.2.56:10247/tcp  ->  127.0.0.1:10247, where the agent listens

A connection to it crosses the output hook, the map of frontends, a chain that picks and the map of backends, as a connection of
any process of the node to a Service does. It is no Service: only the agents that check themselves have it in their tables, and
metrics, `explain` and `trace` know nothing of it.

Why an address of 127.0.0.0/8: no other machine has it, and no packet to it leaves the node, also where the rules are gone (one
to a link-local address would be sent to the router then). The node needs no route for it. The kernel takes no packet for it off
a wire. Nobody listens there, but for those who ask for this very address, or for all addresses at this very port.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from msgspec.structs import replace

from moorage.model.meta import Key
from moorage.model.net import Protocol
from moorage.table.types import AddressKind, Backend, Choice, ForwardingTable, Frontend, FrontendAddress

SELF_CHECK = Key("", "self-check")
"""Its place in a table. No Service is called so: it is in no namespace."""

VIP = IPv4Address("127.10.2.56")
LISTENER = IPv4Address("127.0.0.1")
PORT = 10247
"""Of both. It is fixed, so that a new agent writes what the old one wrote; kubelets and kube-proxy use 10248 to 10256."""


def self_check(port: int = PORT) -> Mapping[Key, tuple[Frontend, ...]]:
    """Its part of a table. One family suffices: the programs of both are made, compared and filled by the same code and in the
    same transactions.
    """
    match = FrontendAddress(VIP, Protocol.TCP, port)
    return {SELF_CHECK: (Frontend(match, AddressKind.EXTERNAL_IP, Choice((Backend.at(LISTENER, port),))),)}


def with_self_check(table: ForwardingTable, port: int = PORT) -> ForwardingTable:
    """The same table with it. The key comes first and is always one object: a datapath compares tables key by key."""
    return replace(table, services={**self_check(port), **table.services})


def without_self_check(table: ForwardingTable) -> ForwardingTable:
    """What the table says of Services."""
    return replace(table, services={key: each for key, each in table.services.items() if key != SELF_CHECK})
