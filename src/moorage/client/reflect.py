"""One kind kept in step with an API server: what came of the last request -> the state, and the next request.

    List -> Watch -> (the stream ends) -> Watch -> (410: the server forgot) -> List ...
      \\______\\______ failures: Wait, twice as long each time, then the same again

A kind that the server does not have (404) may count as empty, where the driver says so; it is asked for from time to time.

No I/O, no clock, no chance: the driver (`mirror_io`) passes the time in seconds and a random number. Nothing is lost or
told twice: what arrives is kept per object until `take` folds it into `objects` and answers which of them differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key, Object
from moorage.model.ports import BOOKMARK, DELETED, Page, WatchEvent

FIRST_PAUSE = 0.8
LAST_PAUSE = 30.0
"""Seconds between failures, before jitter: client-go's. A server that is back is not met by a whole cluster at once."""

ABSENT_SECONDS = 60.0
"""Between two looks for a kind that the server does not have: it comes with an upgrade or with a new CRD."""

STEADY_SECONDS = 2.0
"""A request that lasted so long was no hammering: the pauses begin anew."""


class List(msgspec.Struct, frozen=True):
    """Ask for all objects; `cached`: the server may answer from memory (`Client.pages`)."""

    cached: bool = False


class Watch(msgspec.Struct, frozen=True):
    """Ask for what changed after a resourceVersion."""

    since: str


class Wait(msgspec.Struct, frozen=True):
    """Do nothing for some seconds, then go on."""

    seconds: float
    then: List | Watch


Step = List | Watch | Wait

Keep = Callable[[Object], Object]
"""What is kept of an object: kind, key, uid and resourceVersion stay."""


def is_absence(error: ApiError | HostError) -> bool:
    """Whether the server says that it does not have the kind: a group, version or CRD that is not there."""
    return isinstance(error, ApiError) and error.code == 404


class Reflector:
    """The state of one kind. `objects` is never mutated, only replaced; it changes in `take` alone.

    With `cached`, lists may come from the server's memory; one that is older than what was seen before is not taken. With
    `quiet`, a change that leaves what is kept as it was is not told, and the object stays at its earlier resourceVersion.
    """

    def __init__(self, keep: Keep | None = None, cached: bool = False, quiet: bool = False) -> None:
        self._held: dict[Key, Object] = {}
        self.listed = False
        self._keep = keep or _all_of_it
        self._found: dict[Key, Object] = {}
        self.told = ""
        """The resourceVersion of the last list or event: `objects` are the state at it, once taken. A bookmark tells nothing of
        objects, and each watch gets its own.
        """
        self._cached = cached
        self._quiet = quiet
        self._version: str | None = None
        self._reached = ""
        self._listing = ""
        self._arrived: dict[Key, Object | None] = {}
        self._failures = 0
        self._begun = 0.0
        self._moved = False

    @property
    def objects(self) -> Mapping[Key, Object]:
        return MappingProxyType(self._held)

    def start(self, now: float) -> Step:
        """The first thing to do."""
        return self._go(now)

    def on_page(self, page: Page[Object]) -> None:
        """A part of the list in progress. An object that is held in the same state stays the one that it is: a list that is
        taken up again needs no second copy of everything.
        """
        if page.first:
            self._found = {}
        for each in page.objects:
            key = each.key
            held = self._held.get(key)
            self._found[key] = held if held is not None and _same(held, each) else self._keep(each)
        self._listing = page.version

    def on_list(self, now: float) -> Step:
        """The list is complete. What is not among its objects is gone."""
        if self._cached and _is_older(self._listing, self._reached):
            self._cached = False
            self._found = {}
            return self._go(now)
        self._arrived = {key: None for key in self._held if key not in self._found} | self._found
        self._found = {}
        self._version = self._reached = self.told = self._listing
        self.listed = True
        return self._go(now)

    def on_absence(self, now: float) -> Step:
        """The server does not have the kind: there is no object of it."""
        self._arrived = dict.fromkeys(self._held)
        self._found = {}
        self._version = None
        self._failures = 0
        self.listed = True
        return Wait(ABSENT_SECONDS, self._go(now + ABSENT_SECONDS))

    def on_event(self, event: WatchEvent) -> None:
        """One event of the watch in progress."""
        version = event.obj.metadata.resource_version
        if event.type != BOOKMARK:
            self._arrived[event.obj.key] = None if event.type == DELETED else self._keep(event.obj)
            self.told = version
        if version != self._version:
            self._version = self._reached = version
            self._moved = True

    def on_end(self, now: float, chance: float) -> Step:
        """The stream ended well: on from where it was. A server that only ever ends streams is asked ever more seldom."""
        if self._was_steady(now):
            self._failures = 0
            return self._go(now)
        return self._pause(now, chance)

    def on_failure(self, error: ApiError | HostError, now: float, chance: float) -> Step:
        """The request or the stream failed; `chance` is in [0, 1). A version that the server refuses is given up."""
        self._found = {}
        if self._was_steady(now):
            self._failures = 0
        if isinstance(error, ApiError) and 400 <= error.code < 500 and error.code != 429:
            self._version = None
            if error.code == 410 and not self._failures:
                self._failures = 1
                return self._go(now)
        return self._pause(now, chance, error.retry_after if isinstance(error, ApiError) else 0.0)

    def take(self) -> frozenset[Key]:
        """Folds what arrived into `objects`, copying them once, and answers the keys whose object is not what it was."""
        changed = {key: new for key, new in self._arrived.items() if not self._is_told(self._held.get(key), new)}
        self._arrived = {}
        if changed:
            held = self._held.copy()
            for key, new in changed.items():
                if new is None:
                    del held[key]
                else:
                    held[key] = new
            self._held = held
        return frozenset(changed)

    def _is_told(self, old: Object | None, new: Object | None) -> bool:
        """Whether the reader knows the new state already."""
        return _same(old, new) or (self._quiet and _alike(old, new))

    def _go(self, now: float) -> List | Watch:
        self._begun = now
        self._moved = False
        return List(self._cached) if self._version is None else Watch(self._version)

    def _pause(self, now: float, chance: float, at_least: float = 0.0) -> Wait:
        """Twice as long each time, spread over half to one and a half of that; the first one from nothing on."""
        self._failures += 1
        pause = min(LAST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 16))
        seconds = at_least + pause * (chance if self._failures == 1 or at_least else 0.5 + chance)
        return Wait(seconds, self._go(now + seconds))

    def _was_steady(self, now: float) -> bool:
        return self._moved or now - self._begun >= STEADY_SECONDS


def _all_of_it(obj: Object) -> Object:
    return obj


def _same(old: Object | None, new: Object | None) -> bool:
    """Whether two states of one object are one state: a resourceVersion is written once."""
    if old is None or new is None:
        return old is new
    before, after = old.metadata, new.metadata
    if before.resource_version and after.resource_version:
        return before.uid == after.uid and before.resource_version == after.resource_version
    return old == new


def _alike(old: Object | None, new: Object | None) -> bool:
    """Whether two states differ in their resourceVersion at most."""
    if old is None or new is None:
        return False
    version = old.metadata.resource_version
    return old == replace(new, metadata=replace(new.metadata, resource_version=version))


def _is_older(version: str, than: str) -> bool:
    """Versions of one kind are numbers that grow (KEP-5504); others cannot be compared."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)
