"""Verbs -> requests: does what a controller decided, and says what could not be done.

Verbs about one object are performed in their order, those about different objects at the same time. A refusal stops
nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec

from moorage.client.collect_io import collect
from moorage.client.notes import Notes
from moorage.client.notes_io import post
from moorage.model.errors import ApiError, HostError
from moorage.model.meta import Key, Object
from moorage.model.pods import Pod
from moorage.model.ports import Client
from moorage.model.verbs import Bind, Collect, Create, Delete, MergePatch, Note, Update, Verb

MAX_AT_ONCE = 8
"""Requests in flight for one `perform`."""


class Failure(msgspec.Struct, frozen=True):
    """A verb that was not done. `reason` and `code` are those of the API's Status, empty and 0 where it was not reached.

    `after` is the seconds that the server asks to be left alone.
    """

    verb: Verb
    message: str
    reason: str = ""
    code: int = 0
    after: float = 0.0

    @property
    def retry(self) -> bool:
        """Whether to try again later, for nothing will change by itself: the server was out of reach, overloaded or broken.

        Conflict, NotFound and AlreadyExists need no retry: the watch brings the newer state, and the controller decides
        again. Neither do events, which only tell what happened.
        """
        return not isinstance(self.verb, Note) and (self.code == 0 or self.code == 429 or self.code >= 500)


async def perform(
    client: Client, verbs: Sequence[Verb], component: str, clock: Callable[[], float], notes: Notes | None = None
) -> tuple[Failure, ...]:
    """Performs every verb; `clock` gives seconds since the epoch, `component` signs events. Failures in the verbs' order.

    A Note is left out where an earlier verb about the same object failed: it would tell what did not happen. `notes` is
    the memory of a caller that performs again and again; without it a repeated event costs three requests instead of one.
    """
    remembered = notes if notes is not None else Notes()
    room = asyncio.Semaphore(MAX_AT_ONCE)
    failures: dict[int, Failure] = {}

    async def one_object(numbered: Iterable[tuple[int, Verb]]) -> None:
        failed = False
        for number, verb in numbered:
            if failed and isinstance(verb, Note):
                continue
            async with room:
                failure = await _perform_one(client, verb, component, clock(), remembered)
            if failure is not None:
                failures[number] = failure
                failed = True

    async with asyncio.TaskGroup() as tasks:
        for each in _by_object(verbs):
            tasks.create_task(one_object(each))
    return tuple(failures[number] for number in sorted(failures))


def _by_object(verbs: Sequence[Verb]) -> Iterable[list[tuple[int, Verb]]]:
    """The verbs with their place in the whole, grouped by what they are about."""
    groups: dict[object, list[tuple[int, Verb]]] = {}
    for number, verb in enumerate(verbs):
        type_, key = _about(verb)
        groups.setdefault((type_, key) if key.name else number, []).append((number, verb))
    return groups.values()


def _about(verb: Verb) -> tuple[type[Object], Key]:
    match verb:
        case Create(obj) | Update(obj) | Note(obj):
            return type(obj), obj.key
        case MergePatch(type_, key) | Delete(type_, key) | Collect(type_, key):
            return type_, key
        case Bind(pod):
            return Pod, pod


async def _perform_one(client: Client, verb: Verb, component: str, now: float, notes: Notes) -> Failure | None:
    try:
        match verb:
            case Create(obj):
                await client.create(obj)
            case Update(obj, subresource):
                await client.update(obj, subresource)
            case MergePatch(type_, key, patch, subresource):
                await client.merge_patch(type_, key, patch, subresource)
            case Delete(type_, key, uid, grace_seconds):
                await client.delete(type_, key, uid, grace_seconds)
            case Collect():
                await collect(client, verb)
            case Bind(pod, uid, node):
                await client.bind(pod, uid, node)
            case Note():
                await post(client, verb, component, now, notes)
    except ApiError as error:
        return Failure(verb, error.message, error.reason, error.code, error.retry_after)
    except HostError as error:
        return Failure(verb, str(error))
    return None
