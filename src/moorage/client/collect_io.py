"""Garbage collection, the last look: is every owner of an object really gone?"""

from __future__ import annotations

from moorage.model.errors import ApiError
from moorage.model.kinds import BY_NAME
from moorage.model.meta import Key, OwnerReference
from moorage.model.ports import Client
from moorage.model.verbs import Collect


async def collect(client: Client, verb: Collect) -> None:
    """Deletes, unless one of the owners is found. Raises ApiError and HostError as `Client` does."""
    for owner in verb.owners:
        if await _exists(client, owner, verb.key.namespace):
            return
    await client.delete(verb.type, verb.key, verb.uid, resource_version=verb.resource_version, propagation=verb.propagation)


async def _exists(client: Client, owner: OwnerReference, namespace: str) -> bool:
    """An owner is found by its name, in the namespace of the dependent, and known by its uid, if it has one. Kinds that nobody
    here knows count as there.
    """
    kind = BY_NAME.get((owner.api_version, owner.kind))
    if kind is None:
        return True
    try:
        found = await client.get(kind.type, Key(namespace if kind.namespaced else "", owner.name))
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    return owner.uid in ("", found.metadata.uid)
