"""Answers at the `healthCheckNodePort` of every Service that wants it, as load balancers ask nodes which have its endpoints."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from moorage.model.errors import HostError
from moorage.model.meta import Key
from moorage.observe.health import Health
from moorage.observe.http import Request
from moorage.observe.http_io import HEAD_SECONDS, Crowd, PortServer, open_port
from moorage.observe.service_health import NotServed, owners, respond
from moorage.table.types import LocalCheck

RETRY = 5.0
"""Seconds until a port that the machine refused is tried again."""

CONNECTIONS = 32
"""Served at once at one port, so that a crowd there keeps nobody from asking at the others; `Crowd` bounds them together."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a port was not to be had, and when to try again."""

    message: str
    retry_at: float


class ServiceHealthServers:
    """Opens and closes ports as `follow` says, inside a running event loop; `close` ends all of it.

    `check` says how the agent is, at each request. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        check: Callable[[], Health],
        clock: Callable[[], float] = time.monotonic,
        head_seconds: float = HEAD_SECONDS,
        connections: int = CONNECTIONS,
    ) -> None:
        self._check = check
        self._clock = clock
        self._head_seconds = head_seconds
        self._connections = connections
        self._crowd = Crowd()
        self._wanted: dict[Key, LocalCheck] = {}
        self._owners: dict[int, Key] = {}
        self._serving: dict[int, tuple[PortServer, asyncio.Task[None]]] = {}
        self._refused: dict[int, Refusal] = {}

    @property
    def retry_at(self) -> float | None:
        """When `follow` should be called again for ports that the machine refused, or None."""
        return min((each.retry_at for each in self._refused.values()), default=None)

    def follow(self, wanted: Mapping[Key, LocalCheck]) -> tuple[NotServed, ...]:
        """Serves these Services and no others. Returns every one that is not served, also those told of before.

        A port that stays wanted stays open, whatever changes behind it. One that was refused is tried again from `retry_at` on.
        """
        self._wanted = dict(wanted)
        self._owners, without = owners(wanted, self._owners)
        for port in self._serving.keys() - self._owners.keys():
            self._shut(port)
        self._refused = {port: each for port, each in self._refused.items() if port in self._owners}
        for port in self._owners.keys() - self._serving.keys():
            self._open(port)
        refused = [NotServed(self._owners[port], port, each.message) for port, each in self._refused.items()]
        return tuple(sorted((*without, *refused), key=lambda each: each.service))

    def close(self) -> None:
        """Gives every port back and hangs up on whoever is connected."""
        self.follow({})

    def _open(self, port: int) -> None:
        refused, now = self._refused.get(port), self._clock()
        if refused is not None and now < refused.retry_at:
            return
        try:
            opened = open_port(port, "the health check of a Service", if_taken=": does another program (kube-proxy?) serve it")
        except HostError as error:
            self._refused[port] = Refusal(str(error), now + RETRY)
            return
        self._refused.pop(port, None)
        server = PortServer(opened, partial(self._respond, port), self._crowd, self._connections, self._head_seconds)
        task = asyncio.get_running_loop().create_task(server.serve(), name=f"health checks at port {port}")
        self._serving[port] = server, task

    def _shut(self, port: int) -> None:
        server, task = self._serving.pop(port)
        server.close()
        task.cancel()

    def _respond(self, port: int, request: Request) -> bytes:
        service = self._owners[port]
        return respond(service, self._wanted[service], self._check().healthy, request)
