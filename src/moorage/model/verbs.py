"""What can be asked of an API, as values: controllers return these, the client performs them."""

from __future__ import annotations

import msgspec

from moorage.model.meta import Key, Object
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


Verb = Create | Update | MergePatch | Delete | Bind | Note
