"""Writers that know what was acknowledged to them, and a watch that is resumed: the server is held against both."""

from __future__ import annotations

import random
from collections.abc import Mapping

import msgspec

from moorage.client.http_io import HttpClient
from moorage.model.errors import HostError
from moorage.model.meta import Key, ObjectMeta
from moorage.model.ports import BOOKMARK, DELETED
from moorage.model.service import Service, ServicePort, ServiceSpec

NAMESPACE = "loss"
WRITERS = 8
HELD = 5
"""How many Services a writer holds at most."""

TYPES = ("ClusterIP", "NodePort", "LoadBalancer")


class Doubt(msgspec.Struct, frozen=True):
    """A request whose answer never came: it happened or not."""

    verb: str
    name: str


class Writer:
    """Services of its own: `known` is the state that was acknowledged. Ends when the server is gone."""

    def __init__(self, number: int, seed: int) -> None:
        self.known: dict[str, Service] = {}
        self.revisions: set[int] = set()
        self.acknowledged = 0
        self._number = number
        self._made = 0
        self._random = random.Random(seed * WRITERS + number)
        self._doubt: Doubt | None = None

    async def write(self, client: HttpClient) -> None:
        """Until the connection breaks; a refusal is an error, since nobody else touches these Services."""
        while True:
            verb, name = self._choose()
            self._doubt = Doubt(verb, name)
            try:
                await self._do(client, verb, name)
            except HostError:
                return
            self._doubt = None
            self.acknowledged += 1

    def settle(self, listed: Mapping[str, Service]) -> None:
        """Takes the server's state after its return, which may differ from what is known only by what is in doubt."""
        mine = {name: obj for name, obj in listed.items() if name.startswith(f"w{self._number}-")}
        expected = dict(self.known)
        if self._doubt is not None:
            name = self._doubt.name
            before, after = expected.pop(name, None), mine.pop(name, None)
            assert self._is_possible(before, after), f"{self._doubt}: {before} became {after}"
            self._keep(name, after)
            self._doubt = None
        assert mine == expected, f"writer {self._number}: what was acknowledged is not what is there"

    def _is_possible(self, before: Service | None, after: Service | None) -> bool:
        if after == before:
            return True
        if self._doubt is None or (after is None) != (self._doubt.verb == "delete"):
            return False
        return after is None or before is None or _revision(after) > _revision(before)

    def _choose(self) -> tuple[str, str]:
        if not self.known or (len(self.known) < HELD and self._random.random() < 0.4):
            self._made += 1
            return "create", f"w{self._number}-{self._made}"
        return self._random.choice(("change", "change", "delete")), self._random.choice(sorted(self.known))

    async def _do(self, client: HttpClient, verb: str, name: str) -> None:
        key, type_ = Key(NAMESPACE, name), self._random.choice(TYPES)
        if verb == "delete":
            await client.delete(Service, key)
            self._keep(name, None)
        elif verb == "create":
            spec = ServiceSpec(type=type_, ports=(ServicePort(port=80),))
            meta = ObjectMeta(name=name, namespace=NAMESPACE)
            self._keep(name, await client.create(Service(api_version="v1", kind="Service", metadata=meta, spec=spec)))
        else:
            policy = "Local" if type_ != "ClusterIP" else None
            patch = {"spec": {"type": type_, "externalTrafficPolicy": policy}}
            self._keep(name, await client.merge_patch(Service, key, patch))

    def _keep(self, name: str, obj: Service | None) -> None:
        if obj is None:
            self.known.pop(name, None)
        else:
            self.known[name] = obj
            self.revisions.add(_revision(obj))


class Follower:
    """A copy of the Services, kept by one watch that goes on from the last version it saw, across all restarts."""

    def __init__(self, since: str) -> None:
        self.copy: dict[str, Service] = {}
        self.revisions: list[int] = []
        self._since = since

    async def follow(self, client: HttpClient) -> None:
        """Until the connection breaks. Raises ApiError where the server does not know the version any more."""
        try:
            async for event in client.watch(Service, self._since, NAMESPACE):
                self._since = event.obj.metadata.resource_version
                if event.type == BOOKMARK:
                    continue
                assert isinstance(event.obj, Service)
                self.revisions.append(_revision(event.obj))
                if event.type == DELETED:
                    del self.copy[event.obj.metadata.name]
                else:
                    self.copy[event.obj.metadata.name] = event.obj
        except HostError:
            return


def _revision(obj: Service) -> int:
    return int(obj.metadata.resource_version)


def node_ports(obj: Service) -> list[int]:
    """All node ports that a Service holds."""
    ports = [each.node_port for each in obj.spec.ports if each.node_port]
    return [*ports, obj.spec.health_check_node_port] if obj.spec.health_check_node_port else ports
