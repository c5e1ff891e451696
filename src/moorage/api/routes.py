"""URL paths -> what they name. A path is split once and looked up in tables; nothing is matched by pattern.

/api/v1/[namespaces/NAMESPACE/]PLURAL[/NAME[/SUBRESOURCE]]
/apis/GROUP/VERSION/[namespaces/NAMESPACE/]PLURAL[/NAME[/SUBRESOURCE]]
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from moorage.model.kinds import KINDS, NAMESPACES, Kind
from moorage.model.meta import Key


class Verb(enum.Enum):
    """What is done with a resource, as authorization names it. WATCH is a LIST with `watch=true`."""

    GET = "get"
    LIST = "list"
    WATCH = "watch"
    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    DELETE_COLLECTION = "deletecollection"


class Target(msgspec.Struct, frozen=True):
    """A collection (no name), an object, or a subresource of an object."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)


_ALL = {"GET": Verb.LIST}
_COLLECTION = {**_ALL, "POST": Verb.CREATE, "DELETE": Verb.DELETE_COLLECTION}
_OBJECT = {"GET": Verb.GET, "PUT": Verb.UPDATE, "PATCH": Verb.PATCH, "DELETE": Verb.DELETE}
_SUBRESOURCES: Mapping[str, Mapping[str, Verb]] = {
    "status": {"GET": Verb.GET, "PUT": Verb.UPDATE, "PATCH": Verb.PATCH},
    "binding": {"POST": Verb.CREATE},
    "token": {"POST": Verb.CREATE},
}

_ALL_VERBS = frozenset(Verb)

_KINDS = {(kind.group, kind.version, kind.plural): kind for kind in KINDS}


def find(path: str) -> Target | None:
    """The resource that a path names, or None. A trailing slash is forgiven."""
    _, *parts = path.rstrip("/").split("/")
    if parts[:1] == ["api"]:
        group, rest = "", parts[1:]
    elif parts[:1] == ["apis"] and len(parts) > 1:
        group, rest = parts[1], parts[2:]
    else:
        return None
    if len(rest) < 2 or "" in rest:
        return None
    version, *rest = rest
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and (group, version, rest[2]) in _KINDS:
        namespace, rest = rest[1], rest[2:]
    kind = _KINDS.get((group, version, rest[0]))
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if (subresource and subresource not in kind.subresources) or (name and kind.namespaced and not namespace):
        return None
    return Target(kind, namespace, name, subresource)


def verb(method: str, target: Target) -> Verb | None:
    """What an HTTP method means there, or None where it is not allowed."""
    if target.subresource:
        return _SUBRESOURCES[target.subresource].get(method)
    if target.name:
        return _OBJECT.get(method)
    if target.kind.namespaced and not target.namespace:
        return _ALL.get(method)
    meant = _COLLECTION.get(method)
    return meant if meant in verbs(target.kind) else None


def verbs(kind: Kind) -> frozenset[Verb]:
    """What may be done with objects of a kind. Namespaces go one by one, as upstream has it."""
    return _ALL_VERBS - {Verb.DELETE_COLLECTION} if kind is NAMESPACES else _ALL_VERBS
