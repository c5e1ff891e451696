"""Disks that refuse: what the server's process says, how it ends, and that it leaves nothing half written."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.model.errors import ApiError
from moorage.model.meta import Key, ObjectMeta
from moorage.model.service import Service, ServicePort, ServiceSpec
from moorage.run.server_process import ServerProcess
from moorage.store.schema import SCHEMA

ROOM = 400 * 1024
"""Bytes that any file may have on the small disk."""
ENOUGH = 400
"""Services of about 1.5 KiB that do not fit."""


def web(number: int) -> Service:
    meta = ObjectMeta(name=f"web-{number}", namespace="default", annotations={"example.com/text": "x" * 1000})
    return Service(api_version="v1", kind="Service", metadata=meta, spec=ServiceSpec(ports=(ServicePort(port=80),)))


async def create(server: ServerProcess, numbers: range) -> tuple[list[str], list[ApiError]]:
    """Names that were acknowledged, and refusals."""
    names, refusals = [], []
    async with HttpClient(load(server.kubeconfig)) as client:
        for number in numbers:
            try:
                names.append((await client.create(web(number))).metadata.name)
            except ApiError as error:
                refusals.append(error)
    return names, refusals


async def listed(server: ServerProcess) -> dict[str, str]:
    """Service -> ClusterIP, of those that `create` made."""
    async with HttpClient(load(server.kubeconfig)) as client:
        services, _ = await client.list(Service, "default")
        assert (await client.get(Service, Key("default", "kubernetes"))).spec.cluster_ip
        return {each.metadata.name: each.spec.cluster_ip for each in services if each.metadata.name != "kubernetes"}


def small(directory: Path, room: int) -> ServerProcess:
    if shutil.which("prlimit") is None:
        pytest.skip("there is no prlimit")
    return ServerProcess(directory, prefix=("prlimit", f"--fsize={room}"))


def test_a_full_disk_refuses_writes_and_serves_on(tmp_path: Path) -> None:
    with small(tmp_path, ROOM) as server:
        kept, refused = asyncio.run(create(server, range(ENOUGH)))
        assert kept
        assert {(each.code, each.reason) for each in refused} == {(500, "InternalError")}
        assert all("cannot write to the store" in each.message for each in refused)
        assert sorted(asyncio.run(listed(server))) == sorted(kept), "what was refused is not there"
        server.kill()
    with ServerProcess(tmp_path) as server:
        assert sorted(asyncio.run(listed(server))) == sorted(kept)
        again, refused = asyncio.run(create(server, range(ENOUGH, ENOUGH + 20)))
        assert not refused
        found = asyncio.run(listed(server))
        assert sorted(found) == sorted([*kept, *again])
        assert len(set(found.values())) == len(found)


def ends_with(server: ServerProcess, status: int, *words: str) -> None:
    """It does not start: one line says why, and nothing can be used."""
    server.spawn()
    try:
        assert server.wait() == status, server.last_words()
    finally:
        server.kill()
    line = server.last_words(1)
    assert line.startswith("moorage: ")
    assert all(each in line for each in words), line
    assert not server.kubeconfig.exists()


def test_a_disk_without_any_room(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    ends_with(small(tmp_path, 8192), 1, "cannot")


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        kept, _ = asyncio.run(create(server, range(3)))
    data = server.database.parent
    before = {each.name: each.read_bytes() for each in data.rglob("*") if each.is_file()}
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:  # nobody forbids root to write but the kernel
        mount = f'mount --bind {data} {data} && mount -o remount,bind,ro {data} && exec "$@"'
        prefix = ("unshare", "--mount", "sh", "-c", mount, "sh")
    else:
        data.chmod(0o500)
    ends_with(ServerProcess(tmp_path, prefix=prefix), 1, "moorage.db")
    if not prefix:
        data.chmod(0o700)
    assert {each.name: each.read_bytes() for each in data.rglob("*") if each.is_file()} == before
    with ServerProcess(tmp_path) as server:
        assert sorted(asyncio.run(listed(server))) == kept


def torn(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(content)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (SCHEMA + 1,))


@pytest.mark.parametrize(
    ("spoil", "status", "words"),
    [
        (torn, 1, ("is damaged", "put a copy back, or move it away to start empty")),
        (lambda path: path.write_bytes(b"no database " * 1000), 1, ("is damaged",)),
        (newer, 2, ("newer Moorage", "run that version")),
    ],
    ids=["a torn page", "another file", "a newer schema"],
)
def test_a_database_that_cannot_be_used(
    tmp_path: Path, spoil: Callable[[Path], None], status: int, words: tuple[str, ...]
) -> None:
    with ServerProcess(tmp_path) as server:
        asyncio.run(create(server, range(50)))
    spoil(server.database)
    before = server.database.read_bytes()
    server.kubeconfig.unlink()
    ends_with(server, status, "moorage.db", *words)
    assert server.database.read_bytes() == before, "it is left for a closer look"


def test_two_servers_on_one_database(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        second = ServerProcess(tmp_path / "second")
        second.kubeconfig.parent.mkdir()
        second.kubeconfig.parent.joinpath("data").symlink_to(server.database.parent)
        ends_with(second, 2, "in use by another process")
        assert asyncio.run(listed(server)) == {}
