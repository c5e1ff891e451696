"""Reads all that a map of the kernel holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from moorage.datapath.netlink import Reply
from moorage.datapath.netlink_io import Netlink
from moorage.datapath.nft.messages import Table, list_elements
from moorage.model.errors import HostError

Item = TypeVar("Item")

ATTEMPTS = 10
PAUSE = 0.01
"""Seconds in which the kernel moves some thousands of elements."""


def listed(
    kernel: Netlink, table: Table, name: str, read: Callable[[list[Reply]], Iterable[Item]], key: Callable[[Item], Hashable]
) -> list[Item]:
    """Every element of a map, once.

    For each message of a listing the kernel begins its walk anew and passes over as many elements as it has told
    (`nf_tables_dump_set`, Linux 6.18). Where the map grows meanwhile, which a worker does some time after the transaction,
    their order is another one: as many are told twice as are left out, and no flag says so. Such a listing is repeated.
    """
    for _ in range(ATTEMPTS):
        found = list(read(kernel.dump(list_elements(table, name))))
        if len({key(each) for each in found}) == len(found):
            return found
        time.sleep(PAUSE)
    raise HostError(f"could not list {name} of {table.name} ({table.family.value}): it kept changing while being read")
