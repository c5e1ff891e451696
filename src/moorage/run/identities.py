"""Who the parts of the system are towards the API: the words of `--kubeconfig-out` -> users of the table of roles.

These show a certificate; every other user has a token, from the token file.
"""

from __future__ import annotations

import re

from moorage.api.auth import ADMINS, CONTROLLERS, EDGE_PREFIX, EDGES, NODE_PREFIX, NODES, User
from moorage.model.errors import UserError

ADMIN = "admin"
CONTROLLER = "controller"
NODE = "node:"
EDGE = "edge:"
READER = "reader"
"""Has a token: it is for people and programs that only look."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,50}[a-z0-9])?")
"""Shorter than Kubernetes allows: with `system:node:` before it, it must fit into the 64 characters of a CN (RFC 5280)."""


def node_identity(name: str) -> str:
    """The word for the agent and the kubelet of a node."""
    return f"{NODE}{name}"


def edge_identity(name: str) -> str:
    """The word for an edge."""
    return f"{EDGE}{name}"


def certified(word: str) -> User | None:
    """The user that gets a certificate under this word, or None. Raises UserError for what no node and no edge is called."""
    if word == ADMIN:
        return User("admin", (ADMINS,))
    if word == CONTROLLER:
        return User("moorage:controller", (CONTROLLERS,))
    for role, prefix, group, kind in ((NODE, NODE_PREFIX, NODES, "node"), (EDGE, EDGE_PREFIX, EDGES, "edge")):
        if word.startswith(role):
            name = word.removeprefix(role)
            if not _NAME.fullmatch(name):
                raise UserError(
                    f"{word!r} names no {kind}: after {role!r} comes a name as objects have, of at most 52 characters"
                )
            return User(f"{prefix}{name}", (group,))
    return None
