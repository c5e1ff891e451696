"""An API server in memory, seen through `model.ports.Client`: for tests of everything that reads and writes the API.

It keeps what those tests rely on: one resourceVersion for all kinds, optimistic concurrency, the status subresource, graceful
Pod deletion, finalizers, selectors in list and watch, watches without gap or repetition, 410 once history is forgotten. It does
no defaulting, no validation and no allocation: a Service has the ClusterIP that the test gave it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import cast

import msgspec

from moorage.client.fake_rules import (
    created,
    ended,
    is_gone,
    merge,
    replaced,
    seen_through,
    selection,
    stamped,
    with_node,
    with_propagation,
)
from moorage.client.routes import creation_path, object_path
from moorage.client.whole import whole
from moorage.model.errors import ApiError, already_exists, conflict, gone, not_found
from moorage.model.kinds import BY_TYPE
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.pods import Pod
from moorage.model.ports import BOOKMARK, O, Page, WatchEvent
from moorage.model.wire import Tree


class Call(msgspec.Struct, frozen=True):
    """One request that was made. `verb` is the name of the Client method; each page of a list is a `list`."""

    verb: str
    type: type[Object]
    key: Key
    subresource: str = ""


class _Change(msgspec.Struct, frozen=True):
    """One entry of the history: an object before and after, None for absent."""

    revision: int
    type: type[Object]
    old: Object | None
    new: Object | None


class _Stream:
    """A watch in progress: `more` is set when there is something to look at, `ended` once the test ends the stream."""

    def __init__(self) -> None:
        self.more = asyncio.Event()
        self.ended = False
        self.error: Exception | None = None


class FakeClient:
    """Implements `model.ports.Client`. `put` and `remove` are somebody else's writes, `fail`, `expire` and
    `end_watches` are bad days, `calls` is what was asked so far. `clock` gives seconds since the epoch. `page_size` is how many
    objects a page of a list holds, 0 for all.
    """

    def __init__(self, objects: Iterable[Object] = (), clock: Callable[[], float] = lambda: 0.0, page_size: int = 0) -> None:
        self.calls: list[Call] = []
        self._clock = clock
        self._page_size = page_size
        self._revision = 0
        self._oldest = 0
        self._objects: dict[type[Object], dict[Key, Object]] = {}
        self._history: list[_Change] = []
        self._streams: set[_Stream] = set()
        self._failures: list[tuple[str, type[Object] | None, Exception]] = []
        for each in objects:
            self.put(each)

    # What a test does.

    def put(self, obj: O) -> O:
        """Creates or replaces an object, status included, as another client would. Returns it as stored."""
        old = self.all(type(obj)).get(obj.key)
        new = created(obj, old, f"uid-{self._revision + 1}", self._clock())
        return self._commit(old, new)

    def remove(self, type_: type[Object], key: Key) -> None:
        """Removes an object at once, whatever its grace or finalizers."""
        self._drop(self._find(type_, key))

    def all(self, type_: type[O]) -> dict[Key, O]:
        """What is stored of one kind."""
        return cast("dict[Key, O]", dict(self._objects.get(type_, {})))

    def fail(self, verb: str, error: Exception, type_: type[Object] | None = None, times: int = 1) -> None:
        """Makes the next `times` calls of a Client method raise; without a type, whatever their kind."""
        self._failures += [(verb, type_, error)] * times

    def expire(self) -> None:
        """Forgets the history: watches and pages from before now are answered with 410."""
        self._oldest = self._revision

    def end_watches(self, error: Exception | None = None) -> None:
        """Ends every running watch, with an error if one is given."""
        for stream in self._streams:
            stream.ended, stream.error = True, error
            stream.more.set()

    # What a Client does.

    async def get(self, type_: type[O], key: Key) -> O:
        await self._called("get", type_, key)
        return self._find(type_, key)

    async def list(self, type_: type[O], namespace: str = "", labels: str = "", fields: str = "") -> tuple[Sequence[O], str]:
        return await whole(self.pages(type_, namespace, labels, fields))

    async def pages(
        self, type_: type[O], namespace: str = "", labels: str = "", fields: str = "", cached: bool = False
    ) -> AsyncGenerator[Page[O], None]:
        await self._called("list", type_, Key(namespace, ""))
        found, at = self._selected(type_, selection(namespace, labels, fields))
        size = self._page_size or max(1, len(found))
        yield Page(found[:size], str(at))
        for start in range(size, len(found), size):
            await self._called("list", type_, Key(namespace, ""))
            if at < self._oldest:
                everything, now = self._selected(type_, selection(namespace, labels, fields))
                yield Page(everything, str(now))
                return
            yield Page(found[start : start + size], str(at), first=False)

    async def watch(
        self, type_: type[Object], since: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        await self._called("watch", type_, Key(namespace, ""))
        selects = selection(namespace, labels, fields)
        seen = int(since)
        if seen < self._oldest:
            raise gone(f"too old resource version: {seen} ({self._oldest})")
        stream = _Stream()
        self._streams.add(stream)
        try:
            yield self._bookmark(type_, since)
            while True:
                for change in self._history_since(seen):
                    seen = change.revision
                    event = seen_through(selects, change.old, change.new) if change.type is type_ else None
                    if event is not None:
                        yield event
                if stream.ended:
                    break
                await stream.more.wait()
                stream.more.clear()
        finally:
            self._streams.discard(stream)
        if stream.error is not None:
            raise stream.error

    async def create(self, obj: O) -> O:
        await self._called("create", type(obj), obj.key)
        kind = BY_TYPE[type(obj)]
        creation_path(kind, obj.metadata.namespace)
        new = created(obj, None, f"uid-{self._revision + 1}", self._clock())
        if new.key in self._objects.get(type(obj), {}):
            raise already_exists(kind.plural, kind.group, new.metadata.name)
        return self._commit(None, new)

    async def update(self, obj: O, subresource: str = "") -> O:
        await self._called("update", type(obj), obj.key, subresource)
        old = self._find(type(obj), obj.key)
        return self._replace(old, obj, subresource)

    async def merge_patch(self, type_: type[O], key: Key, patch: Tree, subresource: str = "") -> O:
        await self._called("merge_patch", type_, key, subresource)
        old = self._find(type_, key)
        tree = merge(msgspec.to_builtins(old), patch)
        return self._replace(old, msgspec.convert(tree, type_), subresource)

    async def delete(
        self,
        type_: type[Object],
        key: Key,
        uid: str = "",
        grace_seconds: int | None = None,
        resource_version: str = "",
        propagation: str = "",
    ) -> None:
        await self._called("delete", type_, key)
        old = self._find(type_, key)
        kind = BY_TYPE[type_]
        if uid and uid != old.metadata.uid:
            detail = f"the UID in the precondition ({uid}) does not match the UID in record ({old.metadata.uid})"
            raise conflict(kind.plural, kind.group, key.name, detail)
        if resource_version and resource_version != old.metadata.resource_version:
            detail = (
                f"the ResourceVersion in the precondition ({resource_version}) does not match the ResourceVersion in record"
            )
            raise conflict(kind.plural, kind.group, key.name, f"{detail} ({old.metadata.resource_version})")
        ending = ended(with_propagation(old, propagation), grace_seconds, self._clock())
        if is_gone(ending):
            self._drop(old)
        else:
            self._commit(old, ending)

    async def bind(self, pod: Key, uid: str, node: str) -> None:
        await self._called("bind", Pod, pod, "binding")
        old = self._find(Pod, pod)
        if uid and uid != old.metadata.uid:
            raise conflict("pods/binding", "", pod.name, f"the UID in the precondition ({uid}) does not match")
        if old.spec.node_name:
            raise conflict("pods/binding", "", pod.name, f'pod {pod.name} is already assigned to node "{old.spec.node_name}"')
        self._commit(old, with_node(old, node))

    # How it is kept.

    def _selected(self, type_: type[O], selects: Callable[[Object], bool]) -> tuple[Sequence[O], int]:
        """What a list finds, and the revision that it is the state of."""
        return [each for _, each in sorted(self.all(type_).items()) if selects(each)], self._revision

    async def _called(self, verb: str, type_: type[Object], key: Key, subresource: str = "") -> None:
        """Notes the call, lets other tasks run as a network would, and raises what the test asked for."""
        self.calls.append(Call(verb, type_, key, subresource))
        await asyncio.sleep(0)
        for index, (failing, failing_type, error) in enumerate(self._failures):
            if failing == verb and failing_type in (None, type_):
                del self._failures[index]
                raise error

    def _find(self, type_: type[O], key: Key) -> O:
        kind = BY_TYPE[type_]
        object_path(kind, key)
        found = self._objects.get(type_, {}).get(key)
        if found is None:
            raise not_found(kind.plural, kind.group, key.name)
        return cast("O", found)

    def _replace(self, old: O, new: O, subresource: str) -> O:
        kind = BY_TYPE[type(old)]
        if subresource and subresource not in kind.subresources:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        wanted = replaced(old, new, subresource)
        if wanted == old:
            return old
        if is_gone(wanted):
            self._drop(old)
            return wanted
        return self._commit(old, wanted)

    def _commit(self, old: Object | None, new: O) -> O:
        """Keeps an object under the next revision and tells the watches."""
        kept = stamped(new, self._revision + 1)
        self._objects.setdefault(type(new), {})[new.key] = kept
        self._record(type(new), old, kept)
        return kept

    def _drop(self, old: Object) -> None:
        """Removes an object; its last state carries the revision of the removal, as watchers see it."""
        del self._objects[type(old)][old.key]
        self._record(type(old), stamped(old, self._revision + 1), None)

    def _record(self, type_: type[Object], old: Object | None, new: Object | None) -> None:
        self._revision += 1
        self._history.append(_Change(self._revision, type_, old, new))
        for stream in self._streams:
            stream.more.set()

    def _history_since(self, revision: int) -> Sequence[_Change]:
        """Revisions are numbered from 1 without a gap: change N is at index N - 1."""
        return self._history[revision:]

    def _bookmark(self, type_: type[Object], since: str) -> WatchEvent:
        kind = BY_TYPE[type_]
        meta = ObjectMeta(resource_version=since)
        return WatchEvent(BOOKMARK, type_(api_version=kind.api_version, kind=kind.kind, metadata=meta))
