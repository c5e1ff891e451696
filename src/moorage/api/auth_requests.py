"""What a request shows of who sent it -> the user it acts for.

    the certificate of its connection, else its bearer token, else nobody -> a user -> the one it acts as, where it may

Source: apiserver `pkg/authentication/request/x509`, `.../bearertoken`, `pkg/endpoints/filters/impersonation`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from moorage.api.auth import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, Authenticator, User
from moorage.api.auth_asks import Ask, forbidden
from moorage.api.status import unauthorized
from moorage.model.errors import bad_request

SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
SERVICE_ACCOUNTS = "system:serviceaccounts"

_EXTRA = b"impersonate-extra-"
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")


class Certificate(msgspec.Struct, frozen=True):
    """A client certificate that TLS has verified: its subject as a user, and its end in seconds since the epoch."""

    user: User
    ends: float


def identify(authorization: str, certificate: Certificate | None, authenticator: Authenticator, now: float) -> User:
    """The user behind a request; nobody is `system:anonymous`. Raises ApiError 401 for what was shown and is not good.

    A good certificate wins over a token, as upstream has it; so does a good token over a certificate that has ended.
    """
    if certificate is not None and now < certificate.ends:
        return _authenticated(certificate.user)
    token = bearer_token(authorization)
    user = authenticator.user(token) if token else None
    if user is not None:
        return _authenticated(user)
    if token or certificate is not None:
        raise unauthorized()
    return ANONYMOUS


def bearer_token(authorization: str) -> str:
    """The token of an `Authorization` header; empty for any other scheme, which is as good as no header."""
    scheme, _, rest = authorization.strip().partition(" ")
    return rest.strip().partition(" ")[0] if scheme.lower() == "bearer" else ""


def _authenticated(user: User) -> User:
    if AUTHENTICATED in user.groups:
        return user
    return msgspec.structs.replace(user, groups=(*user.groups, AUTHENTICATED))


def acting(user: User, headers: Iterable[tuple[bytes, bytes]], allows: Callable[[User, Ask], bool]) -> User:
    """The user that `Impersonate-*` headers name (`kubectl --as`), or the same where there are none.

    Raises ApiError 400 where they make no sense, 403 where the user may not act as that one.
    """
    found = [(name, value.decode("utf-8", "replace")) for name, value in headers if name.startswith(b"impersonate-")]
    if not found:
        return user
    name = _last(found, b"impersonate-user")
    groups = tuple(value for header, value in found if header == b"impersonate-group")
    uid, extra = _last(found, b"impersonate-uid"), _extra(found)
    if not name:
        raise bad_request("Impersonate-Group, -Uid or -Extra is given without Impersonate-User")
    for ask in _asks(name, groups, uid, extra):
        if not allows(user, ask):
            raise forbidden(user, ask)
    return User(name, _groups(name, groups), uid, extra)


def _last(found: Iterable[tuple[bytes, str]], wanted: bytes) -> str:
    return next((value for name, value in found if name == wanted), "")


def _extra(found: Iterable[tuple[bytes, str]]) -> dict[str, tuple[str, ...]]:
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in found:
        if header.startswith(_EXTRA):
            key = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), header.removeprefix(_EXTRA)).decode(
                "utf-8", "replace"
            )
            extra[key] = (*extra.get(key, ()), value)
    return extra


def _asks(name: str, groups: Iterable[str], uid: str, extra: Mapping[str, tuple[str, ...]]) -> list[Ask]:
    """Everything that must be allowed: each thing that is claimed is a resource of its own."""
    account = _service_account(name)
    if account is not None:
        asks = [Ask("impersonate", "serviceaccounts", namespace=account[0], name=account[1])]
    else:
        asks = [Ask("impersonate", "users", name=name)]
    asks += [Ask("impersonate", "groups", name=each) for each in groups]
    for key, values in extra.items():
        asks += [Ask("impersonate", "userextras", "authentication.k8s.io", key, name=each) for each in values]
    if uid:
        asks.append(Ask("impersonate", "uids", "authentication.k8s.io", name=uid))
    return asks


def _groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """A service account is in its groups unless others are named; whoever is not anonymous is authenticated."""
    if name == ANONYMOUS.name:
        return groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    account = _service_account(name)
    if account is not None and not groups:
        groups = service_account_groups(account[0])
    return groups if AUTHENTICATED in groups or UNAUTHENTICATED in groups else (*groups, AUTHENTICATED)


def _service_account(name: str) -> tuple[str, str] | None:
    """Namespace and name of `system:serviceaccount:NAMESPACE:NAME`; None for any other user."""
    parts = name.removeprefix(SERVICE_ACCOUNT_PREFIX).split(":")
    is_one = name.startswith(SERVICE_ACCOUNT_PREFIX) and len(parts) == 2 and all(parts)
    return (parts[0], parts[1]) if is_one else None


def service_account_groups(namespace: str) -> tuple[str, str]:
    return SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}"
