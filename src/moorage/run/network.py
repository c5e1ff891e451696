"""What an operator says of the network on the command line -> what the table is told of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from moorage.model.errors import UserError
from moorage.model.net import Prefix
from moorage.settings.checks import PRIMARY, wrong_node_port_addresses, wrong_prefixes
from moorage.table.facts import NetworkSettings


def network_settings(
    cluster_cidrs: Sequence[str] = (), node_port_addresses: Sequence[str] = (PRIMARY,), localhost_node_ports: bool = True
) -> NetworkSettings:
    """Raises UserError for what is no prefix, with the option that says so."""
    wrong = [f"--cluster-cidr: {each.message}" for each in wrong_prefixes("clusterCIDRs", tuple(cluster_cidrs))]
    wrong += [f"--nodeport-addresses: {each.message}" for each in wrong_node_port_addresses("", node_port_addresses)]
    if wrong:
        raise UserError("\n".join(wrong))
    served = () if PRIMARY in node_port_addresses else _prefixes(node_port_addresses)
    return NetworkSettings(_prefixes(cluster_cidrs), served, localhost_node_ports)


def _prefixes(texts: Iterable[str]) -> tuple[Prefix, ...]:
    return tuple(ipaddress.ip_network(each) for each in texts)
