"""A watch as a stream of bytes: one JSON object a line, `{"type": ..., "object": ...}`, in revision order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

import msgspec

from moorage.api.forms import INITIAL_EVENTS_END, Form
from moorage.api.options import ListOptions, check_revision
from moorage.api.routes import Target
from moorage.api.status import failure
from moorage.model.errors import ApiError
from moorage.model.ports import ADDED, BOOKMARK, Record, Resources

BOOKMARK_PERIOD = 60.0
"""Seconds without an event after which a client that asked for bookmarks gets one."""

DEFAULT_TIMEOUT = 45 * 60.0
"""Seconds until a watch without `timeoutSeconds` ends; upstream chooses between 30 and 60 minutes."""

_BATCH = 64
"""How many objects of the initial state are sent at once."""


async def events(
    resources: Resources, target: Target, options: ListOptions, form: Form, clock: Callable[[], float]
) -> AsyncGenerator[bytes, None]:
    """The initial state as ADDED events where it is asked for, then every change, until the time is over.

    An error ends the stream as an ERROR event that carries a Status: 410 where the asked-for revision is no longer kept, or
    where this client fell so far behind that events were dropped.
    """
    deadline = clock() + (options.timeout or DEFAULT_TIMEOUT)
    subscription = None
    try:
        records: Sequence[Record] = ()
        since = options.since
        if options.initial_events or (options.initial_events is None and since is None):
            records, since = resources.list(target.kind, target.namespace, options.labels, options.fields)
            check_revision(options, since)
        elif since is None:
            _, since = resources.list(target.kind, target.namespace, options.labels, options.fields)
        subscription = resources.watch(target.kind, target.namespace, since, options.labels, options.fields)
        for batch in _initial(records, form):
            yield batch
        if options.initial_events and options.bookmarks:
            yield line(BOOKMARK, form.bookmark(since, INITIAL_EVENTS_END))
        while (left := deadline - clock()) > 0:
            changes = await subscription.next(min(left, BOOKMARK_PERIOD))
            if changes:
                yield b"".join(line(each.type, form.in_event(each.record)) for each in changes)
            elif options.bookmarks:
                yield line(BOOKMARK, form.bookmark(subscription.revision, {}))
    except ApiError as error:
        yield line("ERROR", msgspec.json.encode(failure(error)))
    finally:
        if subscription is not None:
            subscription.close()


def _initial(records: Sequence[Record], form: Form) -> Iterator[bytes]:
    for start in range(0, len(records), _BATCH):
        yield b"".join(line(ADDED, form.in_event(each)) for each in records[start : start + _BATCH])


def line(type_: str, body: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (type_.encode(), body)
