"""Refusals that several verbs share, in upstream's words."""

from __future__ import annotations

from collections.abc import Sequence

from moorage.model.errors import ApiError, bad_request, conflict, not_found
from moorage.model.kinds import Kind
from moorage.model.meta import Key, Object, ObjectMeta

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def missing(kind: Kind, key: Key) -> ApiError:
    return not_found(kind.plural, kind.group, key.name)


def not_allowed(kind: Kind, name: str, why: str, causes: Sequence[dict[str, str]] = ()) -> ApiError:
    """403 for what nobody may do, whatever their rights."""
    details = {"name": name, "group": kind.group, "kind": kind.plural, **({"causes": list(causes)} if causes else {})}
    return ApiError(403, "Forbidden", f'{kind.resource} "{name}" is forbidden: {why}', details)


def check_subresource(kind: Kind, subresource: str) -> None:
    """Raises ApiError 404 where the kind has no such subresource."""
    if subresource and subresource not in kind.subresources:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")


def check_preconditions(kind: Kind, meta: ObjectMeta, uid: str, resource_version: str) -> None:
    """Raises ApiError 409 where a delete names another incarnation or version than the stored one."""
    if uid and uid != meta.uid:
        text = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta.uid}"
        raise conflict(kind.plural, kind.group, meta.name, text)
    if resource_version and resource_version != meta.resource_version:
        text = (
            f"Precondition failed: ResourceVersion in precondition: {resource_version}, "
            f"ResourceVersion in object meta: {meta.resource_version}"
        )
        raise conflict(kind.plural, kind.group, meta.name, text)


def check_namespace(kind: Kind, namespace: str, obj: Object) -> None:
    """Raises ApiError 400 where the body names another namespace than the URL."""
    if kind.namespaced and obj.metadata.namespace not in ("", namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_name(key: Key, obj: Object) -> None:
    """Raises ApiError 400 where the body of a PUT names no object, or another one than the URL."""
    name = obj.metadata.name
    if not name:
        raise bad_request(f"the name of the object ({key.name} based on URL) was undeterminable: name must be provided")
    if name != key.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({key.name})")


def check_patched(key: Key, obj: Object) -> None:
    """Raises ApiError 400 where a patch makes another object of the one that it was sent to."""
    check_name(key, obj)
    namespace = obj.metadata.namespace
    if namespace not in ("", key.namespace):
        text = f"the namespace of the object ({namespace}) does not match the namespace on the request ({key.namespace})"
        raise bad_request(text)
