"""Plugins as programs. Nothing waits longer than a few seconds."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from moorage.client.exec_plugin import V1, Credentials, ExecPlugin
from moorage.client.exec_plugin_io import run_plugin
from moorage.model.errors import HostError


def shell(script: str, mode: str = "Never", hint: str = "", **environment: str) -> ExecPlugin:
    return ExecPlugin(
        command="sh",
        arguments=("-c", script),
        api_version=V1,
        environment=tuple(environment.items()),
        interactive_mode=mode,
        install_hint=hint,
    )


def test_a_plugin_gets_its_environment_and_what_is_asked_of_it() -> None:
    answer = json.dumps({"kind": "ExecCredential", "apiVersion": V1, "status": {"token": "TOKEN"}})
    script = f"""test "$PATH" && printf '%s' '{answer}' | sed "s/TOKEN/$WHO $(printf '%s' "$KUBERNETES_EXEC_INFO" | wc -c)/" """
    info = json.dumps({"kind": "ExecCredential", "apiVersion": V1, "spec": {"interactive": False}}, separators=(",", ":"))
    assert asyncio.run(run_plugin(shell(script, WHO="me"))) == Credentials(token=f"me {len(info)}")


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (shell("echo no session >&2; exit 3"), r"plugin sh failed \(3\): no session"),
        (shell("kill -9 $$"), r"plugin sh failed \(-9\)$"),
        (shell("echo hello"), "printed no ExecCredential"),
        (shell("true", mode="Always"), "asks for a terminal, and standard input is none"),
        (
            ExecPlugin(command="/no/such", api_version=V1, install_hint="get it"),
            "cannot be run: No such file or directory; get it",
        ),
        (ExecPlugin(command="/etc/passwd", api_version=V1, install_hint="get it"), "cannot be run: Permission denied$"),
    ],
)
def test_a_plugin_that_fails_says_why(plugin: ExecPlugin, words: str) -> None:
    with pytest.raises(HostError, match=words):
        asyncio.run(run_plugin(plugin))


def test_a_plugin_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    since = time.monotonic()
    with pytest.raises(HostError, match=r"did not end within 0\.5 s"):
        asyncio.run(run_plugin(shell(f"sleep 60 & echo $! > {pid}; wait"), limit=0.5))
    assert time.monotonic() - since < 30
    child = int(pid.read_text())
    for _ in range(200):
        if not _runs(child):
            return
        time.sleep(0.01)
    raise AssertionError("the plugin's child still runs")


def _runs(pid: int) -> bool:
    """A process that has ended may wait for its parent to take notice."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
