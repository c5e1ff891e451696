"""The rules of the in-memory API server, as functions of objects: what a write makes of the object that was there.

Source: apimachinery `registry/rest` and `registry/generic/registry/store.go`, as far as tests of clients rely on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from moorage.model.clock import timestamp
from moorage.model.errors import conflict, required, unprocessable
from moorage.model.garbage import FOREGROUND, FOREGROUND_FINALIZER, ORPHAN, ORPHAN_FINALIZER
from moorage.model.kinds import BY_TYPE
from moorage.model.meta import Condition, Object
from moorage.model.pods import DEFAULT_GRACE_SECONDS, Pod
from moorage.model.ports import ADDED, DELETED, MODIFIED, O, WatchEvent
from moorage.model.selectors import parse_field_selector, parse_label_selector

_FINALIZERS = {FOREGROUND: FOREGROUND_FINALIZER, ORPHAN: ORPHAN_FINALIZER}


def stamped(obj: O, revision: int) -> O:
    """The object under a new resourceVersion."""
    return _with_meta(obj, resource_version=str(revision))


def created(obj: O, old: Object | None, uid: str, now: float) -> O:
    """A new object as stored: kind, name, uid and time of creation filled in; an object in its place keeps the last two.

    Raises ApiError 422 where neither a name nor a generateName is given.
    """
    kind = BY_TYPE[type(obj)]
    meta = obj.metadata
    if not meta.name and not meta.generate_name:
        raise unprocessable(kind.kind, kind.group, "", [required("metadata.name", "name or generateName is required")])
    named = replace(obj, api_version=kind.api_version, kind=kind.kind)
    before = old.metadata if old is not None else None
    return _with_meta(
        named,
        name=meta.name or f"{meta.generate_name}{uid.removeprefix('uid-'):0>5}",
        uid=before.uid if before else meta.uid or uid,
        creation_timestamp=before.creation_timestamp if before else meta.creation_timestamp or timestamp(now),
    )


def replaced(old: O, new: O, subresource: str) -> O:
    """What an update makes of an object: all but the status, or status and metadata. Raises ApiError 409 on a stale version."""
    kind = BY_TYPE[type(old)]
    if new.metadata.uid not in ("", old.metadata.uid):
        detail = f"Precondition failed: UID in precondition: {new.metadata.uid}, UID in object meta: {old.metadata.uid}"
        raise conflict(kind.plural, kind.group, old.metadata.name, detail)
    if new.metadata.resource_version not in ("", old.metadata.resource_version):
        detail = "the object has been modified; please apply your changes to the latest version and try again"
        raise conflict(kind.plural, kind.group, old.metadata.name, detail)
    if subresource == "status":
        kept = replace(old, metadata=new.metadata, status=_status(new))
    else:
        kept = replace(new, api_version=kind.api_version, kind=kind.kind)
        if "status" in kind.subresources:
            kept = replace(kept, status=_status(old))
    meta = old.metadata
    return _with_meta(
        kept,
        uid=meta.uid,
        resource_version=meta.resource_version,
        creation_timestamp=meta.creation_timestamp,
        deletion_timestamp=meta.deletion_timestamp,
        deletion_grace_period_seconds=meta.deletion_grace_period_seconds,
    )


def ended(obj: O, grace_seconds: int | None, now: float) -> O:
    """A deletion begun: the object with its time to go. A Pod without a node has no grace (nobody runs it)."""
    grace = 0
    if isinstance(obj, Pod) and obj.spec.node_name:
        own = obj.spec.termination_grace_period_seconds
        asked = grace_seconds if grace_seconds is not None else own
        grace = DEFAULT_GRACE_SECONDS if asked is None else asked
    meta = obj.metadata
    if meta.deletion_timestamp is not None and grace >= (meta.deletion_grace_period_seconds or 0) > 0:
        return obj
    return _with_meta(obj, deletion_timestamp=timestamp(now + grace), deletion_grace_period_seconds=grace)


def with_propagation(obj: O, propagation: str) -> O:
    """The object with the finalizer that the policy asks for, and without the other. An empty policy changes nothing."""
    if not propagation:
        return obj
    kept = tuple(each for each in obj.metadata.finalizers if each not in _FINALIZERS.values())
    wanted = _FINALIZERS.get(propagation)
    return _with_meta(obj, finalizers=(*kept, wanted) if wanted else kept)


def is_gone(obj: Object) -> bool:
    """Whether nothing holds a deleted object any longer: no grace, no finalizer."""
    meta = obj.metadata
    return meta.deletion_timestamp is not None and not meta.deletion_grace_period_seconds and not meta.finalizers


def with_node(pod: Pod, node: str) -> Pod:
    """What `pods/binding` does: the node's name, and the condition PodScheduled."""
    others = tuple(each for each in pod.status.conditions if each.type != "PodScheduled")
    status = replace(pod.status, conditions=(*others, Condition(type="PodScheduled", status="True")))
    return replace(pod, spec=replace(pod.spec, node_name=node), status=status)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def selection(namespace: str, labels: str, fields: str) -> Callable[[Object], bool]:
    """Whether an object is in a namespace (empty: any) and matches both selectors. Raises ApiError 400."""
    by_label, by_field = parse_label_selector(labels), parse_field_selector(fields)

    def selects(obj: Object) -> bool:
        meta = obj.metadata
        if namespace not in ("", meta.namespace) or not by_label.matches(meta.labels):
            return False
        tree = msgspec.to_builtins(obj) if by_field.requirements else {}
        return by_field.matches({each.key: _at(tree, each.key) for each in by_field.requirements})

    return selects


def seen_through(selects: Callable[[Object], bool], old: Object | None, new: Object | None) -> WatchEvent | None:
    """One change as a watch with selectors sees it: an object that starts to match is ADDED, one that stops is DELETED."""
    before, after = old is not None and selects(old), new is not None and selects(new)
    if new is not None and after:
        return WatchEvent(MODIFIED if before else ADDED, new)
    if old is not None and before:
        return WatchEvent(DELETED, old if new is None else _with_meta(old, resource_version=new.metadata.resource_version))
    return None


def _at(tree: Any, path: str) -> str:
    for name in path.split("."):
        tree = tree.get(name, "") if isinstance(tree, dict) else ""
    return str(tree)


def _status(obj: Any) -> object:
    return obj.status


def _with_meta(obj: O, **changes: Any) -> O:
    return replace(obj, metadata=replace(obj.metadata, **changes))
