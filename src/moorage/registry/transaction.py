"""One write inside a store transaction: before and after -> what is stored, taken and released, or a refusal.

Everything that a write decides on the basis of stored state happens here, on a view that nobody else changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from moorage.manifest.convert import encode, load
from moorage.model.clock import timestamp
from moorage.model.cluster import Namespace
from moorage.model.errors import FieldError, already_exists, conflict, unprocessable
from moorage.model.kinds import IP_ADDRESSES, NAMESPACES, SERVICE_CIDRS, SERVICES, STORED, Kind
from moorage.model.meta import Key, Object
from moorage.model.ports import Outcome, Record, StoreView
from moorage.registry import metadata
from moorage.registry.ip_addresses import record_of
from moorage.registry.managed.entries import Write
from moorage.registry.managed.ownership import owned, settled
from moorage.registry.refusals import MODIFIED, check_preconditions, missing, not_allowed
from moorage.registry.service_allocation import CLUSTER_IPS
from moorage.registry.service_cidrs import judged
from moorage.registry.strategy import Allocation, Held, Strategy

if TYPE_CHECKING:
    from random import Random

NAME_TRIES = 8
"""How many names are made up before a `generateName` gives up (KEP-4420)."""

_CONTENT = tuple(kind for kind in STORED if kind.namespaced)


class Transaction:
    """`strategies` by `Kind.resource`; `now` in seconds since the epoch."""

    def __init__(self, view: StoreView, strategies: Mapping[str, Strategy[Any]], random: Random, now: float) -> None:
        self.view = view
        self.strategies = strategies
        self.now = now
        self._random = random

    def create(self, kind: Kind, obj: Object, named: bool = True) -> Outcome:
        """Stores a new object that is complete and valid by itself. `named` is false where its name was made up."""
        self.require_namespace(kind, obj.key)
        obj = self._with_free_name(kind, obj, named)
        errors = self.strategies[kind.resource].validate_among(obj, self.view)
        if errors:
            raise unprocessable(kind.kind, kind.group, obj.metadata.name, errors)
        return Outcome(self.put(kind, self._allocated(kind, None, obj)), created=True)

    def update(self, kind: Kind, record: Record, after: Object, subresource: str, manager: str | None = None) -> Outcome:
        """Replaces an object, or its status. Nothing is written where nothing differs.

        What changes belongs to `manager` afterwards; with None the owners of fields are those that `after` names.
        """
        strategy = self.strategies[kind.resource]
        before = load(kind, record.body)
        _check_version(kind, strategy, before, after)
        meta = metadata.carried(before.metadata, after.metadata)
        after = strategy.default(msgspec.structs.replace(after, api_version=kind.api_version, kind=kind.kind, metadata=meta))
        if manager is not None:
            after = owned(kind, before, after, Write(manager, kind.api_version, timestamp(self.now), subresource))
        if subresource == "status":
            after = strategy.prepare_status(before, after)
            errors = strategy.validate_status(before, after)
        else:
            after = strategy.prepare_update(before, after)
            errors = strategy.judge_update(before, after)
        self._refuse_update(kind, strategy, before, after, errors)
        after = self._allocated(kind, before, after)
        if strategy.counts_generations and not strategy.wants_same(before, after):
            after = _with_metadata(after, generation=before.metadata.generation + 1)
        after = settled(before, after)
        if after == before:
            return Outcome(record)
        if self._is_over(kind, after):
            return Outcome(self.drop(kind, after), deleted=True)
        return Outcome(self.put(kind, after))

    def put(self, kind: Kind, obj: Object) -> Record:
        """Writes the object under the next revision."""
        record = self.view.put(kind.resource, obj.key, lambda revision: _stamped(obj, revision))
        if kind is SERVICE_CIDRS:
            self._judge_ranges()
        return record

    def drop(self, kind: Kind, obj: Object) -> Record:
        """Removes the object and releases what it held; a namespace that waited for it goes too."""
        self._release(kind, obj.key, self.strategies[kind.resource].held(obj))
        record = self.view.remove(kind.resource, obj.key, lambda revision: _stamped(obj, revision))
        if kind.namespaced:
            self._drop_waiting_namespace(obj.metadata.namespace)
        if kind is IP_ADDRESSES:
            self.record_address(obj.metadata.name)
        return record

    def record_address(self, address: str) -> None:
        """Writes the IPAddress of an address that a Service holds, where there is none."""
        holder = self.view.holder(CLUSTER_IPS, address) or ""
        namespace, slash, name = holder.partition("/")
        if slash and self.view.get(IP_ADDRESSES.resource, Key("", address)) is None:
            self.put(IP_ADDRESSES, record_of(address, Key(namespace, name), self.now, self._random))

    def record_addresses(self) -> None:
        for address in sorted(self.view.held(CLUSTER_IPS)):
            self.record_address(address)

    def require_namespace(self, kind: Kind, key: Key) -> None:
        """Raises ApiError 404 where the namespace is missing, 403 where it is on its way out."""
        if not kind.namespaced:
            return
        found = self._namespace(key.namespace)
        if found is None:
            raise missing(NAMESPACES, Key("", key.namespace))
        if found.metadata.deletion_timestamp is not None:
            message = f"namespace {key.namespace} is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
            why = f"unable to create new content in namespace {key.namespace} because it is being terminated"
            raise not_allowed(kind, key.name, why, (cause,))

    def contents(self, namespace: str) -> list[tuple[Kind, Record]]:
        """Everything that lives in a namespace."""
        return [(kind, record) for kind in _CONTENT for record in self.view.list(kind.resource, namespace)]

    def _with_free_name(self, kind: Kind, obj: Object, named: bool) -> Object:
        meta = obj.metadata
        for _ in range(NAME_TRIES):
            if self.view.get(kind.resource, obj.key) is None:
                return obj
            if named:
                break
            obj = _with_metadata(obj, name=metadata.generated_name(meta.generate_name, self._random))
        raise already_exists(kind.plural, kind.group, meta.name)

    def _refuse_update(
        self, kind: Kind, strategy: Strategy[Any], before: Object, after: Object, errors: list[FieldError]
    ) -> None:
        errors = [
            *metadata.validate_update(before.metadata, after.metadata),
            *metadata.validate(after.metadata, strategy.name_format),
            *errors,
        ]
        errors = errors or strategy.validate_among(after, self.view)
        if errors:
            raise unprocessable(kind.kind, kind.group, before.metadata.name, errors)

    def _allocated(self, kind: Kind, before: Object | None, after: Object) -> Object:
        """Takes and releases what the object's kind allocates, and fills it in."""
        strategy = self.strategies[kind.resource]
        given: Allocation[Object] = strategy.allocate(before, after, self.view, self._random)
        self._release(kind, after.key, given.releases)
        for held in sorted(given.takes):
            self.view.take(held.pool, held.value, str(after.key))
            if kind is SERVICES and held.pool == CLUSTER_IPS:
                self.record_address(held.value)
        return given.obj

    def _release(self, kind: Kind, holder: Key, helds: Iterable[Held]) -> None:
        """Gives back what is the holder's own; the IPAddress of a ClusterIP goes with it, whatever its finalizers."""
        for held in sorted(helds):
            if self.view.holder(held.pool, held.value) != str(holder):
                continue
            self.view.release(held.pool, held.value)
            if kind is SERVICES and held.pool == CLUSTER_IPS:
                record = self.view.get(IP_ADDRESSES.resource, Key("", held.value))
                if record is not None:
                    self.drop(IP_ADDRESSES, load(IP_ADDRESSES, record.body))
                self._judge_ranges()

    def _judge_ranges(self) -> None:
        """A ServiceCIDR that is being deleted goes when nothing needs it any more, or says why it stays."""
        for obj in judged(self.view, self.now):
            if self._is_over(SERVICE_CIDRS, obj):
                self.drop(SERVICE_CIDRS, obj)
            else:
                self.put(SERVICE_CIDRS, obj)

    def _is_over(self, kind: Kind, obj: Object) -> bool:
        """Whether an object that is being deleted has nothing left to wait for."""
        meta = obj.metadata
        if meta.deletion_timestamp is None or meta.finalizers or meta.deletion_grace_period_seconds:
            return False
        return kind is not NAMESPACES or not self.contents(meta.name)

    def _namespace(self, name: str) -> Namespace | None:
        record = self.view.get(NAMESPACES.resource, Key("", name))
        return _namespace_in(record.body) if record else None

    def _drop_waiting_namespace(self, name: str) -> None:
        found = self._namespace(name)
        if found is not None and self._is_over(NAMESPACES, found):
            self.drop(NAMESPACES, found)


@lru_cache(maxsize=64)
def _namespace_in(body: bytes) -> Namespace | None:
    """Every create looks at its namespace, and namespaces seldom change."""
    found = load(NAMESPACES, body)
    return found if isinstance(found, Namespace) else None


def _check_version(kind: Kind, strategy: Strategy[Any], before: Object, after: Object) -> None:
    """Optimistic concurrency: raises ApiError 409 for a stale version, 422 where a version is needed and absent."""
    meta = after.metadata
    check_preconditions(kind, before.metadata, meta.uid, "")
    if meta.resource_version:
        if meta.resource_version != before.metadata.resource_version:
            raise conflict(kind.plural, kind.group, before.metadata.name, MODIFIED)
    elif not strategy.unconditional_update:
        text = "Invalid value: 0x0: must be specified for an update"
        error = FieldError("FieldValueInvalid", "metadata.resourceVersion", text)
        raise unprocessable(kind.kind, kind.group, before.metadata.name, [error])


def _with_metadata(obj: Object, **changes: Any) -> Object:
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, **changes))


def _stamped(obj: Object, revision: int) -> tuple[bytes, Mapping[str, str]]:
    return encode(_with_metadata(obj, resource_version=str(revision))), obj.metadata.labels
