"""Database: the file itself. What is in it after commit, compaction and reopening; files that are refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from moorage.model.errors import ApiError, HostError, UserError
from moorage.model.ports import StoreView
from moorage.store.log import Log
from moorage.store.schema import MIGRATIONS, SCHEMA
from moorage.store.sqlite_io import Database
from tests.store.samples import NODES, PODS, key, made, putting, removing, text_of, told


@contextmanager
def opened(path: Path, history: int = 100) -> Iterator[tuple[Database, Log]]:
    database = Database.open(path, "moorage")
    try:
        yield database, database.load(history)
    finally:
        database.close()


def write(database: Database, log: Log, *changes: Callable[[StoreView], object]) -> None:
    """Each change in a commit of its own."""
    for change in changes:
        _, writes = log.run(change)
        database.commit(writes)
        log.commit(writes)


def revisions(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT revision FROM events ORDER BY revision")]


def test_everything_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "store.db"
    with opened(path) as (database, log):
        write(database, log, putting("a", "1"), putting("b", "1"), putting("a", "2"), removing("b"))
        write(database, log, lambda view: view.put(NODES, key("node-1", ""), made(zone="x")))
        write(database, log, lambda view: view.take("ports", "30000", "a"), lambda view: view.take("ports", "30001", "a"))
        write(database, log, lambda view: view.release("ports", "30000"))
    with opened(path) as (_, log):
        assert log.committed.revision == 6
        assert [text_of(each) for each in log.committed.list(PODS)] == ["2"]
        assert [each.labels for each in log.committed.list(NODES)] == [{"zone": "x"}]
        assert dict(log.committed.held("ports")) == {"30001": "a"}
        assert told(log.events(PODS, 1)) == [
            ("ADDED", "a", "1", None),
            ("ADDED", "b", "1", None),
            ("MODIFIED", "a", "2", "1"),
            ("DELETED", "b", "last words", "1"),
        ]


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "store.db") as (database, log):
        write(database, log, putting("a"))
        assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


def test_compaction_keeps_objects_newer_events_and_what_those_replaced(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with opened(path) as (database, log):
        write(database, log, putting("old"), putting("a", "3"), putting("a", "4"), putting("a", "5"))
        write(database, log, putting("b"), removing("b"), putting("a", "8"))
        database.compact(5)
        database.compact(4)
    assert revisions(path) == [2, 5, 6, 7, 8], "2 is an object, 5 was replaced by the kept 8"
    with opened(path) as (database, log):
        assert told(log.events(PODS, 7)) == [("MODIFIED", "a", "8", "5")]
        with pytest.raises(ApiError, match="too old resource version: 4 \\(5\\)"):
            log.events(PODS, 4)
        database.compact(7)
    assert revisions(path) == [2, 5, 8], "a deleted object goes with its last event"
    with opened(path, history=2) as (_, log):
        with pytest.raises(ApiError, match="too old resource version: 6 \\(7\\)"):
            log.events(PODS, 6)
        assert log.committed.revision == 8
        assert [each.key.name for each in log.committed.list(PODS)] == ["a", "old"]


def test_a_commit_is_whole_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with opened(path) as (database, log):
        write(database, log, putting("a", "kept"))
        _, writes = log.run(putting("a", "lost"))
        with pytest.raises(HostError, match=r"cannot write to the store .*UNIQUE"):
            database.commit([*writes, *writes])
        log.abandon()
        write(database, log, putting("a", "next"))
    with opened(path) as (_, log):
        assert told(log.events(PODS, 2)) == [("MODIFIED", "a", "next", "kept")]


def test_text_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "store.db") as (database, log):
        with pytest.raises(HostError, match="cannot write to the store"):
            write(database, log, putting("\ud800"))
        log.abandon()
        write(database, log, putting("a"))


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with opened(path) as (database, log):
        write(database, log, putting("a"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (SCHEMA + 1,))
    before = path.read_bytes()
    with pytest.raises(UserError, match=f"newer Moorage \\(schema {SCHEMA + 1}, this one knows up to {SCHEMA}\\)"):
        Database.open(path, "moorage")
    assert path.read_bytes() == before


def _of_schema(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()[0])


def test_an_older_schema_is_migrated_step_by_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    with opened(path) as (database, log):
        write(database, log, putting("a"))
    steps = {
        SCHEMA: ["CREATE TABLE notes (text TEXT)", "INSERT INTO notes VALUES ('first')"],
        SCHEMA + 1: ["UPDATE notes SET text = text || ', second'"],
    }
    monkeypatch.setattr("moorage.store.schema.MIGRATIONS", steps)
    monkeypatch.setattr("moorage.store.schema.SCHEMA", SCHEMA + 2)
    for _ in range(2):
        with opened(path) as (_, log):
            assert [each.key.name for each in log.committed.list(PODS)] == ["a"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT text FROM notes").fetchall() == [("first, second",)]
    assert _of_schema(path) == SCHEMA + 2


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    with opened(path) as (database, log):
        write(database, log, putting("a"))
    monkeypatch.setattr("moorage.store.schema.MIGRATIONS", {SCHEMA: ["DELETE FROM events", "nonsense"]})
    monkeypatch.setattr("moorage.store.schema.SCHEMA", SCHEMA + 1)
    with pytest.raises(HostError, match=r"cannot open the store .*nonsense"):
        Database.open(path, "moorage")
    assert revisions(path) == [2]
    assert _of_schema(path) == SCHEMA


def test_a_schema_without_a_way_here_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    with opened(path):
        pass
    monkeypatch.setattr("moorage.store.schema.SCHEMA", SCHEMA + 1)
    with pytest.raises(UserError, match=f"has schema {SCHEMA}, which this Moorage cannot bring to {SCHEMA + 1}"):
        Database.open(path, "moorage")


def test_every_older_schema_has_a_way_here() -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA))


def test_another_instances_file_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "store.db"):
        pass
    with pytest.raises(UserError, match="belongs to the instance moorage, not other"):
        Database.open(tmp_path / "store.db", "other")


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE diary (entry)")
    before = path.read_bytes()
    with pytest.raises(UserError, match="is no store of Moorage"):
        Database.open(path, "moorage")
    assert path.read_bytes() == before


def test_a_file_in_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moorage.store.sqlite_io.LOCK_SECONDS", 0.0)
    with opened(tmp_path / "store.db"), pytest.raises(UserError, match="in use by another process"):
        Database.open(tmp_path / "store.db", "moorage")


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(HostError, match=r"is damaged .* put a copy back, or move it away to start empty"):
        Database.open(path, "moorage")


def test_a_torn_page_is_found_when_loading(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with opened(path) as (database, log):
        write(database, log, *(putting(f"pod-{number}", "x" * 3000) for number in range(50)))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(HostError, match="is damaged"), opened(path):
        pass


def test_a_directory_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot open the store"):
        Database.open(tmp_path, "moorage")
