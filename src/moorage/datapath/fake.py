"""A datapath without a kernel: the same plans, carried out on elements in memory. For tests of everything that uses one."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.datapath.nft.changes import ElementChanges
from moorage.datapath.nft.elements import Element
from moorage.datapath.nft.ledger import Ledger, nothing
from moorage.datapath.nft.spaces import MAPS
from moorage.datapath.types import Applied, Repair
from moorage.model.errors import HostError
from moorage.model.net import Family
from moorage.table.types import ForwardingTable

_Elements = dict[tuple[str, bytes], Element]


class FakeDatapath:
    """Implements `datapath.types.Datapath`. `table` is what was applied last, None before and after; while `refusal` is
    set, every `apply` raises HostError with that text and changes nothing.
    """

    def __init__(self) -> None:
        self.table: ForwardingTable | None = None
        self.refusal = ""
        self._ledger: Ledger | None = None
        self._elements: dict[Family, _Elements] = {family: {} for family in Family}

    def start(self) -> None:
        self._ledger = self._ledger or Ledger(nothing())

    def apply(self, table: ForwardingTable) -> Applied:
        if self.refusal:
            raise HostError(self.refusal)
        ledger = self._ledger or Ledger(nothing())
        plan = ledger.plan(table)
        changed = {family: self._changed(family, plan.families[family].elements) for family in Family}
        self._elements = changed
        ledger.commit(plan)
        self._ledger = ledger
        self.table = table
        return Applied(len(plan), 0.0)

    def settle(self) -> int:
        """Nothing tracks flows here."""
        return 0

    def fileno(self) -> None:
        """Nobody else can change it."""
        return

    def inspect(self) -> Repair | None:
        return None

    def remove(self) -> None:
        self.table = None
        self._ledger = None
        self._elements = {family: {} for family in Family}

    def installed(self) -> Mapping[Family, Mapping[str, list[Element]]]:
        """Every element, by family and map."""
        return {
            family: {name: [each for each in held.values() if each.map == name] for name in MAPS}
            for family, held in self._elements.items()
        }

    def _changed(self, family: Family, changes: ElementChanges) -> _Elements:
        held = {} if changes.anew else dict(self._elements[family])
        for each in changes.removed:
            if held.pop((each.map, each.key), None) is None:
                raise HostError(f"cannot delete {each}: it is not there")
        for each in changes.additions():
            if held.setdefault((each.map, each.key), each) is not each:
                raise HostError(f"cannot add {each}: it is there")
        return held
