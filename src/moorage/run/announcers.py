"""How a node announces load-balancer addresses: by L2, by BGP, and what both follow."""

from __future__ import annotations

import asyncio

from moorage.announce.wish import State
from moorage.client.mirror_io import Mirror
from moorage.model.ports import Client
from moorage.model.snapshot import Changes, Snapshot
from moorage.observe.figures import Figures
from moorage.run.announcements import WANTS, Known, follow
from moorage.run.announcing import Announcing
from moorage.run.announcing_part import node_part
from moorage.run.bgp import BGP
from moorage.run.self_check_io import Standing
from moorage.run.tell_io import Teller


class Announcers:
    """Of the node `name`. `mirror` is what it forwards by, and `moved` is to be called with each of its changes."""

    def __init__(self, name: str, client: Client, mirror: Mirror, teller: Teller, standing: Standing, figures: Figures) -> None:
        self._standing = standing
        self._own = Mirror(client, WANTS)
        self._known = Known(mirror, self._own)
        self._l2 = Announcing(node_part(name), client, self._known, teller, lambda: standing.healthy)
        self._bgp = BGP(name, client, teller, self._snapshot, lambda: standing.healthy, figures)

    @property
    def state(self) -> State:
        """What the speaker of L2 says of itself, for metrics."""
        return self._l2.state

    def moved(self, changes: Changes) -> None:
        self._l2.moved(changes)
        self._bgp.moved(changes)

    async def run(self) -> None:
        """Until cancelled; then each says its goodbye."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._own.run(), name="announcements")
            tasks.create_task(follow(self._own, self.moved), name="changes of announcements")
            tasks.create_task(self._follow_standing(), name="standing")
            tasks.create_task(self._l2.run(), name="L2")
            tasks.create_task(self._bgp.run(), name="BGP")

    def _snapshot(self) -> Snapshot | None:
        return self._known.snapshot if self._known.synced else None

    async def _follow_standing(self) -> None:
        while True:
            await self._standing.changed()
            self._l2.look_again()
            self._bgp.look_again()
