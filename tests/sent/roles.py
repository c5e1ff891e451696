"""What the roles may do, by the embedded server's own table."""

from __future__ import annotations

from moorage.api.auth import AUTHENTICATED, NODE_PREFIX, NODES, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_rules import RoleAuthorizer
from moorage.run.identities import CONTROLLER, certified

_CONTROLLER, _EDGE = certified(CONTROLLER), certified("edge:edge-1")
assert _CONTROLLER is not None
assert _EDGE is not None

ROLES = {
    "moorage-controller": _CONTROLLER,
    "moorage-node": User(f"{NODE_PREFIX}node-1", (NODES,)),
    "moorage-edge": _EDGE,
}
"""By their User-Agent. The node is node-1, the edge edge-1."""

_AUTHORIZER = RoleAuthorizer(lambda pod: "node-1")


def embedded(agent: str, ask: Ask) -> bool:
    """Whether the embedded server lets a role do that."""
    user = ROLES[agent]
    return _AUTHORIZER.allows(User(user.name, (*user.groups, AUTHENTICATED)), ask)
