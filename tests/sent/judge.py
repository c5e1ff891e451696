"""Requests of the roles -> what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from moorage.api.auth_asks import Ask
from moorage.api.routes import Verb
from moorage.client.decode import without_nulls
from tests.sent.exchange import Exchange
from tests.sent.schemas import NEWEST, OLDEST, PUBLISHED, problems

Allowed = Callable[[str, Ask], bool]
"""Whether a role, named by its User-Agent, may do what is asked."""

MERGE_PATCH = "application/merge-patch+json"

FORGIVEN = {
    "hints: Additional properties are not allowed ('forNodes' was unexpected)": (
        "PreferSameNode (Kubernetes 1.34): an older server drops the hint, and has no Service that asks for it"
    ),
    "in 1.29: (root): 'endpoints' is a required property": (
        "a slice without endpoints: every server reads an absent list as an empty one, and newer schemas say so"
    ),
}
"""Where the oldest version's schema is not met, and why that does no harm."""

SENT_WITH_BODY = (Verb.CREATE, Verb.UPDATE, Verb.PATCH, Verb.DELETE)


OPEN = ("/version",)
"""Documents that RBAC lets everybody see (`system:public-info-viewer`)."""


def judge(exchanges: Iterable[Exchange], allowed: Allowed) -> list[str]:
    """One line for each thing that is wrong, each said once."""
    objects = (each for each in exchanges if each.path not in OPEN)
    return list(dict.fromkeys(f"{each}: {wrong}" for each in objects for wrong in _judge(each, allowed)))


def _judge(exchange: Exchange, allowed: Allowed) -> list[str]:
    try:
        verb, ask = exchange.verb, exchange.ask
    except LookupError as error:
        return [str(error)]
    wrong = [] if allowed(exchange.agent, ask) else [f"its role may not {verb.value} {ask.full}"]
    if verb not in SENT_WITH_BODY or not exchange.body:
        return wrong
    if verb is not Verb.PATCH:
        return wrong + _of_whole(exchange.tree, exchange)
    if exchange.content_type != MERGE_PATCH:
        return [*wrong, f"no patch of this kind is judged here: {exchange.content_type}"]
    return wrong + _of_patch(exchange)


def _of_whole(tree: Mapping[str, Any], exchange: Exchange) -> list[str]:
    """A body that is an object."""
    if not PUBLISHED.match(str(tree.get("apiVersion"))):
        return _unpublished(tree, exchange)
    if tree["kind"] == "DeleteOptions":
        tree = {**tree, "apiVersion": "meta/v1"}
        return [each for version in (OLDEST, NEWEST) for each in _told(tree, version) if "apiVersion:" not in each]
    return [each for version in (OLDEST, NEWEST) for each in _told(tree, version)]


def _of_patch(exchange: Exchange) -> list[str]:
    """What a merge patch sets, by itself; and what the server made of it, whole."""
    kind = exchange.target.kind
    named = {"apiVersion": kind.api_version, "kind": kind.kind}
    if not PUBLISHED.match(kind.api_version):
        return _unpublished(named, exchange)
    tree = without_nulls(exchange.tree) | named
    wrong = [each for version in (OLDEST, NEWEST) for each in _told(tree, version, partial=True)]
    if exchange.answer:
        answer = Exchange(exchange.agent, "PUT", exchange.path, body=exchange.answer).tree
        wrong += [f"the result: {each}" for each in problems(answer, NEWEST, strict=True)]
        wrong += [f"the result, in {OLDEST}: {each}" for each in problems(answer, OLDEST, strict=False)]
    return wrong


def _told(tree: Mapping[str, Any], version: str, *, partial: bool = False) -> list[str]:
    found = [f"in {version}: {each}" for each in problems(tree, version, strict=True, partial=partial)]
    return [each for each in found if version != OLDEST or not any(each.endswith(forgiven) for forgiven in FORGIVEN)]


def _unpublished(tree: Mapping[str, Any], exchange: Exchange) -> list[str]:
    """Kinds of MetalLB have no published schema here; any other kind is a mistake."""
    if str(tree.get("apiVersion", "")).startswith("metallb.io/"):
        return []
    return [f"{tree.get('kind')} of {tree.get('apiVersion')} is no kind of Kubernetes"]
