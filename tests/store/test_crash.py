"""What a killed process and a full disk leave behind: whole processes, real files."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path

from moorage.model.ports import StoreEvent
from moorage.store.disk_io import open_store
from tests.store.program_crash import HISTORY
from tests.store.samples import PODS, text_of

ROUNDS = 6

Acknowledged = dict[int, tuple[str, str]]


def killed(path: Path, seed: int) -> Acknowledged:
    """Runs the writer and kills it after a random number of acknowledged events: revision -> (type, name)."""
    command = [sys.executable, "-m", "tests.store.program_crash", str(path), str(seed)]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            for _ in range(random.Random(seed).randrange(1, 600)):
                lines.append(process.stdout.readline())
        finally:
            process.kill()
        lines += process.stdout.readlines()
    parts = [line.split() for line in lines if line.endswith("\n")]
    return {int(revision): (type_, name) for revision, type_, name in parts}


async def after(path: Path) -> tuple[list[StoreEvent], dict[str, str], dict[str, str]]:
    """All events, the port of each object, and the holder of each port."""
    store = await open_store(path, HISTORY)
    try:
        events = list(await store.watch(PODS, 1).next(timeout=0))
        objects = {each.key.name: text_of(each) or "" for each in store.list(PODS)[0]}
        return events, objects, await store.transact(lambda view: dict(view.held("ports")))
    finally:
        await store.close()


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    everything: Acknowledged = {}
    for seed in range(ROUNDS):
        acknowledged = killed(path, seed)
        assert acknowledged
        everything |= acknowledged
        events, objects, holders = asyncio.run(after(path))
        assert [each.revision for each in events] == list(range(2, len(events) + 2)), "revisions have no gap and never go back"
        stored = {each.revision: (each.type, each.record.key.name) for each in events}
        assert {revision: stored.get(revision) for revision in everything} == everything
        assert {name: port for port, name in holders.items()} == objects, "each object has its port, and nobody else has one"
        assert len(holders) == len(objects)


def test_a_full_disk_refuses_writes_and_a_mended_one_takes_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.store.program_full", str(tmp_path / "store.db")]
    seen = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout)
    assert seen["kept"]
    assert seen["refused"]
    assert all(each.startswith("cannot write to the store") for each in seen["errors"])
    assert seen["full"] == [seen["kept"], seen["kept"]], "what was refused is not there, what was acknowledged is"
    assert seen["mended"] == [""] * 10
    now = [*seen["kept"], *seen["refused"][:10]]
    assert seen["told"] == now
    assert seen["recovered"] == seen["reopened"] == [sorted(now), sorted(now)]
