"""The meaning of the verbs (`model.ports.Resources`), the same for every kind; what differs is its `Strategy`.

A body becomes a typed object, is completed and judged outside the transaction as far as it stands alone, and inside it
(`transaction.py`) as far as it depends on what is stored. So a bad body never reaches the store.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from moorage.manifest.convert import Decoded, decode, encode, load, to_tree
from moorage.manifest.fields import field_warnings
from moorage.model.clock import timestamp
from moorage.model.errors import bad_request, unprocessable
from moorage.model.kinds import BY_RESOURCE, NAMESPACES, Kind
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.ports import WHOLE, Admit, DeleteOptions, Outcome, Part, Record, Store, StoreView, Subscription, WriteOptions
from moorage.model.selectors import EVERYTHING, Selector
from moorage.model.wire import Tree
from moorage.registry import deletion, metadata
from moorage.registry.binding import bind, read_binding
from moorage.registry.configuration import applied, read_configuration
from moorage.registry.managed.entries import APPLY, Write
from moorage.registry.managed.ownership import owned
from moorage.registry.refusals import (
    check_name,
    check_namespace,
    check_patched,
    check_preconditions,
    check_subresource,
    missing,
)
from moorage.registry.selection import select
from moorage.registry.settings import RegistrySettings
from moorage.registry.strategies import strategies
from moorage.registry.token_requests import grant, read_token_request
from moorage.registry.transaction import Transaction
from moorage.registry.watch_io import SelectedSubscription

if TYPE_CHECKING:
    from random import Random

Step = Callable[[Transaction], Outcome]


class _DryRun(Exception):
    """Carries what would have been done out of a transaction that must leave nothing behind."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class Registry:
    """Implements `model.ports.Resources` over any `model.ports.Store`. `clock` gives seconds since the epoch."""

    def __init__(self, store: Store, settings: RegistrySettings, clock: Callable[[], float], random: Random) -> None:
        self._store = store
        self._strategies = strategies(settings)
        self._tokens = settings.tokens
        self._clock = clock
        self._random = random

    @property
    def revision(self) -> int:
        return self._store.revision

    def get(self, kind: Kind, key: Key) -> Record:
        record = self._store.get(kind.resource, key)
        if record is None:
            raise missing(kind, key)
        return record

    def list(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Selector = EVERYTHING,
        fields: Selector = EVERYTHING,
        at: int = 0,
        part: Part = WHOLE,
    ) -> tuple[Sequence[Record], int]:
        """A page of what selectors show looks at no more records than it has to."""
        selection = select(kind, self._strategies[kind.resource], namespace, labels, fields)
        records, revision = self._store.list(kind.resource, namespace, at)
        if part.after is not None:
            records = records[bisect_right(records, part.after, key=lambda each: each.key) :]
        if labels.requirements or fields.requirements:
            records = list(islice(filter(selection.shows, records), part.most or None))
        return records, revision

    def watch(
        self, kind: Kind, namespace: str, since: int, labels: Selector = EVERYTHING, fields: Selector = EVERYTHING
    ) -> Subscription:
        selection = select(kind, self._strategies[kind.resource], namespace, labels, fields)
        subscription = self._store.watch(kind.resource, since)
        return SelectedSubscription(kind, subscription, selection) if selection else subscription

    async def create(
        self, kind: Kind, namespace: str, tree: Tree, options: WriteOptions, name: str = "", subresource: str = ""
    ) -> Outcome:
        check_subresource(kind, subresource)
        if subresource == "token":
            asked, key = read_token_request(tree, Key(namespace, name)), Key(namespace, name)
            return await self._run(lambda work: grant(work.view, key, asked, self._tokens, work.now, self._random), False)
        if subresource:
            binding = read_binding(tree, name)
            return await self._run(lambda work: bind(work, Key(namespace, name), binding), options.dry_run)
        decoded = decode(kind, tree)
        warnings = self._warnings(kind, decoded, options)
        obj = self._new(kind, namespace, decoded.obj, options.manager)
        named = bool(decoded.obj.metadata.name)
        return await self._run(lambda work: _warned(work.create(kind, obj, named), warnings), options.dry_run)

    async def update(self, kind: Kind, key: Key, tree: Tree, options: WriteOptions, subresource: str = "") -> Outcome:
        check_subresource(kind, subresource)
        decoded = decode(kind, tree)
        warnings = self._warnings(kind, decoded, options, subresource)
        check_namespace(kind, key.namespace, decoded.obj)
        check_name(key, decoded.obj)

        def step(work: Transaction) -> Outcome:
            record = work.view.get(kind.resource, key)
            if record is not None:
                return _warned(work.update(kind, record, decoded.obj, subresource, options.manager), warnings)
            if subresource or not self._strategies[kind.resource].create_on_update:
                raise missing(kind, key)
            absent = ObjectMeta(name=key.name)
            check_preconditions(kind, absent, decoded.obj.metadata.uid, "")
            return _warned(work.create(kind, self._new(kind, key.namespace, decoded.obj, options.manager)), warnings)

        return await self._run(step, options.dry_run)

    async def patch(
        self, kind: Kind, key: Key, change: Callable[[Tree], Tree], options: WriteOptions, subresource: str = ""
    ) -> Outcome:
        check_subresource(kind, subresource)

        def step(work: Transaction) -> Outcome:
            record = work.view.get(kind.resource, key)
            if record is None:
                raise missing(kind, key)
            decoded: Decoded = decode(kind, change(to_tree(record.body)))
            check_patched(key, decoded.obj)
            warnings = self._warnings(kind, decoded, options, subresource)
            return _warned(work.update(kind, record, decoded.obj, subresource, options.manager), warnings)

        return await self._run(step, options.dry_run)

    async def apply(
        self, kind: Kind, key: Key, tree: Tree, options: WriteOptions, subresource: str = "", admit_new: Admit | None = None
    ) -> Outcome:
        check_subresource(kind, subresource)
        repeated = read_configuration(kind, key, tree, options)

        def step(work: Transaction) -> Outcome:
            record = work.view.get(kind.resource, key)
            if record is None and subresource:
                raise missing(kind, key)
            if record is None and admit_new is not None:
                admit_new(tree)
            write = Write(options.manager, kind.api_version, timestamp(work.now), subresource, APPLY)
            obj = applied(kind, key, record, tree, write, options.force)
            about = () if subresource else self._strategies[kind.resource].warnings(obj)
            if record is not None:
                return _warned(work.update(kind, record, obj, subresource), repeated + about)
            return _warned(work.create(kind, self._new(kind, key.namespace, obj)), repeated + about)

        return await self._run(step, options.dry_run)

    async def delete(self, kind: Kind, key: Key, options: DeleteOptions) -> Outcome:
        return await self._run(lambda work: deletion.delete(work, kind, key, options), options.dry_run)

    def _warnings(self, kind: Kind, decoded: Decoded, options: WriteOptions, subresource: str = "") -> tuple[str, ...]:
        """About the fields as they were written, and about what they ask for."""
        strategy = self._strategies[kind.resource]
        about_wishes = strategy.status_warnings(decoded.obj) if subresource == "status" else strategy.warnings(decoded.obj)
        return (*field_warnings(kind, decoded, options), *about_wishes)

    async def record_addresses(self) -> None:
        """Writes the IPAddress of every ClusterIP that has none: for a database from before there were any."""
        await self._store.transact(lambda view: self._work(view).record_addresses())

    def _new(self, kind: Kind, namespace: str, obj: Object, manager: str | None = None) -> Object:
        """A body of a create, completed and found valid; what it sets belongs to `manager`, or to whom it names itself.

        Raises ApiError 400, 404 (namespace) or 422.
        """
        check_namespace(kind, namespace, obj)
        if obj.metadata.resource_version:
            raise bad_request("resourceVersion should not be set on objects to be created")
        strategy = self._strategies[kind.resource]
        meta = metadata.completed(obj.metadata, self._clock(), self._random)
        meta = msgspec.structs.replace(
            meta, namespace=namespace if kind.namespaced else "", generation=1 if strategy.counts_generations else 0
        )
        obj = msgspec.structs.replace(obj, api_version=kind.api_version, kind=kind.kind, metadata=meta)
        obj = strategy.default(obj)
        if manager is not None:
            obj = owned(kind, None, obj, Write(manager, kind.api_version, timestamp(self._clock())))
        obj = strategy.prepare_create(obj)
        errors = [*metadata.validate(obj.metadata, strategy.name_format), *strategy.validate(obj)]
        if errors:
            self._check_place(kind, namespace)
            raise unprocessable(kind.kind, kind.group, obj.metadata.name, errors)
        return obj

    def _check_place(self, kind: Kind, namespace: str) -> None:
        """A missing namespace is said before anything is said of the body. Raises ApiError 404."""
        place = Key("", namespace)
        if kind.namespaced and self._store.get(NAMESPACES.resource, place) is None:
            raise missing(NAMESPACES, place)

    def _work(self, view: StoreView) -> Transaction:
        return Transaction(view, self._strategies, self._random, self._clock())

    async def _run(self, step: Step, dry_run: bool) -> Outcome:
        def change(view: StoreView) -> Outcome:
            outcome = step(self._work(view))
            if dry_run:
                raise _DryRun(outcome)
            return outcome

        try:
            return await self._store.transact(change)
        except _DryRun as stopped:
            return self._as_unwritten(stopped.outcome)

    def _as_unwritten(self, outcome: Outcome) -> Outcome:
        """The result of a dry run carries the version that is stored, none for an object that is not."""
        record = outcome.record
        stored = self._store.get(record.resource, record.key)
        obj = load(BY_RESOURCE[record.resource], record.body)
        meta = msgspec.structs.replace(obj.metadata, resource_version=str(stored.revision) if stored else "")
        body = encode(msgspec.structs.replace(obj, metadata=meta))
        revision = stored.revision if stored else 0
        return msgspec.structs.replace(outcome, record=msgspec.structs.replace(record, body=body, revision=revision))


def _warned(outcome: Outcome, warnings: tuple[str, ...]) -> Outcome:
    return msgspec.structs.replace(outcome, warnings=warnings) if warnings else outcome
