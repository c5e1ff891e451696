"""Tokens, the users they name, and the token file."""

from __future__ import annotations

import pytest

from moorage.api.auth import ADMINS, NODES, FirstOf, TokenAuthenticator, User, format_tokens, parse_tokens
from moorage.model.errors import UserError

ADMIN = User("admin", (ADMINS,))
READER = User("reader")


@pytest.mark.parametrize(("token", "user"), [("secret", ADMIN), ("secre", None), ("secrets", None), ("", None)])
def test_tokens(token: str, user: User | None) -> None:
    assert TokenAuthenticator({"secret": ADMIN}).user(token) == user


def test_the_first_that_knows_a_token_decides() -> None:
    both = FirstOf((TokenAuthenticator({"a": ADMIN}), TokenAuthenticator({"a": READER, "b": READER})))
    assert (both.user("a"), both.user("b"), both.user("c")) == (ADMIN, READER, None)


@pytest.mark.parametrize(
    ("user", "node"),
    [
        (User("system:node:node-1", (NODES,)), "node-1"),
        (User("system:node:node-1", (ADMINS,)), ""),
        (User("node-1", (NODES,)), ""),
        (User("system:node:", (NODES,)), ""),
    ],
)
def test_whose_agent_a_user_is(user: User, node: str) -> None:
    """Source: upstream `pkg/auth/nodeidentifier/default.go`."""
    assert user.node == node


def test_the_token_file() -> None:
    users = {"t1": User("admin", (ADMINS,)), "t2": User("node", (NODES, "more")), "t3": User("none")}
    text = format_tokens(users)
    assert text == 't1,admin,admin,system:masters\nt2,node,node,"system:nodes,more"\nt3,none,none,\n'
    parsed = parse_tokens(text)
    assert parsed == {
        "t1": User("admin", (ADMINS,), "admin"),
        "t2": User("node", (NODES, "more"), "node"),
        "t3": User("none", (), "none"),
    }
    assert format_tokens(parsed) == text
    assert parse_tokens("\nt,u,1\n") == {"t": User("u", (), "1")}
    with pytest.raises(UserError, match="line 2: expected token,user,uid"):
        parse_tokens("t,u,1\nnonsense\n")
