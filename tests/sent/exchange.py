"""One request of a role and what came of it, and how requests of the roles in this process are heard."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from moorage.api.auth_asks import Ask, ask_of
from moorage.api.routes import Target, Verb, find, verb
from moorage.client.connection_io import Connection, Part
from moorage.model.errors import ApiError

WATCH = ("1", "true")


class Exchange(msgspec.Struct, frozen=True):
    """`agent` is the User-Agent, without a version; `code` is that of the answer, 0 where it is not known yet (a watch).

    `answer` is the body of a good answer, empty for a watch.
    """

    agent: str
    method: str
    path: str
    query: Mapping[str, str] = {}
    content_type: str = ""
    body: bytes = b""
    code: int = 0
    answer: bytes = b""

    @property
    def target(self) -> Target:
        """Raises LookupError for a path that no kind of ours lives at."""
        found = find(self.path)
        if found is None:
            raise LookupError(f"no kind lives at {self.path}")
        return found

    @property
    def verb(self) -> Verb:
        """As authorization names it. Raises LookupError for a method that means nothing there."""
        meant = verb(self.method, self.target)
        if meant is None:
            raise LookupError(f"{self.method} means nothing at {self.path}")
        return Verb.WATCH if meant is Verb.LIST and self.query.get("watch") in WATCH else meant

    @property
    def ask(self) -> Ask:
        """A list or watch that a field selector narrows to one name asks about that name (apiserver `requestinfo.go`)."""
        ask = ask_of(self.verb, self.target, self.query)
        for each in ask.fields.replace("==", "=").split(","):
            field, _, value = each.partition("=")
            if field == "metadata.name":
                return msgspec.structs.replace(ask, name=value)
        return ask

    @property
    def tree(self) -> Any:
        return msgspec.json.decode(self.body)

    def __str__(self) -> str:
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.agent}: {self.method} {self.path}{'?' + query if query else ''}"


@contextmanager
def hearing(patch: pytest.MonkeyPatch) -> Iterator[list[Exchange]]:
    """Every request of every client in this process, as long as the block lasts."""
    heard: list[Exchange] = []
    request, stream = Connection.request, Connection.stream

    async def noted_request(
        self: Connection,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        code, answer = 0, b""
        try:
            answer = await request(self, method, path, query, body, content_type)
            code = 200
        except ApiError as error:
            code = error.code
            raise
        finally:
            heard.append(
                Exchange(_agent(self), method, path, query or {}, content_type if body else "", body or b"", code, answer)
            )
        return answer

    def noted_stream(
        self: Connection, path: str, query: Mapping[str, str], accept: str = "application/json"
    ) -> AsyncGenerator[Part, None]:
        heard.append(Exchange(_agent(self), "GET", path, query))
        return stream(self, path, query, accept)

    patched: tuple[tuple[str, Callable[..., Any]], ...] = (("request", noted_request), ("stream", noted_stream))
    with patch.context() as within:
        for name, function in patched:
            within.setattr(Connection, name, function)
        yield heard


def _agent(connection: Connection) -> str:
    return connection._user_agent.partition("/")[0]
