"""A registry over a store in memory, with a clock that stands still and everything synchronous, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, TypeVar

import pytest

from moorage.manifest.convert import load
from moorage.model.errors import ApiError
from moorage.model.kinds import BY_TYPE, NAMESPACES, SERVICES, Kind
from moorage.model.meta import Key, Object
from moorage.model.ports import DeleteOptions, Outcome, WriteOptions
from moorage.model.service import Service
from moorage.registry.resources import Registry
from moorage.registry.settings import RegistrySettings
from moorage.store.fake import MemoryStore

O = TypeVar("O", bound=Object)
Tree = dict[str, Any]

START = 1_700_000_000.0
STARTED = "2023-11-14T22:13:20Z"


class World:
    """`now` is the clock. Namespace `default` exists. Verbs take and give trees and typed objects."""

    def __init__(self, settings: RegistrySettings | None = None, seed: int = 1) -> None:
        self.now = START
        self.store = MemoryStore()
        self.registry = Registry(self.store, settings or RegistrySettings(), lambda: self.now, Random(seed))
        self.create(NAMESPACES, {"metadata": {"name": "default"}})

    def create(self, kind: Kind, tree: Tree, namespace: str = "default", **options: Any) -> Outcome:
        where = namespace if kind.namespaced else ""
        return asyncio.run(self.registry.create(kind, where, tree, WriteOptions(**options)))

    def bind(self, name: str, tree: Tree) -> Outcome:
        pods = next(kind for kind in BY_TYPE.values() if kind.kind == "Pod")
        return asyncio.run(self.registry.create(pods, "default", tree, WriteOptions(), name, "binding"))

    def update(self, kind: Kind, name: str, tree: Tree, subresource: str = "", **options: Any) -> Outcome:
        tree = {**tree, "metadata": {"name": name, **tree.get("metadata", {})}}
        return asyncio.run(self.registry.update(kind, key(kind, name), tree, WriteOptions(**options), subresource))

    def patch(self, kind: Kind, name: str, change: Callable[[Tree], Tree], subresource: str = "", **options: Any) -> Outcome:
        return asyncio.run(self.registry.patch(kind, key(kind, name), change, WriteOptions(**options), subresource))

    def merge(self, kind: Kind, name: str, patch: Tree, subresource: str = "") -> Outcome:
        return self.patch(kind, name, lambda tree: merged(tree, patch), subresource)

    def apply(self, kind: Kind, name: str, tree: Tree, manager: str, subresource: str = "", force: bool = False) -> Outcome:
        """Server-side apply; apiVersion, kind and name are added where they are absent."""
        metadata = {"name": name, **tree.get("metadata", {})}
        tree = {"apiVersion": kind.api_version, "kind": kind.kind, **tree, "metadata": metadata}
        options = WriteOptions(manager=manager, force=force)
        return asyncio.run(self.registry.apply(kind, key(kind, name), tree, options, subresource))

    def delete(self, kind: Kind, name: str, **options: Any) -> Outcome:
        return asyncio.run(self.registry.delete(kind, key(kind, name), DeleteOptions(**options)))

    def get(self, type_: type[O], name: str, namespace: str = "default") -> O:
        kind = BY_TYPE[type_]
        obj = load(kind, self.registry.get(kind, key(kind, name, namespace)).body)
        assert isinstance(obj, type_)
        return obj

    def exists(self, kind: Kind, name: str, namespace: str = "default") -> bool:
        return self.store.get(kind.resource, key(kind, name, namespace)) is not None

    def service(self, name: str = "web", **spec: Any) -> Service:
        """Creates a Service with one port 80 unless told otherwise."""
        self.create(SERVICES, {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}})
        return self.get(Service, name)

    def held(self, pool: str) -> Mapping[str, str]:
        seen: list[Mapping[str, str]] = []
        asyncio.run(self.store.transact(lambda view: seen.append(dict(view.held(pool)))))
        return seen[0]


def key(kind: Kind, name: str, namespace: str = "default") -> Key:
    return Key(namespace if kind.namespaced else "", name)


def merged(tree: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(tree) if isinstance(tree, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def refused(world: World, call: Callable[[], Any], code: int) -> ApiError:
    """The refusal of a call, after a look that it changed nothing."""
    revision = world.store.revision
    pools = world.held("clusterip"), world.held("nodeport")
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.code == code, caught.value.message
    assert world.store.revision == revision
    assert (world.held("clusterip"), world.held("nodeport")) == pools
    return caught.value


def causes(error: ApiError) -> list[str]:
    """`field: message` of every cause of a 422."""
    return [f"{each['field']}: {each['message']}" for each in error.details["causes"]]
