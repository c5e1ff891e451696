"""Events of `events.k8s.io/v1`: the stored `core/v1` Events in their other form, converted on the way in and on the way out.

Source: `pkg/apis/core/validation/events.go` for what only the newer version asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from moorage.manifest.convert import decode, encode, load, to_tree
from moorage.manifest.fields import field_warnings
from moorage.model.cluster import Event
from moorage.model.errors import ApiError, FieldError, invalid, required, unprocessable
from moorage.model.event_v1 import FIELDS, EventV1, as_core, from_core
from moorage.model.kinds import EVENTS, EVENTS_V1, Kind
from moorage.model.meta import Key
from moorage.model.ports import (
    WHOLE,
    Admit,
    DeleteOptions,
    Outcome,
    Part,
    Record,
    Resources,
    StoreEvent,
    Subscription,
    WriteOptions,
)
from moorage.model.selectors import EVERYTHING, Requirement, Selector
from moorage.model.wire import Tree


class EventForms:
    """Implements `model.ports.Resources` over one that knows only what is stored. Other kinds pass as they are."""

    def __init__(self, stored: Resources) -> None:
        self._stored = stored

    @property
    def revision(self) -> int:
        return self._stored.revision

    def get(self, kind: Kind, key: Key) -> Record:
        if kind is not EVENTS_V1:
            return self._stored.get(kind, key)
        with _InOurWords():
            return _shown(self._stored.get(EVENTS, key))

    def list(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Selector = EVERYTHING,
        fields: Selector = EVERYTHING,
        at: int = 0,
        part: Part = WHOLE,
    ) -> tuple[Sequence[Record], int]:
        if kind is not EVENTS_V1:
            return self._stored.list(kind, namespace, labels, fields, at, part)
        with _InOurWords():
            records, revision = self._stored.list(EVENTS, namespace, labels, _stored_fields(fields), at, part)
        return tuple(map(_shown, records)), revision

    def watch(
        self, kind: Kind, namespace: str, since: int, labels: Selector = EVERYTHING, fields: Selector = EVERYTHING
    ) -> Subscription:
        if kind is not EVENTS_V1:
            return self._stored.watch(kind, namespace, since, labels, fields)
        with _InOurWords():
            return _Shown(self._stored.watch(EVENTS, namespace, since, labels, _stored_fields(fields)))

    async def create(
        self, kind: Kind, namespace: str, tree: Tree, options: WriteOptions, name: str = "", subresource: str = ""
    ) -> Outcome:
        if kind is not EVENTS_V1:
            return await self._stored.create(kind, namespace, tree, options, name, subresource)
        written = _Written(options)
        stored = written.stored(tree, new=True)
        with _InOurWords():
            return written.outcome(await self._stored.create(EVENTS, namespace, stored, written.options, name, subresource))

    async def update(self, kind: Kind, key: Key, tree: Tree, options: WriteOptions, subresource: str = "") -> Outcome:
        if kind is not EVENTS_V1:
            return await self._stored.update(kind, key, tree, options, subresource)
        written = _Written(options)
        stored = written.stored(tree)
        with _InOurWords():
            return written.outcome(await self._stored.update(EVENTS, key, stored, written.options, subresource))

    async def patch(
        self, kind: Kind, key: Key, change: Callable[[Tree], Tree], options: WriteOptions, subresource: str = ""
    ) -> Outcome:
        if kind is not EVENTS_V1:
            return await self._stored.patch(kind, key, change, options, subresource)
        written = _Written(options)

        def changed(tree: Tree) -> Tree:
            return written.stored(change(to_tree(encode(from_core(_event(tree))))))

        with _InOurWords():
            return written.outcome(await self._stored.patch(EVENTS, key, changed, written.options, subresource))

    async def apply(
        self, kind: Kind, key: Key, tree: Tree, options: WriteOptions, subresource: str = "", admit_new: Admit | None = None
    ) -> Outcome:
        if kind is not EVENTS_V1:
            return await self._stored.apply(kind, key, tree, options, subresource, admit_new)
        written = _Written(options)
        stored = written.stored(tree)
        with _InOurWords():
            return written.outcome(await self._stored.apply(EVENTS, key, stored, written.options, subresource, admit_new))

    async def delete(self, kind: Kind, key: Key, options: DeleteOptions) -> Outcome:
        if kind is not EVENTS_V1:
            return await self._stored.delete(kind, key, options)
        with _InOurWords():
            outcome = await self._stored.delete(EVENTS, key, options)
        return msgspec.structs.replace(outcome, record=_shown(outcome.record))


class _Written:
    """One write: its body as it is stored, and the warnings about the body as it was given."""

    def __init__(self, options: WriteOptions) -> None:
        self.options = msgspec.structs.replace(options, field_validation="Ignore", duplicate_fields=())
        self._asked = options
        self._warnings: tuple[str, ...] = ()

    def stored(self, tree: Tree, new: bool = False) -> Tree:
        """Raises ApiError 400 and 422."""
        decoded = decode(EVENTS_V1, tree)
        self._warnings = field_warnings(EVENTS_V1, decoded, self._asked)
        event = decoded.obj
        assert isinstance(event, EventV1)
        errors = [*_series(event), *(_new(event) if new else ())]
        if errors:
            raise unprocessable(EVENTS_V1.kind, EVENTS_V1.group, event.metadata.name, errors)
        return to_tree(encode(as_core(event)))

    def outcome(self, stored: Outcome) -> Outcome:
        warnings = (*self._warnings, *stored.warnings)
        return msgspec.structs.replace(stored, record=_shown(stored.record), warnings=warnings)


def _new(event: EventV1) -> Iterator[FieldError]:
    """What a new event of this version must and must not say."""
    if not event.event_time:
        yield required("eventTime")
    if event.type not in ("Normal", "Warning"):
        yield invalid("type", "", f"has invalid value: {event.type}")
    deprecated = {
        "deprecatedFirstTimestamp": event.deprecated_first_timestamp,
        "deprecatedLastTimestamp": event.deprecated_last_timestamp,
        "deprecatedCount": event.deprecated_count,
        "deprecatedSource": msgspec.to_builtins(event.deprecated_source),
    }
    for field, value in deprecated.items():
        if value:
            yield invalid(field, "", "needs to be unset")


def _series(event: EventV1) -> Iterator[FieldError]:
    if event.series is None:
        return
    if event.series.count < 2:
        yield invalid("series.count", "", "should be at least 2")
    if not event.series.last_observed_time:
        yield required("series.lastObservedTime")


class _Shown:
    """A watch of stored events, in their other form."""

    def __init__(self, stored: Subscription) -> None:
        self._stored = stored

    @property
    def revision(self) -> int:
        return self._stored.revision

    async def next(self, timeout: float | None = None) -> Sequence[StoreEvent]:
        return [
            StoreEvent(each.type, _shown(each.record), _shown(each.previous) if each.previous else None)
            for each in await self._stored.next(timeout)
        ]

    def close(self) -> None:
        self._stored.close()


def _shown(record: Record) -> Record:
    event = load(EVENTS, record.body)
    assert isinstance(event, Event)
    return msgspec.structs.replace(record, body=encode(from_core(event)))


def _event(tree: Tree) -> Event:
    event = decode(EVENTS, tree).obj
    assert isinstance(event, Event)
    return event


def _stored_fields(fields: Selector) -> Selector:
    return Selector(
        tuple(Requirement(FIELDS.get(each.key, each.key), each.operator, each.values) for each in fields.requirements)
    )


class _InOurWords:
    """Refusals name the resource that was asked for."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ApiError) and error.details.get("group") == "":
            error.details["group"] = EVENTS_V1.group
            error.message = error.message.replace(f'{EVENTS.plural} "', f'{EVENTS_V1.resource} "', 1)
            error.message = error.message.replace(f'{EVENTS.kind} "', f'{EVENTS_V1.kind}.{EVENTS_V1.group} "', 1)
