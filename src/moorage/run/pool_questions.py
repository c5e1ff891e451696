"""`moorage pools --simulate`: a file of pools, judged as the API would, and what they would mean for the live cluster."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

from moorage.control.pool_simulation import Fate, Prospect, simulate
from moorage.manifest.convert import load
from moorage.manifest.read import Document, read_documents
from moorage.model.cluster import Namespace
from moorage.model.errors import ApiError, UserError
from moorage.model.kinds import IP_ADDRESS_POOLS, NAMESPACES
from moorage.model.lb import IPAddressPool
from moorage.model.metallb import METALLB_NAMESPACE
from moorage.model.ports import Client, WriteOptions
from moorage.model.service import Service
from moorage.model.wire import Tree
from moorage.registry.resources import Registry
from moorage.registry.settings import RegistrySettings
from moorage.run.questions import read_cluster
from moorage.store.fake import MemoryStore

_SERVERS = frozenset({"resourceVersion", "uid", "creationTimestamp", "generation", "managedFields", "selfLink"})


class Forecast(msgspec.Struct, frozen=True):
    """`fine`: every Service that has an address keeps it. `gone` are pools of the cluster that the file leaves out."""

    fine: bool
    prospects: tuple[Prospect, ...]
    gone: tuple[str, ...] = ()


async def ask_pools(client: Client, text: str, provider: str, now: float) -> Forecast:
    """`text` holds all pools as they would be applied; other kinds in it do not count. Raises UserError for what the API would
    refuse, with the line.
    """
    snapshot = await read_cluster(client, (Service, IPAddressPool, Namespace))
    live = list(snapshot.all(IPAddressPool).values())
    pools = await read_pools(text, live, now)
    prospects = simulate(snapshot, pools, provider, now)
    kept = {each.key for each in pools}
    gone = tuple(str(each.key) for each in live if each.key not in kept)
    fine = all(each.fate not in (Fate.CHANGES, Fate.LOSES) for each in prospects)
    return Forecast(fine, prospects, gone)


async def read_pools(text: str, live: Sequence[IPAddressPool], now: float) -> tuple[IPAddressPool, ...]:
    """The pools of a file, taken in by the rules of the API server itself, in memory."""
    documents = [each for each in read_documents(text) if _is_pool(each)]
    if not documents:
        raise UserError("the file holds no IPAddressPool of metallb.io: write all pools that there would be")
    registry = Registry(MemoryStore(), RegistrySettings(), lambda: now, Random(1))  # noqa: S311  no name is generated
    namespaces: set[str] = set()
    pools: list[IPAddressPool] = []
    errors: list[str] = []
    for each in documents:
        tree = _as_written(each.tree)
        name, named = (tree["metadata"].get(field, "") for field in ("name", "namespace"))
        namespace = named or next((one.metadata.namespace for one in live if one.metadata.name == name), METALLB_NAMESPACE)
        try:
            if namespace not in namespaces:
                await registry.create(NAMESPACES, "", {"metadata": {"name": namespace}}, WriteOptions())
                namespaces.add(namespace)
            outcome = await registry.create(IP_ADDRESS_POOLS, namespace, tree, WriteOptions(field_validation="Strict"))
        except ApiError as error:
            errors.append(f"line {each.line}: {error.message}")
            continue
        made = load(IP_ADDRESS_POOLS, outcome.record.body)
        assert isinstance(made, IPAddressPool)
        pools.append(made)
    if errors:
        raise UserError("; ".join(errors))
    return tuple(pools)


def _as_written(tree: Tree) -> Tree:
    """Without what the server adds to an object: people edit what `get -o yaml` printed."""
    metadata = tree.get("metadata")
    kept = {name: value for name, value in metadata.items() if name not in _SERVERS} if isinstance(metadata, dict) else {}
    return {**tree, "metadata": kept}


def _is_pool(document: Document) -> bool:
    version = str(document.tree.get("apiVersion", ""))
    return document.tree.get("kind") == IP_ADDRESS_POOLS.kind and version.partition("/")[0] == IP_ADDRESS_POOLS.group
