"""The power switch of the lab's nodes is an annotation on the Node, `lab.moorage.dev/power: off`: a wish, told to the API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from moorage.client.mirror_io import Mirror, Want
from moorage.model.cluster import Node
from moorage.model.ports import Client
from moorage.model.snapshot import Snapshot

POWER_ANNOTATION = "lab.moorage.dev/power"


class Switchable(Protocol):
    @property
    def on(self) -> bool: ...

    async def power(self, on: bool) -> None: ...


def wished(snapshot: Snapshot) -> dict[str, bool]:
    """For each Node whether it is to be on; only the word "off" switches one off."""
    return {key.name: node.metadata.annotations.get(POWER_ANNOTATION) != "off" for key, node in snapshot.all(Node).items()}


async def follow_power(client: Client, nodes: Mapping[str, Switchable]) -> None:
    """Switches nodes as their annotation says, until cancelled."""
    mirror = Mirror(client, [Want(Node)])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(mirror.run(), name="power mirror")
        while True:
            snapshot, _ = await mirror.next()
            for name, on in wished(snapshot).items():
                if name in nodes and nodes[name].on != on:
                    await nodes[name].power(on)
