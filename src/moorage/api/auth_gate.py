"""The gate of the API: an ASGI scope -> who acts -> whether the request may pass, and the object in its body.

`serve_io` puts the certificate of a connection into the scope of its requests under `CERTIFICATE`.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec

from moorage.api.auth import Authenticator, User
from moorage.api.auth_asks import Ask, forbidden
from moorage.api.auth_requests import acting, identify
from moorage.api.auth_rules import Authorizer
from moorage.api.exchange import Request
from moorage.api.routes import Verb
from moorage.model.wire import Tree

CERTIFICATE = "moorage.certificate"


class Gate:
    """`clock` gives seconds since the epoch: certificates end."""

    def __init__(self, authenticator: Authenticator, authorizer: Authorizer, clock: Callable[[], float]) -> None:
        self.authenticator = authenticator
        self.authorizer = authorizer
        self._clock = clock

    def enter(self, asked: Request, scope: MutableMapping[str, Any]) -> User:
        """The user that a request acts for. Raises ApiError 400, 401, 403."""
        user = identify(asked.header(b"authorization"), scope.get(CERTIFICATE), self.authenticator, self._clock())
        return acting(user, scope["headers"], self.authorizer.allows)

    def check(self, user: User, ask: Ask) -> None:
        """Raises ApiError 403."""
        if not self.authorizer.allows(user, ask):
            raise forbidden(user, ask)

    def guard(self, asked: Request, user: User, ask: Ask) -> None:
        """Checks a request, and again when its body has come: meanwhile a Pod may have become another node's.

        The object in the body is judged by the verb, through `asked.admit`, or `asked.admit_new` where a verb other than create
        makes one. Raises ApiError 403.
        """
        self.check(user, ask)
        read = asked.read_body

        async def body() -> bytes:
            data = await read()
            self.check(user, ask)
            return data

        def admit(tree: Tree) -> None:
            self.authorizer.admit(user, ask, tree)

        def admit_new(tree: Tree) -> None:
            making = msgspec.structs.replace(ask, verb=Verb.CREATE.value)
            self.check(user, making)
            self.authorizer.admit(user, making, tree)

        asked.read_body, asked.admit, asked.admit_new = body, admit, admit_new
