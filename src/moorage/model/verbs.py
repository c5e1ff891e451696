"""What can be asked of an API, as values: controllers return these, the client performs them."""

from __future__ import annotations

import msgspec

from moorage.model.meta import Key, Object, OwnerReference
from moorage.model.reason import Reason
from moorage.model.wire import Tree


class Create(msgspec.Struct, frozen=True):
    obj: Object


class Update(msgspec.Struct, frozen=True):
    """Replaces the object; `metadata.resource_version` guards against a lost update. `subresource` may be "status"."""

    obj: Object
    subresource: str = ""


class MergePatch(msgspec.Struct, frozen=True):
    """RFC 7386: only the named fields change, null removes."""

    type: type[Object]
    key: Key
    patch: Tree
    subresource: str = ""


class Delete(msgspec.Struct, frozen=True):
    """`uid` guards against deleting a namesake; `grace_seconds` None leaves the object's own grace."""

    type: type[Object]
    key: Key
    uid: str = ""
    grace_seconds: int | None = None


class Collect(msgspec.Struct, frozen=True):
    """Deletes an object that lost its owners, as far as that is so: each of `owners` is looked up first.

    `resource_version` guards against a change that the planner has not seen. `propagation` is a policy of `model.garbage`.
    """

    type: type[Object]
    key: Key
    uid: str
    resource_version: str
    owners: tuple[OwnerReference, ...] = ()
    propagation: str = ""


class Bind(msgspec.Struct, frozen=True):
    """Gives a Pod its node (`pods/binding`)."""

    pod: Key
    uid: str
    node: str


class Note(msgspec.Struct, frozen=True):
    """An event about an object: becomes a `core/v1` Event, repeated ones are counted."""

    about: Object
    reason: Reason
    message: str
    warning: bool = False


Verb = Create | Update | MergePatch | Delete | Collect | Bind | Note
