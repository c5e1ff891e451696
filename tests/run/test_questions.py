"""`trace` and `explain` against an API: what is asked becomes the right packet at the right node."""

from __future__ import annotations

import asyncio

import pytest

from moorage.client.fake import FakeClient
from moorage.model.errors import UserError
from moorage.model.net import Protocol
from moorage.model.reason import Reason
from moorage.run.questions import Target, ask_explain, ask_trace, parse_target, prefixes
from moorage.table.trace import Action, Source
from tests.observe.cluster import cluster


def client() -> FakeClient:
    return FakeClient(each for objects in cluster().by_type.values() for each in objects.values())


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("10.96.0.7:80", Target("10.96.0.7", 80, Protocol.TCP)),
        ("web.shop:53/udp", Target("web.shop", 53, Protocol.UDP)),
        ("[fd00::7]:80/TCP", Target("fd00::7", 80, Protocol.TCP)),
    ],
)
def test_targets(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize("text", ["web", "web:", ":80", "web:0", "web:70000", "web:80/quic", "web:http"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(UserError, match="is no target"):
        parse_target(text)


@pytest.mark.parametrize(
    ("vantage", "target", "at", "node", "action", "reason"),
    [
        ("pod/web-1", "web:80", "", "node-1", Action.FORWARD, Reason.FORWARDED),
        ("pod/default/web-1", "web.default:81", "", "node-1", Action.REJECT, Reason.NO_SUCH_PORT),
        ("node/node-2", "10.96.0.7:80", "", "node-2", Action.FORWARD, Reason.FORWARDED),
        ("198.18.0.100", "10.96.0.7:80", "", "node-1", Action.DROP, Reason.NOT_FROM_CLUSTER),
        ("198.18.0.100", "198.18.0.12:30080", "", "node-2", Action.FORWARD, Reason.FORWARDED),
        ("198.18.0.100", "10.96.0.7:80", "node-2", "node-2", Action.DROP, Reason.NOT_FROM_CLUSTER),
        ("pod/web-1", "10.244.1.2:8080", "", "node-1", Action.ROUTE, Reason.NOT_A_SERVICE),
    ],
)
def test_trace(vantage: str, target: str, at: str, node: str, action: Action, reason: Reason) -> None:
    decider, verdict = asyncio.run(ask_trace(client(), vantage, parse_target(target), at, prefixes(["10.244.0.0/16"])))
    assert (decider, verdict.action, verdict.reason) == (node, action, reason)


def test_a_node_port_hides_the_client() -> None:
    _, verdict = asyncio.run(ask_trace(client(), "198.18.0.100", parse_target("198.18.0.11:30080"), "", ()))
    assert {each.source for each in verdict.deliveries} == {Source.NODE}


@pytest.mark.parametrize("vantage", ["pod/nobody", "node/node-9", "web-1", "pod/a/b/c", ""])
def test_what_is_no_vantage_point(vantage: str) -> None:
    with pytest.raises(UserError):
        asyncio.run(ask_trace(client(), vantage, parse_target("web:80"), "", ()))


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(UserError, match="neither an address nor a Service"):
        asyncio.run(ask_trace(client(), "pod/web-1", parse_target("shop:80"), "", ()))


def test_explain_by_name_and_by_namespace() -> None:
    assert asyncio.run(ask_explain(client(), "web")).works
    assert asyncio.run(ask_explain(client(), "default/web")).works
    assert not asyncio.run(ask_explain(client(), "shop/web")).works


def test_a_network_that_is_none() -> None:
    with pytest.raises(UserError, match="--cluster-cidr"):
        prefixes(["10.244.0.0/99"])
