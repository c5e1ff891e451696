"""A watch as a stream of bytes: one JSON object a line, `{"type": ..., "object": ...}`, in revision order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from moorage.api.exchange import JSON, Stream
from moorage.api.forms import INITIAL_EVENTS_END, Form
from moorage.api.list_options import ListOptions
from moorage.api.pages import check_not_future
from moorage.api.routes import Target
from moorage.api.status import failure
from moorage.model.errors import ApiError
from moorage.model.ports import ADDED, BOOKMARK, Record, Resources, Subscription

BOOKMARK_PERIOD = 60.0
"""Seconds between two bookmarks for a client that asked for them; it gets one at the end too."""

DEFAULT_TIMEOUT = 45 * 60.0
"""Seconds until a watch without `timeoutSeconds` ends; upstream chooses between 30 and 60 minutes."""

_BATCH = 64
"""How many objects of the initial state are sent at once."""


def open_watch(resources: Resources, target: Target, options: ListOptions, form: Form, clock: Callable[[], float]) -> Stream:
    """Subscribes at once; the stream gives the initial state where it is asked for, then every change, until the time is over.

    Raises ApiError 400 for what cannot be watched. A revision that is no longer kept (410) or not reached yet (504) is an
    ERROR event that ends the stream, and so is falling so far behind that events were dropped, as upstream does it.
    """
    content_type = form.content_type if form.content_type == JSON else f"{form.content_type};stream=watch"
    try:
        started = _start(resources, target, options)
    except ApiError as error:
        if error.code not in (410, 504):
            raise
        return Stream(content_type, _only(_error_line(error)), lambda: None)
    deadline = clock() + (options.timeout or DEFAULT_TIMEOUT)
    return Stream(content_type, _events(started, options, form, clock, deadline), started.subscription.close)


class _Started(NamedTuple):
    """The initial state, the revision it is the state of, and everything after that."""

    records: Sequence[Record]
    since: int
    subscription: Subscription


def _start(resources: Resources, target: Target, options: ListOptions) -> _Started:
    records: Sequence[Record] = ()
    since = options.since or 0
    if options.initial_events or (options.initial_events is None and not since):
        check_not_future(since, resources.revision)
        records, since = resources.list(target.kind, target.namespace, options.labels, options.fields)
    since = since or resources.revision
    return _Started(records, since, resources.watch(target.kind, target.namespace, since, options.labels, options.fields))


async def _events(
    started: _Started, options: ListOptions, form: Form, clock: Callable[[], float], deadline: float
) -> AsyncGenerator[bytes, None]:
    subscription = started.subscription
    try:
        for batch in _initial(started.records, form):
            yield batch
        if options.initial_events and options.bookmarks:
            yield line(BOOKMARK, form.bookmark(started.since, INITIAL_EVENTS_END))
        bookmark_at = clock() + BOOKMARK_PERIOD
        while (now := clock()) < deadline:
            changes = await subscription.next(min(deadline, bookmark_at) - now)
            if changes:
                yield b"".join(line(each.type, form.in_event(each.record)) for each in changes)
            if clock() >= bookmark_at:
                bookmark_at += BOOKMARK_PERIOD
                if options.bookmarks:
                    yield line(BOOKMARK, form.bookmark(subscription.revision, {}))
        if options.bookmarks:
            yield line(BOOKMARK, form.bookmark(subscription.revision, {}))
    except ApiError as error:
        yield _error_line(error)


async def _only(piece: bytes) -> AsyncGenerator[bytes, None]:
    yield piece


def _error_line(error: ApiError) -> bytes:
    return line("ERROR", msgspec.json.encode(failure(error)))


def _initial(records: Sequence[Record], form: Form) -> Iterator[bytes]:
    for start in range(0, len(records), _BATCH):
        yield b"".join(line(ADDED, form.in_event(each)) for each in records[start : start + _BATCH])


def line(type_: str, body: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (type_.encode(), body)
