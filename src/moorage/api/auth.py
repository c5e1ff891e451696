"""Who asks: users, and the bearer tokens that name them.

Tokens are kept as digests, so that looking one up takes the same time whether it is nearly right or not.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from moorage.model.errors import UserError

ADMINS = "system:masters"
NODES = "system:nodes"
EDGES = "moorage:edges"
CONTROLLERS = "moorage:controllers"
READERS = "moorage:readers"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"

NODE_PREFIX = "system:node:"
"""A node is a member of NODES whose name is this and the name of its Node object."""

EDGE_PREFIX = "moorage:edge:"
"""Likewise a member of EDGES, and the name of the edge."""

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
"""The `extra` key under which upstream tells which certificate or token somebody showed (KEP-4193)."""


class User(msgspec.Struct, frozen=True):
    """`extra` is what the credential says besides, as `kubectl auth whoami` shows it."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = {}

    @property
    def node(self) -> str:
        """The node that this user is the agent or kubelet of, or an empty name."""
        return self._named(NODES, NODE_PREFIX)

    @property
    def edge(self) -> str:
        """The edge that this user is, or an empty name."""
        return self._named(EDGES, EDGE_PREFIX)

    def _named(self, group: str, prefix: str) -> str:
        return self.name.removeprefix(prefix) if group in self.groups and self.name.startswith(prefix) else ""


ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))


class Authenticator(Protocol):
    def user(self, token: str) -> User | None:
        """The user that a bearer token names, or None where it names nobody."""
        ...


class TokenAuthenticator:
    """Users by bearer token."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = {_digest(token): user for token, user in users.items()}

    def user(self, token: str) -> User | None:
        return self._users.get(_digest(token))


class FirstOf:
    """Several kinds of tokens: the first that knows a token decides."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = authenticators

    def user(self, token: str) -> User | None:
        return next((user for each in self._authenticators if (user := each.user(token)) is not None), None)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def parse_tokens(text: str) -> dict[str, User]:
    """A static token file as kube-apiserver reads it: `token,user,uid,"group1,group2"` a line. Raises UserError."""
    users = {}
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        if not row:
            continue
        if len(row) < 3 or not row[0] or not row[1]:
            raise UserError(f"token file, line {number}: expected token,user,uid[,groups]")
        groups = tuple(each.strip() for each in row[3].split(",") if each.strip()) if len(row) > 3 else ()
        users[row[0]] = User(row[1], groups, row[2])
    return users


def format_tokens(users: Mapping[str, User]) -> str:
    """The same file. A user without a uid gets its name for one."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for token, user in users.items():
        writer.writerow([token, user.name, user.uid or user.name, ",".join(user.groups)])
    return out.getvalue()
