"""What an operator says of the network on the command line -> what the table is told of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from moorage.model.errors import UserError
from moorage.model.net import Prefix
from moorage.table.facts import NetworkSettings

PRIMARY = "primary"
"""In place of prefixes: NodePorts are served at the Node's InternalIPs (kube-proxy `--nodeport-addresses primary`)."""


def network_settings(
    cluster_cidrs: Iterable[str] = (), node_port_addresses: Sequence[str] = (PRIMARY,), localhost_node_ports: bool = True
) -> NetworkSettings:
    """Raises UserError for what is no prefix, with the option that says so."""
    if PRIMARY in node_port_addresses and len(node_port_addresses) > 1:
        raise UserError(f"--nodeport-addresses is either {PRIMARY} or prefixes such as 192.0.2.0/24, not both")
    served = () if PRIMARY in node_port_addresses else _prefixes("--nodeport-addresses", node_port_addresses)
    return NetworkSettings(_prefixes("--cluster-cidr", cluster_cidrs), served, localhost_node_ports)


def _prefixes(option: str, texts: Iterable[str]) -> tuple[Prefix, ...]:
    try:
        return tuple(ipaddress.ip_network(each) for each in texts)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from error
