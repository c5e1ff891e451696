from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from moorage.client.exec_plugin import V1, Credentials, ExecPlugin
from moorage.client.kubeconfig import Access
from moorage.client.login_io import EARLY_SECONDS, REFUSED_SECONDS, REREAD_SECONDS, Login
from moorage.model.errors import HostError, UserError
from tests.client.served import certificate

PLUGIN = ExecPlugin(command="aws", api_version=V1)


def headers(login: Login) -> dict[str, str]:
    return asyncio.run(login.proof()).headers


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_ways_to_log_in() -> None:
    assert headers(Login(Access(server=""))) == {}
    assert headers(Login(Access(server="", token="t"))) == bearer("t")
    assert headers(Login(Access(server="", username="u", password="p"))) == {"Authorization": "Basic dTpw"}


def test_a_token_file_wins_and_is_read_again(tmp_path: Path) -> None:
    file, now = tmp_path / "token", 0.0
    file.write_text("first\n")
    login = Login(Access(server="", token="t", token_file=str(file)), clock=lambda: now)
    assert headers(login) == bearer("first")
    file.write_text("second")
    now = REREAD_SECONDS - 1
    assert headers(login) == bearer("first")
    now = REREAD_SECONDS
    assert headers(login) == bearer("second")


def test_a_refused_token_is_read_again_at_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    login = Login(Access(server="", token_file=str(file)), clock=lambda: 0.0)

    async def story() -> None:
        first = await login.proof()
        assert not await login.refused(first)
        file.write_text("second")
        assert await login.refused(first)
        assert (await login.proof()).headers == bearer("second")

    asyncio.run(story())


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"cannot read the token file .*/token: No such file"):
        headers(Login(Access(server="", token_file=str(tmp_path / "token"))))


class Plugin:
    """A plugin that gives tokens 1, 2, 3, each good for a minute, and fails while it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.runs = 0
        self.fails = False
        self.login = Login(Access(server="", plugin=PLUGIN), lambda: self.now, lambda: self.now, self._run)

    async def _run(self, plugin: ExecPlugin) -> Credentials:
        assert plugin is PLUGIN
        self.runs += 1
        await asyncio.sleep(0)
        if self.fails:
            raise HostError("no session")
        return Credentials(token=str(self.runs), expires_at=self.now + 60)

    async def token(self) -> str:
        return (await self.login.proof()).headers["Authorization"].removeprefix("Bearer ")


def played(story: Callable[[Plugin], Awaitable[None]]) -> None:
    async def play() -> None:
        await story(Plugin())

    asyncio.run(play())


def test_a_plugin_runs_once_until_shortly_before_its_credentials_end() -> None:
    async def story(plugin: Plugin) -> None:
        assert await asyncio.gather(*(plugin.token() for _ in range(5))) == ["1"] * 5
        plugin.now += 59.9 - EARLY_SECONDS
        assert await plugin.token() == "1"
        plugin.now += 0.1
        assert await asyncio.gather(*(plugin.token() for _ in range(5))) == ["2"] * 5

    played(story)


def test_a_plugin_that_fails_is_not_missed_before_the_end() -> None:
    async def story(plugin: Plugin) -> None:
        await plugin.token()
        plugin.now += 55
        plugin.fails = True
        assert [await plugin.token() for _ in range(3)] == ["1"] * 3
        assert plugin.runs == 2, "it is asked once a second"
        plugin.now += 5
        with pytest.raises(HostError, match="no session"):
            await plugin.token()
        plugin.fails = False
        assert await plugin.token() == "4"

    played(story)


def test_a_refusal_runs_the_plugin_again_but_not_every_refusal() -> None:
    async def story(plugin: Plugin) -> None:
        first = await plugin.login.proof()
        assert await asyncio.gather(*(plugin.login.refused(first) for _ in range(3))) == [True] * 3
        assert plugin.runs == 2
        second = await plugin.login.proof()
        assert not await plugin.login.refused(second)
        plugin.now += REFUSED_SECONDS
        assert await plugin.login.refused(second)
        assert plugin.runs == 3

    played(story)


def test_other_credentials_come_before_a_plugin() -> None:
    assert headers(Login(Access(server="", plugin=PLUGIN, token="t"))) == bearer("t")


def test_changed_certificate_files_are_shown(tmp_path: Path) -> None:
    own, key = certificate(tmp_path, "first")
    login = Login(Access(server="https://a", insecure=True, certificate_file=str(own), key_file=str(key)))
    login.check()

    def shown() -> object:
        return asyncio.run(login.proof()).tls

    first = shown()
    assert shown() is first
    (tmp_path / "new").mkdir()
    other, other_key = certificate(tmp_path / "new", "first")
    os.replace(other, own)
    assert shown() is first, "the key does not fit: it is on its way"
    os.replace(other_key, key)
    assert shown() is not first


def test_unusable_certificates_are_told_at_the_start(tmp_path: Path) -> None:
    own, _ = certificate(tmp_path, "first")
    _, key = certificate(tmp_path, "second")
    with pytest.raises(UserError, match="the client certificate for https://a cannot be used"):
        Login(Access(server="https://a", certificate_file=str(own), key_file=str(key))).check()


def test_an_unusable_certificate_of_a_plugin_is_its_fault() -> None:
    async def run(_: ExecPlugin) -> Credentials:
        return Credentials(certificate=b"no PEM", key=b"no PEM")

    login = Login(Access(server="https://a", plugin=PLUGIN), run=run)
    login.check()
    with pytest.raises(HostError, match="the client certificate for https://a cannot be used"):
        headers(login)
