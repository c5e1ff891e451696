"""Whether somebody may do something: a user and an `Ask` -> yes or no, by the table of roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from moorage.api.auth import EDGES, NODES, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_nodes import NodeOf, check_body
from moorage.api.auth_roles import ROLES, Rule
from moorage.model.wire import Tree


class Authorizer(Protocol):
    def allows(self, user: User, ask: Ask) -> bool: ...

    def admit(self, user: User, ask: Ask, tree: Tree) -> None:
        """Judges the object in the body of a request that is allowed. Raises ApiError 403."""
        ...

    def rules(self, user: User) -> tuple[Rule, ...]:
        """Every rule that may hold for a user, whatever its condition."""
        ...


class RoleAuthorizer:
    """A user may do what any of its groups may do. `node_of` tells where a Pod runs."""

    def __init__(self, node_of: NodeOf, roles: Mapping[str, tuple[Rule, ...]] = ROLES) -> None:
        self._node_of = node_of
        self._roles = roles

    def allows(self, user: User, ask: Ask) -> bool:
        return any(each.allows(user, ask, self._node_of) for each in self.rules(user))

    def admit(self, user: User, ask: Ask, tree: Tree) -> None:
        if user.node or user.edge:
            check_body(user, ask, tree)

    def rules(self, user: User) -> tuple[Rule, ...]:
        """A member of NODES that names no node is nobody's agent; so it is with EDGES."""
        groups = (each for each in user.groups if (each != NODES or user.node) and (each != EDGES or user.edge))
        return tuple(rule for group in groups for rule in self._roles.get(group, ()))
