"""`moorage uninstall`: what node agents and edges leave in a kernel, and controllers on objects, is taken away."""

from __future__ import annotations

import time

import msgspec

from moorage.announce.accepting_io import Accepting
from moorage.client.perform_io import perform
from moorage.control.uninstall import uninstall
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.cluster import SYSTEM_NAMESPACE
from moorage.model.errors import HostError, UserError
from moorage.model.pods import Pod
from moorage.model.ports import Client
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.run.questions import read_cluster

PART_OF, PRODUCT = "app.kubernetes.io/part-of", "moorage"
"""The label that all Pods of the manifests have."""


class TakenAway(msgspec.Struct, frozen=True):
    """`objects` were written or deleted, `addresses` had routes, `tables` were in nftables."""

    objects: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


async def uninstall_cluster(client: Client) -> TakenAway:
    """Raises UserError while Pods of ours run, which would put everything back; HostError where a write failed."""
    snapshot = await read_cluster(client, (Service, EndpointSlice, Pod))
    running = [key for key, pod in sorted(snapshot.all(Pod).items()) if pod.metadata.labels.get(PART_OF) == PRODUCT]
    if running:
        raise UserError(
            f"{len(running)} Pods of ours are there ({running[0]}), which would put everything back: "
            f"first `kubectl delete namespace {SYSTEM_NAMESPACE}`"
        )
    verbs = uninstall(snapshot)
    failures = await perform(client, verbs, "moorage-uninstall", time.time)
    if failures:
        raise HostError("; ".join(each.message for each in failures) + ": run it again")
    return TakenAway(objects=tuple(f"{verb.type.__name__} {verb.key}" for verb in verbs))


async def uninstall_node() -> TakenAway:
    """What is in this network namespace: needs root there, and no agent that runs. Nothing is an error that is gone already."""
    addresses = await Accepting().release()
    datapath = NftDatapath()
    tables = datapath.tables()
    datapath.remove()
    return TakenAway(addresses=tuple(map(str, addresses)), tables=tables)
