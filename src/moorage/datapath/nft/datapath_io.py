"""The nftables datapath: tables in, kernel state out, for both families of the calling thread's network namespace.

`nft` runs when the constant program is put in place; everything after that is netlink messages made from a plan.
"""

from __future__ import annotations

import errno
import subprocess
import time
from collections.abc import Mapping

from moorage.datapath.conntrack import Moved
from moorage.datapath.conntrack_io import forget_stale
from moorage.datapath.netlink_io import KernelRefusal, Netlink
from moorage.datapath.nft import messages, ruleset
from moorage.datapath.nft.elements import Element, Place
from moorage.datapath.nft.ledger import Installed, Ledger, Plan
from moorage.datapath.nft.listing import read_elements
from moorage.datapath.nft.messages import Table
from moorage.datapath.nft.packing import element_messages
from moorage.datapath.nft.rules import chain_messages
from moorage.datapath.nft.spaces import MAPS
from moorage.datapath.nft.stock import take_stock
from moorage.datapath.types import Applied
from moorage.model.errors import HostError
from moorage.model.net import Family
from moorage.table.types import ForwardingTable

_SOMEBODY_INTERFERED = {errno.ENOENT, errno.EEXIST, errno.EBUSY}
"""Refusals that mean: what is installed is not what the ledger says."""
_NFT_SECONDS = 30


class NftDatapath:
    """Implements `datapath.types.Datapath` with one nf_tables table of this name in each family.

    All calls come from one network namespace. A table of an older layout stays in service until the first `apply`, which
    puts the new one in its place and fills it.
    """

    def __init__(self, name: str = "moorage") -> None:
        self._tables = [Table(family, name) for family in Family]
        self._kernel: Netlink | None = None
        self._ledger: Ledger | None = None
        self._unsettled: dict[Family, dict[Place, Moved]] = {family: {} for family in Family}
        self._own: frozenset[bytes] = frozenset()

    def start(self) -> None:
        _install([table for table in self._tables if self._layout(table) is None])
        self._ledger = None

    def apply(self, table: ForwardingTable) -> Applied:
        started = time.perf_counter()
        try:
            operations = self._apply(table)
        except KernelRefusal as refusal:
            if refusal.errno not in _SOMEBODY_INTERFERED:
                raise
            operations = self._apply(table)
        return Applied(operations, time.perf_counter() - started)

    def settle(self) -> int:
        forgotten = 0
        for family, moved in self._unsettled.items():
            forgotten += forget_stale(self._netlink(), family, moved, self._own)
            moved.clear()
        return forgotten

    def remove(self) -> None:
        for table in self._tables:
            try:
                self._netlink().transact([messages.delete_table(table)])
            except KernelRefusal as refusal:
                if refusal.errno != errno.ENOENT:
                    raise
        self.close()

    def close(self) -> None:
        """Lets go of the kernel and leaves everything in place: traffic goes on."""
        self._ledger = None
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def installed(self) -> Mapping[Family, Mapping[str, list[Element]]]:
        """Every element as the kernel has it now. Reads all of it: for tests and diagnosis, not for the path of a change."""
        return {table.family: self._elements(table) for table in self._tables}

    def _apply(self, table: ForwardingTable) -> int:
        ledger = self._ledger or self._read()
        self._ledger = None
        plan = ledger.plan(table)
        self._carry_out(plan)
        ledger.commit(plan)
        self._ledger = ledger
        self._own = frozenset(each.packed for each in table.locality.own)
        for family, wanted in plan.families.items():
            self._unsettled[family].update(wanted.moved)
        return len(plan)

    def _carry_out(self, plan: Plan) -> None:
        """Chains first, by themselves: a packet between two generations must not find an element whose chain is still empty."""
        plans = [(table, plan.families[table.family]) for table in self._tables]
        kernel = self._netlink()
        kernel.transact([each for table, wanted in plans for name in wanted.chains for each in chain_messages(table, name)])
        kernel.transact([each for table, wanted in plans for each in element_messages(table, wanted.elements)])

    def _read(self) -> Ledger:
        """What is installed. A table that is missing or of another layout is put in place first."""
        layouts = {table: self._layout(table) or b"" for table in self._tables}
        _install([table for table, comment in layouts.items() if ruleset.layout(table.family).encode() not in comment])
        return Ledger({table.family: self._installed(table) for table in self._tables})

    def _installed(self, table: Table) -> Installed:
        chains = messages.read_chains(table, self._netlink().dump(messages.list_chains(table.family)))
        return take_stock(self._elements(table), chains)

    def _elements(self, table: Table) -> dict[str, list[Element]]:
        dump = self._netlink().dump
        try:
            return {name: read_elements(name, dump(messages.list_elements(table, name))) for name in MAPS}
        except ValueError as error:
            raise HostError(f"the kernel's listing of table {table.name} makes no sense: {error}") from error

    def _layout(self, table: Table) -> bytes | None:
        return messages.read_layout(table, self._netlink().dump(messages.list_tables(table.family)))

    def _netlink(self) -> Netlink:
        if self._kernel is None:
            self._kernel = Netlink.open()
        return self._kernel


def _install(tables: list[Table]) -> None:
    """Loads the constant program of these tables in one transaction. Raises HostError with what nft said."""
    if not tables:
        return
    text = "".join(ruleset.render(table.name, table.family) for table in tables)
    try:
        subprocess.run(["nft", "-f", "-"], input=text, text=True, capture_output=True, check=True, timeout=_NFT_SECONDS)
    except FileNotFoundError as error:
        raise HostError("the program nft is not installed (package nftables)") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"nft did not load the ruleset within {_NFT_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        raise HostError(f"nft refused the ruleset: {error.stderr.strip()}") from error
