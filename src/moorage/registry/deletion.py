"""Deletion: an object goes at once, or is marked and goes when its grace is over or its last finalizer is gone.

Source: apiserver `registry/rest/delete.go` (grace), `registry/generic/registry/store.go` (finalizers), and the namespace
lifecycle. A namespace takes its contents with it in the same transaction, without grace: there is no later clean-up to fail.
"""

from __future__ import annotations

import msgspec

from moorage.manifest.convert import load
from moorage.model.clock import parse_timestamp, timestamp
from moorage.model.cluster import Namespace
from moorage.model.kinds import NAMESPACES, Kind
from moorage.model.meta import Key, Object
from moorage.model.ports import DeleteOptions, Outcome, Record
from moorage.registry.namespaces import PERMANENT, TERMINATING
from moorage.registry.propagation import finalizers
from moorage.registry.refusals import check_preconditions, missing, not_allowed
from moorage.registry.transaction import Transaction


def delete(transaction: Transaction, kind: Kind, key: Key, options: DeleteOptions) -> Outcome:
    """Raises ApiError 404, 409 for a failed precondition, 403 for a permanent namespace."""
    record = transaction.view.get(kind.resource, key)
    if record is None:
        raise missing(kind, key)
    obj = load(kind, record.body)
    check_preconditions(kind, obj.metadata, options.uid, options.resource_version)
    if isinstance(obj, Namespace):
        return _delete_namespace(transaction, obj, record)
    meta = obj.metadata
    obj = with_finalizers(obj, finalizers(kind, meta, options.propagation))
    if meta.deletion_timestamp is not None:
        return _again(transaction, kind, obj, record, options.grace_seconds)
    grace = transaction.strategies[kind.resource].grace_seconds(obj, options.grace_seconds)
    return _end(transaction, kind, obj, transaction.now + grace, grace)


def with_finalizers(obj: Object, names: tuple[str, ...]) -> Object:
    if names == obj.metadata.finalizers:
        return obj
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, finalizers=names))


def _end(transaction: Transaction, kind: Kind, obj: Object, at: float, grace: int) -> Outcome:
    """Removes the object, or marks it with the time at which it should be gone."""
    if not grace and not obj.metadata.finalizers:
        return Outcome(transaction.drop(kind, obj), deleted=True)
    return Outcome(transaction.put(kind, _marked(obj, at, grace)))


def _marked(obj: Object, at: float, grace: int) -> Object:
    meta = obj.metadata
    first = meta.deletion_timestamp is None
    meta = msgspec.structs.replace(
        meta,
        deletion_timestamp=timestamp(at),
        deletion_grace_period_seconds=grace,
        generation=meta.generation + 1 if first and meta.generation else meta.generation,
    )
    return msgspec.structs.replace(obj, metadata=meta)


def _again(transaction: Transaction, kind: Kind, obj: Object, record: Record, asked: int | None) -> Outcome:
    """A later delete may shorten the grace; when that is over, it may change what becomes of the dependents."""
    known = obj.metadata.deletion_grace_period_seconds or 0
    if known and (asked is None or asked >= known):
        return Outcome(record)
    grace = max(asked or 0, 0) if known else 0
    at = parse_timestamp(obj.metadata.deletion_timestamp or "") - known + grace
    if not known and obj == load(kind, record.body):
        return Outcome(record)
    return _end(transaction, kind, obj, at, grace)


def _delete_namespace(transaction: Transaction, namespace: Namespace, record: Record) -> Outcome:
    name = namespace.metadata.name
    if name in PERMANENT:
        raise not_allowed(NAMESPACES, name, "this namespace may not be deleted")
    for kind, content in transaction.contents(name):
        obj = load(kind, content.body)
        if obj.metadata.finalizers and obj.metadata.deletion_timestamp is not None:
            continue
        _end(transaction, kind, obj, transaction.now, 0)
    if not namespace.metadata.finalizers and not transaction.contents(name):
        return Outcome(transaction.drop(NAMESPACES, namespace), deleted=True)
    if namespace.metadata.deletion_timestamp is not None:
        return Outcome(record)
    status = msgspec.structs.replace(namespace.status, phase=TERMINATING)
    waiting = _marked(msgspec.structs.replace(namespace, status=status), transaction.now, 0)
    return Outcome(transaction.put(NAMESPACES, waiting))
