"""What tests can make the fake do; what it promises as a `Client` is in `test_contract.py`."""

from __future__ import annotations

import asyncio

from moorage.client.fake import FakeClient
from moorage.model.cluster import Node
from moorage.model.meta import ObjectMeta


def node(name: str) -> Node:
    return Node(metadata=ObjectMeta(name=name))


def test_a_list_whose_pages_expire_begins_anew() -> None:
    client = FakeClient(map(node, "acd"), page_size=1)

    async def story() -> None:
        pages = client.pages(Node)
        first = await anext(pages)
        client.put(node("b"))
        client.expire()
        rest = [page async for page in pages]
        assert (first.first, [each.metadata.name for each in first.objects]) == (True, ["a"])
        assert [(page.first, [each.metadata.name for each in page.objects]) for page in rest] == [(True, list("abcd"))]
        assert int(rest[0].version) > int(first.version)

    asyncio.run(story())


def test_each_page_is_a_request() -> None:
    client = FakeClient(map(node, "abc"), page_size=2)
    asyncio.run(client.list(Node))
    assert [each.verb for each in client.calls] == ["list", "list"]
