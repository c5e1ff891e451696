"""NodePorts on 127.0.0.1 need a kernel parameter; that we have set it is remembered in the table, as a chain without rules.

Such a packet leaves the node from 127.0.0.1 until its source is rewritten, which `route_localnet` allows (`ip-sysctl`). The
program drops what could then come in from a wire (`ruleset`).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path

import structlog

from moorage.datapath import netlink
from moorage.datapath.netlink import Message
from moorage.datapath.netlink_io import Netlink
from moorage.datapath.nft import messages
from moorage.datapath.nft.chains import OPENED
from moorage.datapath.nft.messages import Table, request
from moorage.model.net import Family, Prefix

ROUTE_LOCALNET = Path("/proc/sys/net/ipv4/conf/all/route_localnet")
_NEWCHAIN = 3
_CHAIN_TABLE, _CHAIN_NAME = 1, 3
_LOOPBACK = ip_network("127.0.0.0/8")

log = structlog.get_logger()


class Localhost:
    """The parameter of this network namespace, as the table of a name has it."""

    def __init__(self, name: str) -> None:
        self._table = Table(Family.IPV4, name)

    def open(self, kernel: Netlink, served: Iterable[Prefix]) -> None:
        """Sets the parameter where NodePorts are served at loopback addresses. Where it cannot be set, it is done without."""
        if not any(each.version == 4 and each.overlaps(_LOOPBACK) for each in served):
            return
        try:
            if ROUTE_LOCALNET.read_text().strip() != "0":
                return
            ROUTE_LOCALNET.write_text("1")
        except OSError as error:
            log.warning("NodePorts are not served on 127.0.0.1", parameter=str(ROUTE_LOCALNET), error=error.strerror)
            return
        self.remember(kernel)

    def remember(self, kernel: Netlink) -> None:
        body = netlink.text(_CHAIN_TABLE, self._table.name) + netlink.text(_CHAIN_NAME, OPENED)
        kernel.transact([Message(request(self._table, _NEWCHAIN, netlink.NLM_F_CREATE, body), f"add chain {OPENED}")])

    def was_opened(self, kernel: Netlink) -> bool:
        chains = messages.read_chains(self._table, kernel.dump(messages.list_chains(self._table.family)))
        return OPENED in chains

    def close(self) -> None:
        ROUTE_LOCALNET.write_text("0")
