"""Who asks, and whether they may: bearer tokens -> users, users and verbs -> yes or no.

Tokens are kept as digests, so that looking one up takes the same time whether it is nearly right or not.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from typing import Protocol

import msgspec

from moorage.api.routes import Target, Verb
from moorage.model.errors import ApiError, UserError

ADMINS = "system:masters"
NODES = "system:nodes"
READERS = "moorage:readers"


class User(msgspec.Struct, frozen=True):
    name: str
    groups: tuple[str, ...] = ()


class Authenticator(Protocol):
    def user(self, authorization: str) -> User | None:
        """The user that the value of an `Authorization` header names, or None where it names nobody."""
        ...


class Authorizer(Protocol):
    def allows(self, user: User, verb: Verb, target: Target) -> bool: ...


class TokenAuthenticator:
    """Users by bearer token."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = {_digest(token): user for token, user in users.items()}

    def user(self, authorization: str) -> User | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        return self._users.get(_digest(token.strip()))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


_READING = frozenset({Verb.GET, Verb.LIST, Verb.WATCH})
_EVERYTHING = frozenset(Verb)

ALLOWED: Mapping[str, frozenset[Verb]] = {ADMINS: _EVERYTHING, NODES: _EVERYTHING, READERS: _READING}
"""What members of a group may do."""


class GroupAuthorizer:
    """A user may do what any of its groups may do."""

    def __init__(self, allowed: Mapping[str, frozenset[Verb]] = ALLOWED) -> None:
        self._allowed = allowed

    def allows(self, user: User, verb: Verb, target: Target) -> bool:
        return any(verb in self._allowed.get(group, ()) for group in user.groups)


def forbidden(user: User, verb: Verb, target: Target) -> ApiError:
    """403 as upstream words it."""
    kind = target.kind
    resource = f"{kind.plural}/{target.subresource}" if target.subresource else kind.plural
    place = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    named = f'{kind.resource} "{target.name}"' if target.name else kind.resource
    what = f'User "{user.name}" cannot {verb.value} resource "{resource}" in API group "{kind.group}" {place}'
    return ApiError(
        403, "Forbidden", f"{named} is forbidden: {what}", {"name": target.name, "group": kind.group, "kind": kind.plural}
    )


def parse_tokens(text: str) -> dict[str, User]:
    """A static token file as kube-apiserver reads it: `token,user,uid,"group1,group2"` a line. Raises UserError."""
    users = {}
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        if not row:
            continue
        if len(row) < 3 or not row[0] or not row[1]:
            raise UserError(f"token file, line {number}: expected token,user,uid[,groups]")
        groups = tuple(each.strip() for each in row[3].split(",")) if len(row) > 3 else ()
        users[row[0]] = User(row[1], groups)
    return users


def format_tokens(users: Mapping[str, User]) -> str:
    """The same file. The uid is the user's name."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for token, user in users.items():
        writer.writerow([token, user.name, user.name, ",".join(user.groups)])
    return out.getvalue()
