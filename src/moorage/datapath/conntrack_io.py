"""Forgets tracked flows that contradict the table."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from moorage.datapath.conntrack import Moved, Ours, deletion, queries, read_flows, stale
from moorage.datapath.netlink_io import KernelRefusal, Netlink
from moorage.datapath.nft.elements import Place
from moorage.model.net import Family


def forget_stale(kernel: Netlink, family: Family, moved: Mapping[Place, Moved], ours: Ours) -> int:
    """Deletes the stale flows of these frontends and gives their number. Without frontends it does not ask the kernel.

    Raises HostError. A flow that ended meanwhile is no error.
    """
    if not moved and not ours.clusters:
        return 0
    listings = [kernel.dump(query) for query in queries(family, moved, ours)]
    found = [flow for listing in listings for flow in read_flows(family, listing) if stale(flow, moved, ours)]
    refused = kernel.execute([deletion(family, flow) for flow in found])
    for message, code in refused:
        if code != errno.ENOENT:
            raise KernelRefusal(message.what, code)
    return len(found) - len(refused)
