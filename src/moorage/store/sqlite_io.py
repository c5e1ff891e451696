"""One SQLite file: writes -> one durable transaction; file -> Log. Synchronous, and used from one thread only.

WAL with synchronous=FULL: a commit that returned survives `kill -9` and loss of power. The file is locked for as long as it is
open (locking_mode=EXCLUSIVE), since a second server would not see what the first holds in memory.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from moorage.model.errors import HostError, UserError
from moorage.model.meta import Key
from moorage.model.ports import DELETED, Record, StoreEvent
from moorage.store import schema
from moorage.store.history import History
from moorage.store.log import Log
from moorage.store.state import EMPTY_REVISION, Released, State, Table, Taken, Write

LOCK_SECONDS = 1.0
"""How long opening waits for another process to let go of the file."""


class Database:
    """An open file. Every method raises HostError when the disk refuses; the file is then as before the call."""

    def __init__(self, path: Path, connection: sqlite3.Connection, horizon: int) -> None:
        self._path = path
        self._connection = connection
        self._horizon = horizon

    @classmethod
    def open(cls, path: Path, instance: str) -> Database:
        """Makes the file, readable by its owner only, where there is none.

        A file of an older Moorage is brought to this one's schema first. Raises UserError for a file of a newer Moorage, of
        another instance, of another program, or in use by another process; HostError for a damaged file, or one that cannot
        be opened.
        """
        with _errors("open", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
            try:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                meta = _read_meta(connection, path, instance)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                if meta is None:
                    _create(connection, instance)
                elif meta["schema"] < schema.SCHEMA:
                    _migrate(connection, meta["schema"])
                return cls(path, connection, int(meta["horizon"]) if meta else EMPTY_REVISION)
            except BaseException:
                connection.close()
                raise

    def load(self, history_limit: int) -> Log:
        """All of it, after a check of the file's structure."""
        with _errors("read", self._path):
            ((verdict,),) = self._connection.execute("PRAGMA quick_check(1)")
            if verdict != "ok":
                raise _damaged(self._path, verdict)
            history = History(history_limit, self._horizon)
            revision = EMPTY_REVISION
            newest: dict[str, dict[Key, Record]] = {}
            for row in self._connection.execute(schema.ALL_EVENTS):
                type_, record = schema.read_event(row)
                records = newest.setdefault(record.resource, {})
                revision = record.revision
                if revision > self._horizon:
                    history.append(StoreEvent(type_, record, records.get(record.key)))
                if type_ == DELETED:
                    records.pop(record.key, None)
                else:
                    records[record.key] = record
            pools: dict[str, dict[str, str]] = {}
            for pool, value, holder in self._connection.execute(schema.ALL_ALLOCATIONS):
                pools.setdefault(pool, {})[value] = holder
        tables = {resource: Table.of(records.values()) for resource, records in newest.items()}
        return Log(State(revision, tables, pools), history)

    def commit(self, writes: Sequence[Write]) -> None:
        """Makes all of them durable, or none."""
        with _errors("write to", self._path), _transaction(self._connection):
            events = (schema.event_values(each) for each in writes if isinstance(each, StoreEvent))
            self._connection.executemany(schema.ADD_EVENT, events)
            for each in writes:
                if isinstance(each, Taken):
                    self._connection.execute(schema.TAKE, (each.pool, each.value, each.holder))
                elif isinstance(each, Released):
                    self._connection.execute(schema.RELEASE, (each.pool, each.value))

    def compact(self, upto: int) -> None:
        """Forgets the history up to revision `upto`; what is needed for the objects and the events after it stays.

        The space is used again for new events; the file does not shrink.
        """
        if upto <= self._horizon:
            return
        with _errors("compact", self._path), _transaction(self._connection):
            span = {"horizon": self._horizon, "upto": upto}
            self._connection.execute(schema.FORGET_REPLACED, span)
            self._connection.execute(schema.FORGET_DELETED, span)
            self._connection.execute(schema.SET_META, ("horizon", upto))
        self._horizon = upto

    def close(self) -> None:
        with _errors("close", self._path):
            self._connection.close()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _read_meta(connection: sqlite3.Connection, path: Path, instance: str) -> dict[str, Any] | None:
    """The meta table, or None for an empty file. Nothing is written before the file is known to be ours."""
    ((application,),) = connection.execute("PRAGMA application_id")
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    if not application and not tables:
        return None
    if application != schema.APPLICATION_ID:
        raise UserError(f"{path} is no store of Moorage: name another file")
    meta = dict(connection.execute(schema.GET_META).fetchall())
    found = int(meta["schema"])
    if found > schema.SCHEMA:
        raise UserError(
            f"the store {path} was written by a newer Moorage (schema {found}, this one knows up to {schema.SCHEMA}): "
            "run that version, or name another file"
        )
    if any(version not in schema.MIGRATIONS for version in range(found, schema.SCHEMA)):
        raise UserError(
            f"the store {path} has schema {found}, which this Moorage cannot bring to {schema.SCHEMA}: name another file"
        )
    if meta["instance"] != instance:
        raise UserError(f"the store {path} belongs to the instance {meta['instance']}, not {instance}: name another file")
    return meta


def _create(connection: sqlite3.Connection, instance: str) -> None:
    with _transaction(connection):
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        for statement in filter(str.strip, schema.CREATE.split(";")):
            connection.execute(statement)
        meta = {"schema": schema.SCHEMA, "instance": instance, "horizon": EMPTY_REVISION}
        connection.executemany(schema.SET_META, meta.items())


def _migrate(connection: sqlite3.Connection, found: int) -> None:
    """Step by step to this schema, or not at all: it is one transaction."""
    with _transaction(connection):
        for version in range(found, schema.SCHEMA):
            for statement in schema.MIGRATIONS[version]:
                connection.execute(statement)
        connection.execute(schema.SET_META, ("schema", schema.SCHEMA))


@contextmanager
def _errors(doing: str, path: Path) -> Iterator[None]:
    """Foreign exceptions become ours. ValueError is what SQLite's driver raises for text that is no UTF-8."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _damaged(path, error) from error
        if code == sqlite3.SQLITE_BUSY:
            raise UserError(f"the store {path} is in use by another process: end that one first") from error
        raise HostError(f"cannot {doing} the store {path}: {error}") from error
    except (KeyError, msgspec.MsgspecError) as error:
        raise _damaged(path, error) from error
    except (OSError, ValueError) as error:
        raise HostError(f"cannot {doing} the store {path}: {error}") from error


def _damaged(path: Path, what: object) -> HostError:
    said = " ".join(str(what).split())
    return HostError(f"the store {path} is damaged ({said}): put a copy back, or move it away to start empty")
