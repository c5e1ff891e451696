"""Which Events are old: kube-apiserver keeps an Event for `--event-ttl`, one hour, from its last write."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from moorage.model.clock import parse_timestamp
from moorage.model.meta import Key
from moorage.model.ports import DeleteOptions, Record
from moorage.model.wire import ApiType

EVENT_LIFE = 3600.0
"""Seconds."""


class _Meta(ApiType, frozen=True):
    creation_timestamp: str | None = None


class _Series(ApiType, frozen=True):
    last_observed_time: str | None = None


class _Times(ApiType, frozen=True):
    """When an Event was written, as far as it says so: all of it that is decoded."""

    metadata: _Meta = _Meta()
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: _Series | None = None


_times = msgspec.json.Decoder(_Times)


class Expired(msgspec.Struct, frozen=True):
    """An Event to be removed, unless it is written once more before."""

    key: Key
    version: str

    @property
    def options(self) -> DeleteOptions:
        return DeleteOptions(resource_version=self.version)


def expired(events: Iterable[Record], now: float, life: float = EVENT_LIFE) -> list[Expired]:
    """Those that were written last more than `life` seconds before `now`, oldest first."""
    found = [(written, record) for record in events if (written := _written(record, now)) < now - life]
    found.sort(key=lambda each: (each[0], each[1].key))
    return [Expired(record.key, str(record.revision)) for _, record in found]


def _written(record: Record, now: float) -> float:
    """The newest time that an Event carries and that is not yet to come, in seconds since the epoch."""
    times = _times.decode(record.body)
    told = (
        times.metadata.creation_timestamp,
        times.first_timestamp,
        times.last_timestamp,
        times.event_time,
        times.series.last_observed_time if times.series else None,
    )
    return max((at for each in told if each and (at := _parsed(each)) <= now), default=0.0)


def _parsed(text: str) -> float:
    try:
        return parse_timestamp(text)
    except (ValueError, OverflowError):
        return 0.0
