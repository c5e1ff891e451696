"""Reads what the kernel has counted, by a socket of its own: it may run on another thread than the datapath's."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator, Sequence
from operator import itemgetter

from moorage.datapath.counts import Amount, Counts, Pair
from moorage.datapath.families_io import families
from moorage.datapath.netlink_io import KernelRefusal, Netlink
from moorage.datapath.nft.counting import packed, read_counters, read_pair, read_sent
from moorage.datapath.nft.listing_io import listed
from moorage.datapath.nft.messages import Table, delete_elements
from moorage.datapath.nft.spaces import CONNECTIONS, REFUSALS, REPLIES, REQUESTS

_AT_ONCE = 500
"""Elements of one message."""


class NftCounters:
    """The counters of the tables of one name, in the network namespace of the thread that reads first. One call at a time.

    Raises HostError where the kernel refuses, as while the tables are not there.
    """

    def __init__(self, name: str = "moorage") -> None:
        self._tables = tuple(Table(family, name) for family in families())
        self._opened: Netlink | None = None

    @property
    def _kernel(self) -> Netlink:
        if self._opened is None:
            self._opened = Netlink.open()
        return self._opened

    def read(self) -> Counts:
        """Costs some microseconds for each pair that has had traffic."""
        return Counts(
            {read_pair(key): amount.packets for key, amount in self._listed(CONNECTIONS)},
            {read_pair(key): amount for key, amount in self._listed(REQUESTS)},
            {read_pair(key): amount for key, amount in self._listed(REPLIES)},
            {read_sent(key): amount for key, amount in self._listed(REFUSALS)},
        )

    def forget(self, pairs: Collection[Pair]) -> None:
        """The kernel begins again to count these. What has gone meanwhile is not missed."""
        for table in self._tables:
            ours = [packed(each) for each in pairs if len(each.endpoint) * 8 == table.family.bits]
            for name in (CONNECTIONS, REQUESTS, REPLIES):
                for start in range(0, len(ours), _AT_ONCE):
                    self._remove(table, name, ours[start : start + _AT_ONCE])

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _listed(self, name: str) -> Iterator[tuple[bytes, Amount]]:
        for table in self._tables:
            yield from listed(self._kernel, table, name, read_counters, itemgetter(0))

    def _remove(self, table: Table, name: str, elements: Sequence[bytes]) -> None:
        """All at once; one by one where some are not there: not every pair has had packets both ways."""
        try:
            self._kernel.transact([delete_elements(table, name, elements)])
        except KernelRefusal as refusal:
            if refusal.errno != errno.ENOENT:
                raise
            if len(elements) > 1:
                for each in elements:
                    self._remove(table, name, [each])
