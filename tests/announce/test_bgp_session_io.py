"""The real ExaBGP against a router that does not answer, on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from moorage.announce import bgp_session_io, exabgp_io
from moorage.announce.bgp_routes import Route
from moorage.announce.bgp_session_io import SessionKeeper
from moorage.announce.local_addresses_io import beside, source_to
from moorage.announce.private_io import PrivateDirectory
from moorage.model.errors import HostError
from moorage.model.net import Family
from moorage.model.reason import Reason
from tests.announce.test_bgp_routes import session

HOST = ip_network("192.0.2.1/32")
NOWHERE = replace(session(families=(Family.IPV4,)), address=ip_address("127.0.0.1"), port=1)


async def until(holds: Callable[[], object], seconds: float = 15.0) -> None:
    for _ in range(round(seconds / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


def kept(work: Callable[[SessionKeeper, list[str]], Awaitable[None]]) -> None:
    """Keeps a session that never comes up while `work` is done; the messages of its events grow as they are told."""

    async def run() -> None:
        told: list[str] = []
        keeper = SessionKeeper(NOWHERE, lambda reason, message, _: told.append(f"{reason.value}: {message}"), lambda: None)
        try:
            keeper.announce({HOST: Route(HOST)})
            await until(lambda: keeper.pid)
            await work(keeper, told)
        finally:
            await keeper.close()
        assert keeper.pid == 0

    asyncio.run(run())


def test_a_process_that_dies_is_started_again_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bgp_session_io, "RETRY_SECONDS", 0.05)

    async def work(keeper: SessionKeeper, told: list[str]) -> None:
        first = keeper.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: keeper.pid not in (0, first))
        assert told[0].startswith(f"{Reason.BGP_SESSION_DOWN.value}: no session with 127.0.0.1: ExaBGP ended (exit status -9)")

    kept(work)


def test_a_process_that_does_not_answer_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bgp_session_io, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(bgp_session_io, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(exabgp_io, "COMMAND_SECONDS", 0.3)

    async def work(keeper: SessionKeeper, told: list[str]) -> None:
        first = keeper.pid
        os.kill(first, signal.SIGSTOP)
        keeper.announce({})
        await until(lambda: keeper.pid not in (0, first))
        assert not Path(f"/proc/{first}").exists()
        assert any("does not answer, and is started again" in each for each in told)

    kept(work)


def test_a_session_that_does_not_come_up_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bgp_session_io, "SAY_SECONDS", 0.2)
    monkeypatch.setattr(bgp_session_io, "LOOK_SECONDS", 0.1)

    async def work(keeper: SessionKeeper, told: list[str]) -> None:
        await until(lambda: told)
        assert told[0].startswith("BGPSessionDown: no session with 127.0.0.1 yet: ")
        assert not keeper.up
        assert keeper.sent == frozenset()

    kept(work)


def test_the_password_does_not_stay_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    async def work(keeper: SessionKeeper, told: list[str]) -> None:
        (directory,) = tmp_path.iterdir()
        assert directory.stat().st_mode & 0o77 == 0
        await until(lambda: not (directory / "configuration").exists())

    kept(work)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_a_killed_maker_is_taken_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("x-left", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "commands").touch()
    first, second = PrivateDirectory("x-"), PrivateDirectory("x-")
    (first.path / "commands").touch()
    third = PrivateDirectory("x-")
    assert {each.name for each in tmp_path.iterdir()} == {"other", first.path.name, second.path.name, third.path.name}
    for each in (first, second, third):
        each.close()
    assert [each.name for each in tmp_path.iterdir()] == ["other"]


def test_addresses_of_this_machine() -> None:
    loopback = ip_address("127.0.0.1")
    assert source_to(loopback) == loopback
    assert asyncio.run(beside(loopback))[Family.IPV4] == loopback
    with pytest.raises(HostError, match=r"no route to 255\.255\.255\.255: "):
        source_to(ip_address("255.255.255.255"))
