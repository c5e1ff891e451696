"""API server -> immutable `Snapshot` and what changed since the last one: the eyes of every controller and agent.

Each wanted kind is followed by a task of its own (list, then watch, again and again). What arrives wakes the one reader
at once; what arrives while the reader is busy is told together.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing

import msgspec
import structlog

from moorage.client.reflect import ABSENT_SECONDS, Keep, List, Reflector, Step, Wait, Watch, is_absence
from moorage.model.errors import ApiError, HostError
from moorage.model.kinds import BY_TYPE
from moorage.model.meta import Object
from moorage.model.ports import BOOKMARK, Client
from moorage.model.snapshot import Changes, Snapshot

log = structlog.get_logger()


class Want(msgspec.Struct, frozen=True):
    """One kind to follow: all of it, or one namespace, or what selectors match (`-l` and `--field-selector` of kubectl).

    `keep` says what the mirror keeps of each object (kind, key, uid and resourceVersion stay), by default all of it; with
    `quiet` a change of nothing that is kept is not told. An `optional` kind is empty as long as the server does not have it.
    `cached` lists cost the server little and may be a little old: for readers that write nothing they decide from them.
    """

    type: type[Object]
    namespace: str = ""
    labels: str = ""
    fields: str = ""
    keep: Keep | None = None
    optional: bool = False
    cached: bool = False
    quiet: bool = False


class Contact(msgspec.Struct, frozen=True):
    """How the API server was last met. `at` is when the kind that was silent longest was last heard of (None: never),
    in seconds of the mirror's clock: a server sends a bookmark every minute, but none of a kind in which nothing has happened
    since it started. `failure` says what is wrong now, empty for nothing.
    """

    at: float | None
    failure: str


class Mirror:
    """Follows the wanted kinds while `run` runs; one reader awaits `next`. A mirror never fails: it tries again.

    `clock` gives seconds, `chance` a number in [0, 1) for jitter, `sleep` waits.
    """

    def __init__(
        self,
        client: Client,
        wants: Iterable[Want],
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._clock = clock
        self._chance = chance
        self._sleep = sleep
        self._followed: dict[type[Object], _Followed] = {}
        for want in wants:
            if want.type in self._followed:
                raise ValueError(f"{BY_TYPE[want.type].kind} is wanted twice: one mirror follows a kind once")
            self._followed[want.type] = _Followed(want)
        self._snapshot = Snapshot({type_: each.reflector.objects for type_, each in self._followed.items()})
        self._changes = Changes(everything=True)
        self._news = asyncio.Event()

    @property
    def synced(self) -> bool:
        """Whether every kind has been listed once."""
        return all(each.reflector.listed for each in self._followed.values())

    @property
    def snapshot(self) -> Snapshot:
        """The newest state. Reading it takes nothing away from `next`."""
        self._fold()
        return self._snapshot

    @property
    def contact(self) -> Contact:
        """For health checks."""
        heard = [each.heard for each in self._followed.values()]
        known = [at for at in heard if at is not None]
        failure = next((each.failure for each in self._followed.values() if each.failure), "")
        return Contact(min(known) if known and len(known) == len(heard) else None, failure)

    async def run(self) -> None:
        """Follows every wanted kind until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._followed.values():
                tasks.create_task(self._follow(each), name=f"follow {BY_TYPE[each.want.type].resource}")

    async def next(self) -> tuple[Snapshot, Changes]:
        """The state and what changed since the last call; waits until there is something to tell.

        The first answer comes when every kind has been listed, says `everything` and names every key. Cancelling a call
        loses nothing.
        """
        while True:
            self._fold()
            if self.synced and self._changes:
                changes, self._changes = self._changes, Changes()
                return self._snapshot, changes
            self._news.clear()
            await self._news.wait()

    def _fold(self) -> None:
        """Moves what arrived into the snapshot: one copy per kind, however much arrived."""
        taken = {type_: keys for type_, each in self._followed.items() if (keys := each.reflector.take())}
        if not taken:
            return
        for type_ in taken:
            reflector = self._followed[type_].reflector
            self._snapshot = self._snapshot.with_objects(type_, reflector.objects, reflector.told)
        self._changes = self._changes.merged(Changes(taken))

    async def _follow(self, followed: _Followed) -> None:
        step = followed.reflector.start(self._clock())
        while True:
            if isinstance(step, Wait):
                await self._sleep(step.seconds)
                step = step.then
            try:
                step = await self._attempt(followed, step)
            except (ApiError, HostError) as error:
                step = self._failed(followed, error)

    async def _attempt(self, followed: _Followed, step: List | Watch) -> Step:
        """One list, or one watch to its end."""
        want, reflector = followed.want, followed.reflector
        if isinstance(step, List):
            listing = self._client.pages(want.type, want.namespace, want.labels, want.fields, step.cached)
            async with aclosing(listing) as pages:
                async for page in pages:
                    reflector.on_page(page)
                    followed.answered(self._clock())
            begun = reflector.on_list(self._clock())
            self._news.set()
            return begun
        async with aclosing(self._client.watch(want.type, step.since, want.namespace, want.labels, want.fields)) as events:
            async for event in events:
                reflector.on_event(event)
                followed.answered(self._clock())
                if event.type != BOOKMARK:
                    self._news.set()
        return reflector.on_end(self._clock(), self._chance())

    def _failed(self, followed: _Followed, error: ApiError | HostError) -> Step:
        if followed.want.optional and is_absence(error):
            followed.absent(self._clock())
            self._news.set()
            return followed.reflector.on_absence(self._clock())
        step = followed.reflector.on_failure(error, self._clock(), self._chance())
        if not isinstance(step, List):  # a server that has forgotten (410), as with each change of a CRD, is at no fault
            followed.failed(str(error))
        return step


class _Followed:
    """One kind: what is wanted of it, its state, and how its server was last met."""

    def __init__(self, want: Want) -> None:
        self.want = want
        self.reflector = Reflector(want.keep, want.cached, want.quiet)
        self.heard: float | None = None
        self.failure = ""
        self._is_absent = False
        self._log = log.bind(kind=BY_TYPE[want.type].resource)

    def answered(self, now: float) -> None:
        self.heard = now
        self._is_absent = False
        if self.failure:
            self.failure = ""
            self._log.info("the API server answers again")

    def absent(self, now: float) -> None:
        """Says it once, not at every look."""
        said = self._is_absent
        self.answered(now)
        self._is_absent = True
        if not said:
            self._log.info("the API server does not have this kind", looking_again_every_s=ABSENT_SECONDS)

    def failed(self, failure: str) -> None:
        """Says each different failure once, not at every attempt."""
        if failure != self.failure:
            self._log.warning("the API server does not answer as it should", error=failure)
        self.failure = failure
