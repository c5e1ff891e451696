"""The command line as a person meets it: help, one-line errors, exit statuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from moorage.cli import main
from moorage.cli.bench_churn import churn
from moorage.cli.bench_coldstart import coldstart
from moorage.cli.bench_update import update
from moorage.cli.demo import demo
from moorage.cli.kubectl import find_kubectl
from moorage.cli.standalone import down, up
from moorage.model.errors import HostError, UserError

COMMANDS = (
    "up", "down", "demo", "kubeconfig", "exec", "get", "apply", "delete", "describe", "explain", "trace", "pools", "drain",
    "manifests", "migrate", "uninstall", "bench", "server", "controller", "node", "edge",
)  # fmt: skip


def moorage(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MOORAGE_INSTANCE": "nobody-runs-this", "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "moorage", *arguments], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


def test_help_lists_every_command_with_a_sentence() -> None:
    help_ = moorage("--help").stdout
    for command in COMMANDS:
        assert re.search(rf"\b{command}\s+\S+ \S+", help_), command


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in ("get", "apply", "delete", "describe")])
def test_each_command_explains_itself(command: str) -> None:
    done = moorage(command, "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("kubeconfig",), "start one with `moorage up`"),
        (("get", "services"), "start one with `moorage up`"),
        (("explain", "service", "web"), "start one with `moorage up`"),
        (("trace", "--from", "pod/a", "--to", "nonsense"), "is no target: write ADDRESS:PORT or SERVICE:PORT"),
        (("trace", "--from", "pod/a", "--to", "a:1", "--cluster-cidr", "x"), '--cluster-cidr: Invalid value: "x"'),
        (("trace", "--from", "pod/a", "--to", "a:1", "--kubeconfig", "/nowhere"), "/nowhere"),
        (("drain", "node-1"), "only simulates: add --simulate"),
        (("drain", "--simulate", "node-1", "--kubeconfig", "/nowhere"), "/nowhere"),
        (("node", "--name", "n", "--kubeconfig", "/nowhere"), "/nowhere"),
        (
            ("node", "--name", "n", "--kubeconfig", "/nowhere", "--metrics-bind-address", "x"),
            '--metrics-bind-address: Invalid value: "x"',
        ),
        (("node", "--name", "n"), "KUBERNETES_SERVICE_HOST is not set"),
        (("node", "--config", "/nowhere"), "--config /nowhere: cannot be read: No such file"),
        (("edge", "--kubeconfig", "/nowhere"), "--interface: Required value"),
        (("controller", "--controllers=*,-schedule"), "did you mean scheduler?"),
        (("edge", "--name", "e", "--interface", "lo", "--kubeconfig", "/nowhere"), "/nowhere"),
        (
            ("edge", "--name", "e", "--interface", "lo", "--kubeconfig", "/nowhere", "--probe-fall", "0"),
            "--probe-fall: Invalid value: 0",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line_that_says_what_to_do(arguments: tuple[str, ...], words: str) -> None:
    done = moorage(*arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert done.stderr.startswith("moorage: ")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


@pytest.mark.parametrize("arguments", [(), ("fly",), ("trace",), ("up", "--nodes", "none"), ("up", "--nodes", "0")])
def test_used_wrongly(arguments: tuple[str, ...]) -> None:
    assert moorage(*arguments).returncode == 2


@pytest.mark.parametrize("command", [up, down, demo, update, coldstart, churn])
def test_without_root_it_says_so(command: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="needs root: run it with sudo"):
        command()


def test_the_bundled_kubectl_is_found() -> None:
    done = subprocess.run([find_kubectl(), "version", "--client"], capture_output=True, text=True, check=False)
    assert "Client Version: v1." in done.stdout


def test_expected_errors_of_tasks_are_one_line_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise ExceptionGroup(
            "tasks", [HostError("no port"), ExceptionGroup("more", [UserError("no name"), HostError("no port")])]
        )

    monkeypatch.setattr(main, "app", fails)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.split("\n")[-3:] == ["moorage: no port", "no name", ""]


def test_an_unexpected_error_of_a_task_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise ExceptionGroup("tasks", [HostError("no port"), ValueError("a fault")])

    monkeypatch.setattr(main, "app", fails)
    with pytest.raises(ExceptionGroup, match="tasks"):
        main.main()
