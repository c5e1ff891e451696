"""The API as an ASGI application: a request -> who asks -> what is named -> whether it is allowed -> the verb -> an answer.

Everything it needs comes in as values; it opens nothing and starts nothing. `serve_io` puts it behind sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import msgspec
import structlog

from moorage.api import discovery, openapi, routes
from moorage.api.auth import Authenticator
from moorage.api.auth_asks import Ask, ask_of
from moorage.api.auth_gate import Gate
from moorage.api.auth_reviews import Reviews, find_review
from moorage.api.auth_rules import Authorizer, RoleAuthorizer
from moorage.api.exchange import Request, Response, Stream, json_document
from moorage.api.exchange_io import ClientGone, Message, Receive, Send, request, send_response, send_stream
from moorage.api.health import PATHS as HEALTH
from moorage.api.health import Check, Health
from moorage.api.metrics import PATH as METRICS
from moorage.api.metrics import Metrics
from moorage.api.routes import Target, Verb
from moorage.api.status import failure_response, internal, method_not_allowed, no_such_resource
from moorage.api.verbs import Verbs, is_watched
from moorage.model.errors import ApiError, HostError
from moorage.model.kinds import PODS
from moorage.model.meta import Key
from moorage.model.pods import Pod
from moorage.model.ports import Resources

log = structlog.get_logger()

_ASKED = "moorage.asked"
"""Where the verb and target of a request are noted in its scope, once they are known."""


class App:
    """The ASGI application. `stop` ends all watches in good order, so that their connections can be closed."""

    def __init__(
        self,
        resources: Resources,
        authenticator: Authenticator,
        authorizer: Authorizer,
        clock: Callable[[], float],
        checks: Mapping[str, Check],
    ) -> None:
        self._clock = clock
        self._stopping = asyncio.Event()
        self._verbs = Verbs(resources, clock)
        self._metrics = Metrics(lambda: resources.revision)
        self._health = Health(checks, self._stopping.is_set)
        self._gate = Gate(authenticator, authorizer, clock)
        self._reviews = Reviews(self._gate, clock)
        self._documents = discovery.documents()

    def stop(self) -> None:
        self._stopping.set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began = self._clock()
        try:
            answer = await self._answer(request(scope, receive), scope)
        except ClientGone:
            return
        except ApiError as error:
            answer = failure_response(error)
        except HostError as error:
            answer = failure_response(internal(str(error)))
        except Exception as error:
            log.exception("a request could not be answered", method=scope["method"], path=scope["path"])
            answer = failure_response(internal(f"{type(error).__name__}: the log of the server tells more"))
        asked: tuple[Verb, Target] | None = scope.get(_ASKED)
        if asked is not None:
            code = answer.status if isinstance(answer, Response) else 200
            self._metrics.answered(*asked, code, max(0.0, self._clock() - began))
        if isinstance(answer, Response):
            await send_response(answer, send)
        elif asked is not None:
            with self._metrics.watching(asked[1]):
                await send_stream(answer, receive, send, self._stopping)

    async def _answer(self, asked: Request, scope: Message) -> Response | Stream:
        user = self._gate.enter(asked, scope)
        target = routes.find(asked.path)
        if target is None:
            review = find_review(asked.path)
            if review is not None:
                return await self._reviews.answer(asked, user, review)
            self._gate.check(user, Ask(asked.method.lower(), path=asked.path))
            return self._document(asked)
        verb = routes.verb(asked.method, target)
        if verb is None:
            raise method_not_allowed()
        verb = is_watched(asked, verb)
        scope[_ASKED] = verb, target
        self._gate.guard(asked, user, ask_of(verb, target, asked.query))
        return await self._verbs.answer(verb, asked, target)

    def _document(self, asked: Request) -> Response:
        """What the API says of itself."""
        path = asked.path.rstrip("/")
        response = self._health.answer(path, asked.query)
        if response is not None:
            pass
        elif path == METRICS:
            response = self._metrics.render()
        elif path in self._documents:
            response = self._documents[path](asked.header(b"accept"))
        elif path:
            response = openapi.answer(path, asked.header(b"accept"), asked.query)
        else:
            response = json_document({"paths": sorted([*self._documents, *HEALTH, METRICS, openapi.INDEX, openapi.V2])})
        if response is None:
            raise no_such_resource()
        if asked.method != "GET":
            raise method_not_allowed()
        return response


def make_app(
    resources: Resources,
    authenticator: Authenticator,
    clock: Callable[[], float],
    authorizer: Authorizer | None = None,
    checks: Mapping[str, Check] = MappingProxyType({}),
) -> App:
    """`clock` gives seconds since the epoch. Without an authorizer, users may do what the table of roles says.

    `checks` are what the server's health depends on, by name: each gives what is wrong, or an empty string.
    """
    return App(resources, authenticator, authorizer or RoleAuthorizer(partial(_node_of, resources)), clock, checks)


def _node_of(resources: Resources, pod: Key) -> str | None:
    try:
        return msgspec.json.decode(resources.get(PODS, pod).body, type=Pod).spec.node_name
    except ApiError:
        return None
