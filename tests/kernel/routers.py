"""Real routers in network namespaces: FRR (zebra, bgpd, bfdd) and BIRD, as plain processes, each in a directory of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

FRR = Path("/usr/lib/frr")
needs_routers = pytest.mark.skipif(
    not (FRR / "bgpd").exists() or not (FRR / "bfdd").exists() or shutil.which("bird") is None,
    reason="needs real routers: as root, apt-get install frr bird2",
)
START_SECONDS = 10.0


class Daemon:
    """One program in a namespace. It is ended by its process id."""

    def __init__(self, namespace: str, command: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            self._child = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def ready(self, path: Path) -> None:
        """Returns once a socket of its is there."""
        end = time.monotonic() + START_SECONDS
        while not path.exists():
            assert self._child.poll() is None, self._log.read_text()
            assert time.monotonic() < end, f"{path} does not appear: {self._log.read_text()}"
            time.sleep(0.02)

    def stop(self) -> None:
        self._child.kill()
        self._child.wait(10)


class FrrRouter:
    """`bgp` and `bfd` are parts of its configuration."""

    def __init__(self, namespace: str, directory: Path, bgp: str, bfd: str = "") -> None:
        self._directory = directory
        self._stack = ExitStack()
        directory.mkdir()
        sockets = ("--vty_socket", str(directory), "-z", str(directory / "zserv.api"), "-u", "root", "-g", "frrvty")
        try:
            for name, text, ready in (("zebra", "", "zserv.api"), ("bgpd", bgp, "bgpd.vty"), ("bfdd", bfd, "bfdd.vty")):
                file = directory / f"{name}.conf"
                file.write_text(text)
                command = [str(FRR / name), "-f", str(file), "-i", str(directory / f"{name}.pid"), *sockets]
                command += ["--bfdctl", str(directory / "bfdd.sock")] if name == "bfdd" else []
                daemon = Daemon(namespace, command, directory / f"{name}.log")
                self._stack.callback(daemon.stop)
                daemon.ready(directory / ready)
        except BaseException:
            self._stack.close()
            raise

    def show(self, command: str) -> dict[str, Any]:
        """What `show COMMAND json` answers."""
        full = ["vtysh", "--vty_socket", str(self._directory), "-c", f"show {command} json"]
        told: dict[str, Any] = json.loads(subprocess.run(full, capture_output=True, text=True, check=True, timeout=10).stdout)
        return told

    def paths(self, prefix: str) -> list[dict[str, Any]]:
        """The BGP paths to a prefix."""
        family = "ipv6" if ":" in prefix else "ipv4"
        found: list[dict[str, Any]] = self.show(f"bgp {family} unicast {prefix}").get("paths", [])
        return found

    def next_hops(self, prefix: str) -> set[str]:
        return {hop["ip"] for path in self.paths(prefix) for hop in path["nexthops"] if hop.get("scope") != "link-local"}

    def close(self) -> None:
        self._stack.close()


class BirdRouter:
    def __init__(self, namespace: str, directory: Path, configuration: str) -> None:
        directory.mkdir()
        file, self._socket = directory / "bird.conf", directory / "bird.ctl"
        file.write_text(configuration)
        command = ["bird", "-f", "-c", str(file), "-s", str(self._socket), "-P", str(directory / "bird.pid")]
        self._daemon = Daemon(namespace, command, directory / "bird.log")
        self._daemon.ready(self._socket)

    def ask(self, command: str) -> str:
        full = ["birdc", "-s", str(self._socket), *command.split()]
        return subprocess.run(full, capture_output=True, text=True, check=False, timeout=10).stdout

    def next_hops(self, prefix: str) -> set[str]:
        lines = self.ask(f"show route all {prefix}").splitlines()
        return {line.split(":", 1)[1].split()[0] for line in lines if "BGP.next_hop" in line}

    def attribute(self, prefix: str, name: str) -> set[str]:
        """The values of an attribute (`local_pref`, `community`) on the paths to a prefix."""
        lines = self.ask(f"show route all {prefix}").splitlines()
        return {line.split(":", 1)[1].strip() for line in lines if f"BGP.{name}:" in line}

    def close(self) -> None:
        self._daemon.stop()
