"""Every request that a role sends in a test of this room is judged when the test is over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moorage.api.auth import AUTHENTICATED, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_rules import RoleAuthorizer
from moorage.run.identities import CONTROLLER, certified
from tests.sent.exchange import hearing
from tests.sent.judge import judge

ROLES = {"moorage-controller": CONTROLLER, "moorage-node": "node:node-1"}


def allowed(agent: str, ask: Ask) -> bool:
    """By the embedded server's own table of roles."""
    user = certified(ROLES[agent])
    assert user is not None
    authorizer = RoleAuthorizer(lambda pod: "node-1")
    return authorizer.allows(User(user.name, (*user.groups, AUTHENTICATED)), ask)


@pytest.fixture(autouse=True)
def _requests_are_right(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with hearing(monkeypatch) as heard:
        yield
    assert judge([each for each in heard if each.agent in ROLES], allowed) == []
