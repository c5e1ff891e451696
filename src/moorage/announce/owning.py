"""The boundary between a load balancer and whatever makes an address of its network lead to this machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from moorage.model.net import Address


class Announcer(Protocol):
    """Takes addresses for this machine, or its turn at them where several machines share them."""

    async def own(self, addresses: Iterable[Address]) -> object:
        """From now on exactly these may lead here. Raises HostError, with the others done, where one cannot."""
        ...

    async def release(self) -> object:
        """From now on none."""
        ...
