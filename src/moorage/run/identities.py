"""Who the parts of the system are towards the API: the words of `--kubeconfig-out` -> users of the table of roles.

These show a certificate; every other user has a token, from the token file.
"""

from __future__ import annotations

import re

from moorage.api.auth import ADMINS, CONTROLLERS, NODE_PREFIX, NODES, User
from moorage.model.errors import UserError

ADMIN = "admin"
CONTROLLER = "controller"
NODE = "node:"
READER = "reader"
"""Has a token: it is for people and programs that only look, the edge among them."""

_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,50}[a-z0-9])?")
"""Shorter than Kubernetes allows: with `system:node:` before it, it must fit into the 64 characters of a CN (RFC 5280)."""


def node_identity(name: str) -> str:
    """The word for the agent and the kubelet of a node."""
    return f"{NODE}{name}"


def certified(word: str) -> User | None:
    """The user that gets a certificate under this word, or None. Raises UserError for a node that no Node can be called."""
    if word == ADMIN:
        return User("admin", (ADMINS,))
    if word == CONTROLLER:
        return User("moorage:controller", (CONTROLLERS,))
    if not word.startswith(NODE):
        return None
    name = word.removeprefix(NODE)
    if not _NODE_NAME.fullmatch(name):
        raise UserError(f"{word!r} names no node: after {NODE!r} comes the name of a Node object, of at most 52 characters")
    return User(f"{NODE_PREFIX}{name}", (NODES,))
