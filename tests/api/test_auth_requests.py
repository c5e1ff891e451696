"""Who a request is from, and whom it acts as. Source: apiserver `pkg/authentication/request`, `pkg/endpoints/filters`."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.api.auth import ADMINS, ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, TokenAuthenticator, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_requests import Certificate, acting, bearer_token, identify
from moorage.api.auth_rules import RoleAuthorizer
from moorage.model.errors import ApiError
from moorage.model.meta import Key

NOW = 1000.0
TOKENS = TokenAuthenticator({"secret": User("token", ("t",)), "full": User("full", (AUTHENTICATED,))})
GOOD = Certificate(User("cert", ("c",)), NOW + 1)
ENDED = Certificate(User("cert", ("c",)), NOW)

BY_TOKEN = User("token", ("t", AUTHENTICATED))
BY_CERTIFICATE = User("cert", ("c", AUTHENTICATED))


@pytest.mark.parametrize(
    ("header", "certificate", "user"),
    [
        ("", None, ANONYMOUS),
        ("Bearer secret", None, BY_TOKEN),
        ("bearer   secret ", None, BY_TOKEN),
        ("Bearer full", None, User("full", (AUTHENTICATED,))),
        ("", GOOD, BY_CERTIFICATE),
        ("Bearer wrong", GOOD, BY_CERTIFICATE),
        ("Bearer secret", GOOD, BY_CERTIFICATE),
        ("Bearer secret", ENDED, BY_TOKEN),
        ("Bearer", None, ANONYMOUS),
        ("Basic c2VjcmV0", None, ANONYMOUS),
        ("Basic c2VjcmV0", GOOD, BY_CERTIFICATE),
    ],
)
def test_who_it_is(header: str, certificate: Certificate | None, user: User) -> None:
    assert identify(header, certificate, TOKENS, NOW) == user


@pytest.mark.parametrize(
    ("header", "certificate"), [("Bearer wrong", None), ("Bearer secre", None), ("", ENDED), ("Bearer wrong", ENDED)]
)
def test_what_is_shown_must_be_good(header: str, certificate: Certificate | None) -> None:
    with pytest.raises(ApiError) as raised:
        identify(header, certificate, TOKENS, NOW)
    assert (raised.value.code, raised.value.reason, raised.value.message) == (401, "Unauthorized", "Unauthorized")


@pytest.mark.parametrize(
    ("header", "token"), [("Bearer a b", "a"), ("BEARER a", "a"), ("Bearer ", ""), ("Bearera", ""), ("a", ""), ("", "")]
)
def test_tokens_in_headers(header: str, token: str) -> None:
    assert bearer_token(header) == token


def nowhere(pod: Key) -> None:
    """No Pod exists."""


ADMIN = User("admin", (ADMINS, AUTHENTICATED))
ALLOWS = RoleAuthorizer(nowhere).allows
ACCOUNTS = ("system:serviceaccounts", "system:serviceaccounts:ns")


def headers(text: str) -> list[tuple[bytes, bytes]]:
    """`user=x group=a group=b`: the headers `Impersonate-*`."""
    pairs = (each.split("=") for each in text.split())
    return [(b"accept", b"*/*"), *((b"impersonate-" + name.encode(), value.encode()) for name, value in pairs)]


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", ADMIN),
        ("user=ada", User("ada", (AUTHENTICATED,))),
        ("user=ada group=a group=b", User("ada", ("a", "b", AUTHENTICATED))),
        (f"user=ada group={UNAUTHENTICATED}", User("ada", (UNAUTHENTICATED,))),
        ("user=system:anonymous", ANONYMOUS),
        ("user=system:serviceaccount:ns:web", User("system:serviceaccount:ns:web", (*ACCOUNTS, AUTHENTICATED))),
        ("user=system:serviceaccount:ns:web group=g", User("system:serviceaccount:ns:web", ("g", AUTHENTICATED))),
        ("user=system:serviceaccount:ns", User("system:serviceaccount:ns", (AUTHENTICATED,))),
        ("user=ada uid=7", User("ada", (AUTHENTICATED,), "7")),
        (
            "user=ada extra-example.com%2fscope=x extra-example.com%2fscope=y",
            User("ada", (AUTHENTICATED,), extra={"example.com/scope": ("x", "y")}),
        ),
    ],
)
def test_acting_as_another(text: str, user: User) -> None:
    assert acting(ADMIN, headers(text), ALLOWS) == user


class Only:
    """Allows one thing, and remembers what was asked."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed
        self.asked: list[Ask] = []

    def allows(self, user: User, ask: Ask) -> bool:
        self.asked.append(ask)
        return ask.full in self.allowed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "user=ada",
            'users "ada" is forbidden: User "x" cannot impersonate resource "users" in API group "" at the cluster scope',
        ),
        (
            "user=system:serviceaccount:ns:web",
            'serviceaccounts "web" is forbidden: User "x" cannot impersonate resource "serviceaccounts" in API group "" '
            'in the namespace "ns"',
        ),
    ],
)
def test_not_everybody_may(text: str, message: str) -> None:
    for user in (User("x", (AUTHENTICATED,)), User("x", (UNAUTHENTICATED,))):
        with pytest.raises(ApiError) as raised:
            acting(user, headers(text), ALLOWS)
        assert (raised.value.code, raised.value.message) == (403, message)


@pytest.mark.parametrize("text", ["group=system:masters", "uid=1", "extra-a=b"])
def test_groups_without_a_user_make_no_sense(text: str) -> None:
    with pytest.raises(ApiError) as raised:
        acting(ADMIN, headers(text), ALLOWS)
    assert raised.value.code == 400


def test_every_claim_is_asked_for() -> None:
    claims = {"users": "user=ada", "groups": "group=g", "uids.authentication.k8s.io": "uid=1"}
    claims["userextras.authentication.k8s.io/scope"] = "extra-scope=all"
    for missing in claims:
        only = Only(*(each for each in claims if each != missing))
        with pytest.raises(ApiError) as raised:
            acting(User("x"), headers(" ".join(claims.values())), only.allows)
        assert raised.value.code == 403
        assert only.asked[-1].full == missing


@given(
    st.binary(max_size=200),
    st.lists(st.tuples(st.sampled_from(["user", "group", "uid", "extra-%2f%", "x"]), st.binary(max_size=50))),
)
def test_any_header_is_an_answer(header: bytes, pairs: list[tuple[str, bytes]]) -> None:
    """A user, or a refusal: 400, 401 or 403."""
    given_headers = [(b"impersonate-" + name.encode(), value) for name, value in pairs]
    refused = 401
    with suppress(ApiError):
        identify(header.decode("latin-1"), None, TOKENS, NOW)
        refused = 0
    for each in (ANONYMOUS, ADMIN):
        try:
            acting(each, given_headers, ALLOWS)
        except ApiError as error:
            refused = error.code
    assert refused in (0, 400, 401, 403)
