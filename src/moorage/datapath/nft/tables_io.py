"""The tables of one name in the kernel, one in each family: their program, and their elements."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from operator import attrgetter

from moorage.datapath import netlink
from moorage.datapath.netlink import Message
from moorage.datapath.netlink_io import KernelRefusal, Netlink
from moorage.datapath.nft import messages, ruleset
from moorage.datapath.nft.chains import read_chain
from moorage.datapath.nft.changes import ElementChanges
from moorage.datapath.nft.elements import Element
from moorage.datapath.nft.features_io import diagnosis
from moorage.datapath.nft.ledger import Installed, Plan
from moorage.datapath.nft.listing import read_elements
from moorage.datapath.nft.listing_io import listed
from moorage.datapath.nft.messages import Table
from moorage.datapath.nft.nft_io import NftRefusal, load
from moorage.datapath.nft.packing import element_messages
from moorage.datapath.nft.program import Program, difference, in_order, list_rules, read_program
from moorage.datapath.nft.rules import chain_messages
from moorage.datapath.nft.spaces import MAPS
from moorage.model.errors import HostError
from moorage.model.net import Family

_FEW = 2
"""Transactions for which no thread is worth its start."""
_GENERATION_ID = 1
_KEY = attrgetter("key")


class NftTables:
    """All calls come from one network namespace and one thread at a time. Raises HostError where the kernel refuses."""

    def __init__(self, name: str, families: Sequence[Family] = tuple(Family)) -> None:
        self.name = name
        self.families = families
        self.tables = tuple(Table(family, name) for family in families)
        self._kernel: Netlink | None = None

    @property
    def kernel(self) -> Netlink:
        if self._kernel is None:
            self._kernel = Netlink.open()
        return self._kernel

    def close(self) -> None:
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def missing(self) -> list[Table]:
        return [table for table in self.tables if self._layout(table) is None]

    def install(self, tables: list[Table] | None = None) -> None:
        """Puts the constant program in place of what these tables hold, by default all, in one transaction.

        Where the kernel refuses it, the error names what the kernel lacks.
        """
        chosen = self.tables if tables is None else tables
        try:
            load("".join(ruleset.render(each.name, each.family) for each in chosen))
        except NftRefusal as refusal:
            raise diagnosis(refusal, [each.family for each in chosen]) from refusal

    def uninstall(self) -> None:
        """Absent is not an error."""
        for table in self.tables:
            try:
                self.kernel.transact([messages.delete_table(table)])
            except KernelRefusal as refusal:
                if refusal.errno != errno.ENOENT:
                    raise

    def problems(self) -> list[str]:
        """What is wrong with the program, in words; nothing where it is the one of today, and whole."""
        found = []
        for table in self.tables:
            layout = self._layout(table)
            if layout is None:
                found.append(f"{table.family.value}: table {table.name} is missing")
            elif ruleset.layout(table.family).encode() not in layout:
                found.append(f"{table.family.value}: table {table.name} is of another version")
        return found or self._altered()

    def read(self) -> Mapping[Family, Installed]:
        """Which chains there are; what the maps hold is not asked."""
        found = {}
        for table in self.tables:
            chains = messages.read_chains(table, self.kernel.dump(messages.list_chains(table.family)))
            found[table.family] = Installed(chains={name for name in chains if read_chain(name)}, unknown=True)
        return found

    def elements(self) -> Mapping[Family, Mapping[str, list[Element]]]:
        return {table.family: self._elements(table) for table in self.tables}

    def carry_out(self, plan: Plan) -> int:
        """Gives the number of transactions. Chains go first, by themselves: a packet between two generations must not find an
        element whose chain is still empty. Both families go together.
        """
        plans = [(table, plan.families[table.family]) for table in self.tables]
        chains = [each for table, wanted in plans for name in wanted.chains for each in chain_messages(table, name)]
        stages = list(zip_longest(*(wanted.elements.stages() for _, wanted in plans), fillvalue=ElementChanges()))
        self.kernel.transact(chains)
        if len(stages) <= _FEW:
            for stage in stages:
                self.kernel.transact(self._messages(stage))
        else:
            self._overlap(stages)
        return bool(chains) + len(stages)

    def _messages(self, stage: Sequence[ElementChanges]) -> list[Message]:
        return [each for table, changes in zip(self.tables, stage, strict=True) for each in element_messages(table, changes)]

    def _overlap(self, stages: Iterable[Sequence[ElementChanges]]) -> None:
        """The kernel takes in one transaction while the messages of the next are made: it works in the thread that asks."""
        with ThreadPoolExecutor(1, "kernel") as asking:
            last: Future[None] | None = None
            for stage in stages:
                messages = self._messages(stage)
                if last is not None:
                    last.result()
                last = asking.submit(self.kernel.transact, messages)
            if last is not None:
                last.result()

    def generation(self) -> int:
        """The number that each transaction of anybody raises by one."""
        fields = dict(netlink.attributes(self.kernel.ask(messages.ask_generation()).body))
        return int.from_bytes(fields[_GENERATION_ID], "big")

    def _elements(self, table: Table) -> dict[str, list[Element]]:
        try:
            return {name: listed(self.kernel, table, name, partial(read_elements, name), _KEY) for name in MAPS}
        except ValueError as error:
            raise HostError(f"the kernel's listing of table {table.name} makes no sense: {error}") from error

    def _layout(self, table: Table) -> bytes | None:
        return messages.read_layout(table, self.kernel.dump(messages.list_tables(table.family)))

    def _altered(self) -> list[str]:
        """What is wrong with the chains and rules of tables that are there, in words.

        The same program is loaded once more under another name, and the kernel's two listings are compared. Its maps are
        empty, so that it does nothing to any packet meanwhile.
        """
        found = [self._program(table) for table in self.tables]
        twin = NftTables(f"{self.name}-reference", self.families)
        try:
            twin.install()
            batch = [
                each
                for table, program in zip(twin.tables, found, strict=True)
                for name in in_order(program)
                for each in chain_messages(table, name)
            ]
            twin.kernel.transact(batch)
            expected = [twin._program(table) for table in twin.tables]
        finally:
            twin.uninstall()
            twin.close()
        return [
            f"{table.family.value}: {text}"
            for table, ours, right in zip(self.tables, found, expected, strict=True)
            for text in difference(right, ours)
        ]

    def _program(self, table: Table) -> Program:
        dump = self.kernel.dump
        return read_program(table, dump(messages.list_chains(table.family)), dump(list_rules(table.family)))
