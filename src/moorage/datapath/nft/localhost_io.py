"""NodePorts on 127.0.0.1 need a kernel parameter; that we have set it is remembered in the table, as a chain without rules.

Such a packet leaves the node from 127.0.0.1 until its source is rewritten, which `route_localnet` allows (`ip-sysctl`). The
program drops what could then come in from a wire (`ruleset`).
"""

from __future__ import annotations

from pathlib import Path

import structlog
from msgspec.structs import replace

from moorage.datapath import netlink
from moorage.datapath.netlink import Message
from moorage.datapath.netlink_io import Netlink
from moorage.datapath.nft import messages
from moorage.datapath.nft.chains import OPENED
from moorage.datapath.nft.loopback import at_loopback, without_loopback
from moorage.datapath.nft.messages import Table, request
from moorage.model.errors import HostError
from moorage.model.net import Family
from moorage.table.types import ForwardingTable

ROUTE_LOCALNET = Path("/proc/sys/net/ipv4/conf/all/route_localnet")
SHARED = Path("/host", *ROUTE_LOCALNET.parts[1:])
"""The same where the agent is a container, whose own /proc/sys cannot be written to. Through any mount the kernel shows a
process the parameters of its own network namespace.
"""
_NEWCHAIN = 3
_CHAIN_TABLE, _CHAIN_NAME = 1, 3

log = structlog.get_logger()


class Localhost:
    """The parameter of this network namespace, as the table of a name has it."""

    def __init__(self, name: str) -> None:
        self._table = Table(Family.IPV4, name)
        self._said = False

    def possible(self, kernel: Netlink, table: ForwardingTable) -> ForwardingTable:
        """The table, for which the parameter is set where NodePorts are served at loopback addresses; without those addresses
        where it cannot be set, which is said once.
        """
        served = table.locality.node_port_addresses
        if not at_loopback(served):
            return table
        try:
            self._open(kernel)
        except OSError as error:
            self._say(error)
            return replace(table, locality=replace(table.locality, node_port_addresses=without_loopback(served)))
        return table

    def _open(self, kernel: Netlink) -> None:
        parameter = _parameter()
        if parameter.read_text().strip() != "0":
            return
        parameter.write_text("1")
        self.remember(kernel)

    def _say(self, error: OSError) -> None:
        if not self._said:
            log.warning(
                "NodePorts are not served on 127.0.0.1: set the parameter to 1, or let the agent write to /proc/sys, "
                "or start it with --no-localhost-nodeports",
                parameter=str(ROUTE_LOCALNET),
                error=error.strerror,
            )
        self._said = True

    def remember(self, kernel: Netlink) -> None:
        body = netlink.text(_CHAIN_TABLE, self._table.name) + netlink.text(_CHAIN_NAME, OPENED)
        kernel.transact([Message(request(self._table, _NEWCHAIN, netlink.NLM_F_CREATE, body), f"add chain {OPENED}")])

    def was_opened(self, kernel: Netlink) -> bool:
        chains = messages.read_chains(self._table, kernel.dump(messages.list_chains(self._table.family)))
        return OPENED in chains

    def close(self) -> None:
        parameter = _parameter()
        try:
            parameter.write_text("0")
        except OSError as error:
            raise HostError(f"cannot set {parameter} back to 0: {error.strerror}") from error


def _parameter() -> Path:
    return SHARED if SHARED.exists() else ROUTE_LOCALNET
