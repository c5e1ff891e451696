"""The pages of a list -> the list."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from moorage.model.ports import O, Page


async def whole(pages: AsyncGenerator[Page[O], None]) -> tuple[Sequence[O], str]:
    """The objects and the list's resourceVersion. Raises what `pages` raises."""
    found: list[O] = []
    version = ""
    async for page in pages:
        if page.first:
            found.clear()
        found += page.objects
        version = page.version
    return found, version
