"""A table and what is installed -> a plan. The ledger remembers what the kernel holds, so that a change reads nothing back.

The first plan compares everything that was found installed; each later one looks only at Services whose frontends are
other objects than in the table before (tables share what did not change).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from moorage.datapath.nft.elements import (
    Element,
    ElementChanges,
    Entry,
    chain_name,
    difference,
    entry,
    frontend_key,
    intervals,
    protocol_number,
)
from moorage.datapath.nft.ruleset import CLUSTER_IPS, CLUSTER_SOURCES
from moorage.model.net import Family, Protocol
from moorage.table.types import ForwardingTable, Frontend, Scope

_SPARE = 8
_MOST_PREPARED = 128
"""Chains for more backends than this are made when they are needed. Each chain costs 16 ns for each element added."""


class Installed(msgspec.Struct):
    """What one family's table holds. `strays` are elements that make no sense: somebody else's, to be removed."""

    entries: dict[bytes, Entry] = {}
    cluster_ips: set[bytes] = set()
    cluster_sources: set[bytes] = set()
    chains: set[str] = set()
    strays: tuple[Element, ...] = ()


class FamilyPlan(msgspec.Struct, frozen=True):
    """`chains` have to exist before the elements that lead to them. `moved` are frontends whose tracked flows may be stale,
    each with the backends that it has from now on. `chains` are in the order in which they can be made.
    """

    elements: ElementChanges = ElementChanges()
    chains: tuple[str, ...] = ()
    moved: Mapping[bytes, frozenset[bytes]] = {}
    entries: Mapping[bytes, Entry | None] = {}


class Plan(msgspec.Struct, frozen=True):
    """The way from what is installed to a table. `uses` says how much the number of users of a cluster address changes."""

    table: ForwardingTable
    families: Mapping[Family, FamilyPlan]
    uses: Mapping[bytes, int]

    def __len__(self) -> int:
        """How many elements change. Chains are not counted: they are part of the program."""
        return sum(len(each.elements) for each in self.families.values())

    def __str__(self) -> str:
        lines = []
        for family, each in self.families.items():
            lines += [f"{family.value}: add chain {name}" for name in each.chains]
            lines += [f"{family.value}: {line}" for line in str(each.elements).splitlines()]
        return "\n".join(lines)


class Ledger:
    """What is installed, and the table it comes from. `plan` changes nothing; `commit` records a plan that was carried out."""

    def __init__(self, installed: Mapping[Family, Installed]) -> None:
        self.installed = installed
        self.table: ForwardingTable | None = None
        self._uses: Counter[bytes] = Counter()

    def plan(self, table: ForwardingTable) -> Plan:
        gone, wanted = self._touched(table)
        uses: Counter[bytes] = Counter()
        for sign, frontends in ((-1, gone), (1, wanted)):
            for each in frontends:
                if each.scope is Scope.CLUSTER:
                    uses[each.match.address.packed] += sign
        families = {
            family: self._family_plan(
                family,
                table,
                [frontend_key(each.match) for each in gone if Family.of(each.match.address) is family],
                {frontend_key(each.match): each for each in wanted if Family.of(each.match.address) is family},
                {address: change for address, change in uses.items() if len(address) * 8 == family.bits},
            )
            for family in self.installed
        }
        return Plan(table, families, uses)

    def commit(self, plan: Plan) -> None:
        for family, each in plan.families.items():
            installed = self.installed[family]
            for key, now in each.entries.items():
                if now is None:
                    installed.entries.pop(key, None)
                else:
                    installed.entries[key] = now
            installed.chains.update(each.chains)
            installed.strays = ()
            for name, held in ((CLUSTER_IPS, installed.cluster_ips), (CLUSTER_SOURCES, installed.cluster_sources)):
                held.difference_update(element.key for element in each.elements.removed if element.map == name)
                held.update(element.key for element in each.elements.added if element.map == name)
        self._uses.update(plan.uses)
        for address in plan.uses:
            if not self._uses[address]:
                del self._uses[address]
        self.table = plan.table

    def _touched(self, table: ForwardingTable) -> tuple[list[Frontend], list[Frontend]]:
        """Frontends of the old and of the new table that belong to Services which differ."""
        if self.table is None:
            return [], list(table.frontends())
        old, new = self.table.services, table.services
        if old is new:
            return [], []
        wanted = [(key, frontends) for key, frontends in new.items() if old.get(key) is not frontends]
        gone = [old[key] for key, _ in wanted if key in old] + [old[key] for key in old if key not in new]
        return [each for frontends in gone for each in frontends], [each for _, frontends in wanted for each in frontends]

    def _family_plan(
        self,
        family: Family,
        table: ForwardingTable,
        gone: Iterable[bytes],
        wanted: Mapping[bytes, Frontend],
        uses: Mapping[bytes, int],
    ) -> FamilyPlan:
        installed = self.installed[family]
        removed, added = list(installed.strays), []
        entries: dict[bytes, Entry | None] = {key: None for key in gone if key not in wanted}
        if self.table is None:
            entries = {key: None for key in installed.entries if key not in wanted}
        for key, frontend in wanted.items():
            entries[key] = entry(frontend, installed.entries.get(key))
        moved = {}
        for key, now in entries.items():
            before = installed.entries.get(key)
            if before == now:
                continue
            less, more = difference(key, before, now)
            removed += less
            added += more
            if _may_leave_flows(key, before, now):
                moved[key] = frozenset(now.backends if now else ())
        for name, out, new in (self._cluster_ips(installed, uses), self._cluster_sources(family, installed, table)):
            removed += [Element(name, key) for key in out]
            added += [Element(name, key) for key in new]
        chains = _chains(entries.values(), prepare=not installed.chains) - installed.chains
        in_order = tuple(sorted(chains, key=lambda name: (name.startswith("masq"), len(name), name)))
        return FamilyPlan(ElementChanges(tuple(removed), tuple(added)), in_order, moved, entries)

    def _cluster_ips(self, installed: Installed, uses: Mapping[bytes, int]) -> tuple[str, list[bytes], list[bytes]]:
        counts = {address: self._uses[address] + change for address, change in uses.items()}
        if self.table is None:
            counts |= {address: 0 for address in installed.cluster_ips if address not in uses}
        out = [address for address, count in counts.items() if count <= 0 and address in installed.cluster_ips]
        new = [address for address, count in counts.items() if count > 0 and address not in installed.cluster_ips]
        return CLUSTER_IPS, sorted(out), sorted(new)

    def _cluster_sources(
        self, family: Family, installed: Installed, table: ForwardingTable
    ) -> tuple[str, list[bytes], list[bytes]]:
        if self.table is not None and self.table.cluster_sources == table.cluster_sources:
            return CLUSTER_SOURCES, [], []
        now = intervals(table.cluster_sources, family)
        return CLUSTER_SOURCES, sorted(installed.cluster_sources - now), sorted(now - installed.cluster_sources)


def _chains(entries: Iterable[Entry | None], prepare: bool) -> set[str]:
    """The chains that these entries lead to. `prepare` adds those for smaller numbers of backends and some larger ones:
    when a rule is bound to a map, the kernel walks the whole map (90 ms for 250,000 backends), and now it is empty.
    """
    used = {(len(each.backends), each.masquerade) for each in entries if each and each.backends}
    counts = {count for count, _ in used}
    if prepare and used:
        counts.update(range(1, min(max(counts) + _SPARE, _MOST_PREPARED) + 1))
    return {chain_name(count, False) for count in counts} | {chain_name(count, masquerade) for count, masquerade in used}


def _may_leave_flows(key: bytes, before: Entry | None, now: Entry | None) -> bool:
    """Whether tracked flows may contradict the change: a backend went, or UDP was passed on untranslated until now."""
    old = before.backends if before else ()
    new = now.backends if now else ()
    if not old:
        return bool(new) and protocol_number(key) == Protocol.UDP.number
    return not set(old).issubset(new)
