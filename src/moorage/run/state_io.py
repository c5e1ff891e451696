"""What a standalone system leaves on disk while it runs: `/run/moorage/INSTANCE/`, and how others find it there.

up.json             who runs and how to reach it (`Running`)
kubeconfig          the administrator's, for people on this machine
kubeconfig.reader   for those who only look
kubeconfigs/        one for each part of the system
data/               the server's database, certificates and tokens
logs/               one file for each role and Pod
bin/                commands for `moorage exec`
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from moorage.model.errors import UserError

RUNTIME = Path("/run/moorage")
DEFAULT_INSTANCE = "moorage"


class Running(msgspec.Struct, frozen=True):
    """A standalone system in operation. `started` is the supervisor's start time in clock ticks since boot (proc(5) stat
    field 22): with the process id it names one process for good.
    """

    instance: str
    pid: int
    started: int
    nodes: int
    load_balancer: str
    server: str
    kubeconfig: str


def directory(instance: str) -> Path:
    return RUNTIME / instance


def reader_kubeconfig(instance: str) -> Path:
    return directory(instance) / "kubeconfig.reader"


def start_time(pid: int) -> int | None:
    """Clock ticks since boot, or None where no such process is, or only its remains (state Z)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(fields[18])


def write_running(running: Running) -> None:
    """Appears as a whole or not at all."""
    target = directory(running.instance) / "up.json"
    partial = target.with_suffix(".partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(running)))
    partial.rename(target)


def read_running(instance: str) -> Running | None:
    """The system that runs under that name, or None; a record of a dead supervisor counts as none."""
    try:
        running = msgspec.json.decode((directory(instance) / "up.json").read_bytes(), type=Running)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return running if start_time(running.pid) == running.started else None


def require_running(instance: str) -> Running:
    running = read_running(instance)
    if running is None:
        raise UserError(f"no standalone system named {instance!r} is running: start one with `moorage up`")
    return running


def require_root(what: str) -> None:
    if os.geteuid() != 0:
        raise UserError(f"{what} makes network namespaces and rules, which needs root: run it with sudo")
