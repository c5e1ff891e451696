"""The layout of the database: writes -> rows, rows -> records. Plain text and values; `sqlite_io` runs it.

The events are the database. An object is the newest event of its key, so each body is written once; `replaces` names the
event before, and compaction deletes what events older than the kept history replaced.

    events       revision (rising by one, the newest is the store's), type, resource, namespace, name, replaces, labels, body
    allocations  pool, value -> holder; the primary key is what makes a second holder impossible
    meta         schema, instance, horizon (events up to it are no longer a complete history)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import msgspec

from moorage.model.meta import Key
from moorage.model.ports import Record, StoreEvent

SCHEMA = 1
"""Raised whenever an older Moorage could no longer read what a newer one writes."""

MIGRATIONS: Mapping[int, Sequence[str]] = {}
"""Version -> the statements that make it the next one; every version below SCHEMA has an entry."""

APPLICATION_ID = 0x4D6F6F72
""""Moor": the SQLite header field that tells what kind of file this is."""

CREATE = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE events (
    revision INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    replaces INTEGER,
    labels TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE allocations (
    pool TEXT NOT NULL,
    value TEXT NOT NULL,
    holder TEXT NOT NULL,
    PRIMARY KEY (pool, value)
) WITHOUT ROWID;
"""

GET_META = "SELECT name, value FROM meta"
SET_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
ADD_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
ALL_EVENTS = "SELECT revision, type, resource, namespace, name, labels, body FROM events ORDER BY revision"
TAKE = "INSERT INTO allocations VALUES (?, ?, ?)"
RELEASE = "DELETE FROM allocations WHERE pool = ? AND value = ?"
ALL_ALLOCATIONS = "SELECT pool, value, holder FROM allocations"

FORGET_REPLACED = """
DELETE FROM events WHERE revision IN (
    SELECT replaces FROM events WHERE revision > :horizon AND revision <= :upto AND replaces IS NOT NULL
)
"""
FORGET_DELETED = "DELETE FROM events WHERE revision > :horizon AND revision <= :upto AND type = 'DELETED'"

EventRow = tuple[int, str, str, str, str, str, bytes]
"""revision, type, resource, namespace, name, labels, body."""


def event_values(event: StoreEvent) -> tuple[object, ...]:
    """What ADD_EVENT takes."""
    record = event.record
    replaces = event.previous.revision if event.previous else None
    labels = msgspec.json.encode(record.labels).decode()
    return record.revision, event.type, record.resource, *record.key, replaces, labels, record.body


def read_event(row: EventRow) -> tuple[str, Record]:
    """A row of ALL_EVENTS as event type and record. Words that many rows repeat are kept once."""
    revision, type_, resource, namespace, name, labels, body = row
    key = Key(sys.intern(namespace), name)
    return sys.intern(type_), Record(
        sys.intern(resource), key, revision, body, msgspec.json.decode(labels, type=dict[str, str])
    )
