"""`moorage uninstall`: what node agents and edges leave in a kernel, and controllers on objects, is taken away."""

from __future__ import annotations

import time

import msgspec

from moorage.announce.interface_io import InterfaceAnnouncer, interfaces_with_ours
from moorage.client.perform_io import perform
from moorage.control.uninstall import uninstall
from moorage.datapath.nft.datapath_io import NftDatapath
from moorage.model.cluster import Namespace
from moorage.model.errors import HostError, UserError
from moorage.model.meta import Key
from moorage.model.net import Address
from moorage.model.ports import Client
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.run.questions import read_cluster

NAMESPACE = "moorage-system"


class TakenAway(msgspec.Struct, frozen=True):
    """`objects` were written or deleted, `addresses` were on interfaces, `tables` in nftables."""

    objects: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


async def uninstall_cluster(client: Client) -> TakenAway:
    """Raises UserError while the controllers may still run, which would put everything back; HostError where a write failed."""
    snapshot = await read_cluster(client, (Service, EndpointSlice, Namespace))
    if snapshot.get(Namespace, Key("", NAMESPACE)) is not None:
        raise UserError(
            f"the namespace {NAMESPACE} is there, whose controllers would put everything back: "
            f"first `kubectl delete namespace {NAMESPACE}`"
        )
    verbs = uninstall(snapshot)
    failures = await perform(client, verbs, "moorage-uninstall", time.time)
    if failures:
        raise HostError("; ".join(each.message for each in failures) + ": run it again")
    return TakenAway(objects=tuple(f"{verb.type.__name__} {verb.key}" for verb in verbs))


async def uninstall_node() -> TakenAway:
    """What is in this network namespace: needs root there, and no agent that runs. Nothing is an error that is gone already."""
    addresses: list[Address] = []
    for interface in await interfaces_with_ours():
        addresses += sorted((await InterfaceAnnouncer(interface).release()).removed, key=int)
    datapath = NftDatapath()
    tables = datapath.tables()
    datapath.remove()
    return TakenAway(addresses=tuple(map(str, addresses)), tables=tables)
