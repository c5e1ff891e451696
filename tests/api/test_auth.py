"""Tokens, groups and the token file."""

from __future__ import annotations

import pytest

from moorage.api.auth import (
    ADMINS,
    NODES,
    READERS,
    GroupAuthorizer,
    TokenAuthenticator,
    User,
    forbidden,
    format_tokens,
    parse_tokens,
)
from moorage.api.routes import Target, Verb
from moorage.model.errors import UserError
from moorage.model.kinds import ENDPOINT_SLICES, SERVICES

ADMIN = User("admin", (ADMINS,))


@pytest.mark.parametrize(
    ("header", "user"),
    [
        ("Bearer secret", ADMIN),
        ("bearer secret", ADMIN),
        ("Bearer  secret ", ADMIN),
        ("Bearer secre", None),
        ("Bearer", None),
        ("Basic secret", None),
        ("secret", None),
        ("", None),
    ],
)
def test_bearer_tokens(header: str, user: User | None) -> None:
    assert TokenAuthenticator({"secret": ADMIN}).user(header) == user


def test_groups() -> None:
    authorizer = GroupAuthorizer()
    target = Target(SERVICES, "default", "web")
    assert authorizer.allows(ADMIN, Verb.DELETE_COLLECTION, target)
    assert authorizer.allows(User("n", (NODES,)), Verb.PATCH, target)
    assert authorizer.allows(User("r", (READERS, "more")), Verb.WATCH, target)
    assert not authorizer.allows(User("r", (READERS,)), Verb.DELETE, target)
    assert not authorizer.allows(User("nobody"), Verb.GET, target)


def test_the_words_of_a_refusal() -> None:
    error = forbidden(User("r"), Verb.PATCH, Target(SERVICES, "d", "web", "status"))
    assert error.message == (
        'services "web" is forbidden: User "r" cannot patch resource "services/status" in API group "" in the namespace "d"'
    )
    error = forbidden(User("r"), Verb.LIST, Target(ENDPOINT_SLICES))
    assert error.message == (
        'endpointslices.discovery.k8s.io is forbidden: User "r" cannot list resource "endpointslices" '
        'in API group "discovery.k8s.io" at the cluster scope'
    )
    assert (error.code, error.details["kind"]) == (403, "endpointslices")


def test_the_token_file() -> None:
    users = {"t1": User("admin", (ADMINS,)), "t2": User("node", (NODES, "more")), "t3": User("none")}
    text = format_tokens(users)
    assert text == 't1,admin,admin,system:masters\nt2,node,node,"system:nodes,more"\nt3,none,none,\n'
    parsed = parse_tokens(text)
    assert parsed["t1"] == users["t1"]
    assert parsed["t2"] == users["t2"]
    assert parse_tokens("\nt,u,1\n") == {"t": User("u")}
    with pytest.raises(UserError, match="line 2: expected token,user,uid"):
        parse_tokens("t,u,1\nnonsense\n")
