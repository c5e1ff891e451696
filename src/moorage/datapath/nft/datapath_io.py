"""The nftables datapath: tables in, kernel state out, for both families of the calling thread's network namespace.

`nft` runs when the constant program is put in place or compared; everything after that is netlink messages made from a plan.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping

import structlog

from moorage.datapath.conntrack import Moved, Ours
from moorage.datapath.conntrack_io import forget_stale
from moorage.datapath.families_io import families
from moorage.datapath.netlink_io import KernelRefusal
from moorage.datapath.nft.elements import Element, Place
from moorage.datapath.nft.features_io import require
from moorage.datapath.nft.ledger import Ledger, Plan, nothing
from moorage.datapath.nft.localhost_io import Localhost
from moorage.datapath.nft.spaces import WORDS
from moorage.datapath.nft.tables_io import NftTables
from moorage.datapath.nft.watch_io import TableWatch
from moorage.datapath.other_proxies import OtherProxy
from moorage.datapath.other_proxies_io import find_other_proxies
from moorage.datapath.types import Applied, Repair
from moorage.model.net import Family
from moorage.table.types import ForwardingTable

log = structlog.get_logger()

_SOMEBODY_INTERFERED = {errno.ENOENT, errno.EEXIST, errno.EBUSY}
"""Refusals that mean: what is installed is not what the ledger says."""
_LARGE = 2000
"""Elements. Our own watch is not told of larger changes, which would overflow it."""


class NftDatapath:
    """Implements `datapath.types.Datapath` with one nf_tables table of this name in each family.

    All calls come from one network namespace and one thread at a time. A program of an older version, or one that somebody has
    altered, serves on until a second one stands beside it: there is no moment without any.
    """

    def __init__(self, name: str = "moorage") -> None:
        self._families = families()
        self._tables = NftTables(name, self._families)
        self._bridge = NftTables(f"{name}-bridge", self._families)
        self._localhost = Localhost(name)
        self._ledger: Ledger | None = None
        self._watch: TableWatch | None = None
        self._missed = False
        """Whether others may have changed something while the watch was paused."""
        self._sound = False
        """Whether the program is known to be as it should be."""
        self._bridged = True
        """Whether a bridge may stand, if only one that another run has left."""
        self._unsettled: dict[Family, dict[Place, Moved]] = {family: {} for family in Family}
        self._ours = Ours()

    def other_proxies(self) -> tuple[OtherProxy, ...]:
        """Whose rules for Services are in this kernel besides ours. Costs half a millisecond, and changes nothing."""
        return find_other_proxies(self._tables.kernel, self._families)

    def start(self) -> None:
        """Raises HostError where the right or a part of the kernel is missing; then nothing has been changed."""
        require(self._tables.kernel)
        if Family.IPV6 not in self._families:
            log.warning("this kernel has no IPv6: Services are served over IPv4 only")
        missing = self._tables.missing()
        if missing:
            self._tables.install(missing)
        made = len(missing) == len(self._tables.tables)
        self._sound = made or not self._tables.problems()
        self._ledger = Ledger(nothing(self._families)) if made else None

    def apply(self, table: ForwardingTable) -> Applied:
        started = time.perf_counter()
        try:
            plan = self._apply(table)
        except KernelRefusal as refusal:
            if refusal.errno not in _SOMEBODY_INTERFERED:
                raise
            self._sound = not self._tables.problems()
            plan = self._apply(table)
        return Applied(len(plan), time.perf_counter() - started)

    def settle(self) -> int:
        forgotten = 0
        for family, moved in self._unsettled.items():
            forgotten += forget_stale(self._tables.kernel, family, moved, self._ours)
            moved.clear()
        self._ours = Ours(self._ours.own)
        return forgotten

    def fileno(self) -> int:
        if self._watch is None:
            self._watch = TableWatch(self._tables.name)
        return self._watch.fileno()

    def inspect(self) -> Repair | None:
        """The kernel tells of others' changes. Then the program is compared, and what the maps hold is written anew."""
        if self._watch is None or self._ledger is None or self._ledger.table is None:
            return None
        told, complete = self._watch.read({self._tables.kernel.port})
        if not told and complete and not self._missed:
            return None
        self._missed = False
        started = time.perf_counter()
        wanted, self._ledger = self._ledger.table, None
        problems = self._tables.problems()
        self._sound = not problems
        plan = self._apply(wanted)
        if not told and not problems:
            return None
        return Repair((*map(str, told), *problems), len(plan), time.perf_counter() - started)

    def tables(self) -> tuple[str, ...]:
        """The tables of ours that are in this kernel, as nft writes them: `ip moorage`."""
        found = [table for each in (self._tables, self._bridge) for table in each.tables if table not in each.missing()]
        return tuple(f"{WORDS[table.family]} {table.name}" for table in found)

    def remove(self) -> None:
        opened = self._localhost.was_opened(self._tables.kernel)
        self._tables.uninstall()
        self._bridge.uninstall()
        if opened:
            self._localhost.close()
        self.close()

    def close(self) -> None:
        """Lets go of the kernel and leaves everything in place: traffic goes on."""
        self._ledger = None
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self._tables.close()
        self._bridge.close()

    def installed(self) -> Mapping[Family, Mapping[str, list[Element]]]:
        """Every element as the kernel has it now. Reads all of it: for tests and diagnosis, not for the path of a change."""
        return self._tables.elements()

    def _apply(self, table: ForwardingTable) -> Plan:
        """Makes the kernel agree with the table, whatever is there."""
        if not self._sound:
            self._replace(table)
        table = self._localhost.possible(self._tables.kernel, table)
        ledger = self._ledger or Ledger(self._tables.read())
        self._ledger = None
        plan = ledger.plan(table)
        self._carry_out(plan)
        ledger.commit(plan)
        self._ledger = ledger
        if self._bridged:
            self._bridge.uninstall()
            self._bridge.close()
            self._bridged = False
        clusters = table.locality.service_cidrs if plan.first else self._ours.clusters
        self._ours = Ours(frozenset(each.packed for each in table.locality.own), clusters)
        for family, wanted in plan.families.items():
            self._unsettled[family].update(wanted.moved)
        return plan

    def _carry_out(self, plan: Plan) -> None:
        if self._watch is None or len(plan) < _LARGE:
            self._tables.carry_out(plan)
            return
        self._watch.pause()
        try:
            before = self._tables.generation()
            ours = self._tables.carry_out(plan)
        finally:
            self._watch.resume()
        self._missed |= self._tables.generation() != before + ours

    def _replace(self, table: ForwardingTable) -> None:
        """Puts the program of today in place, with nothing in its maps, while a second one serves the table."""
        opened = self._localhost.was_opened(self._tables.kernel)
        self._bridge.uninstall()
        self._bridge.install()
        self._bridge.carry_out(Ledger(nothing(self._families)).plan(table))
        if self._watch is not None:
            self._watch.pause()
        self._tables.install()
        if self._watch is not None:
            self._watch.resume()
        if opened:
            self._localhost.remember(self._tables.kernel)
        self._sound, self._missed, self._bridged, self._ledger = True, True, True, Ledger(nothing(self._families))
