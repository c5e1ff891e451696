from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from moorage.client.whole import whole
from moorage.model.cluster import Lease
from moorage.model.meta import ObjectMeta
from moorage.model.ports import Page


def lease(name: str) -> Lease:
    return Lease(metadata=ObjectMeta(name=name))


def collected(*pages: Page[Lease]) -> tuple[list[str], str]:
    async def told() -> AsyncGenerator[Page[Lease], None]:
        for each in pages:
            yield each

    objects, version = asyncio.run(whole(told()))
    return [each.metadata.name for each in objects], version


def test_pages_follow_each_other() -> None:
    assert collected(Page([lease("a")], "7"), Page([lease("b"), lease("c")], "7", first=False)) == (["a", "b", "c"], "7")


def test_a_list_that_begins_anew_is_not_told_twice() -> None:
    assert collected(Page([lease("a")], "7"), Page([lease("a"), lease("b")], "9")) == (["a", "b"], "9")
