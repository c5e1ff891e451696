"""`moorage migrate --check` against the embedded server over TLS."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from tests.client.embedded import embedded_server
from tests.control.things import balanced, node
from tests.observe.test_migrate import kube_proxy


async def moorage(*words: str) -> tuple[int, str]:
    """Exit status, and what it said."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "moorage", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await child.communicate()
    return child.returncode or 0, said.decode()


def test_what_runs_and_what_to_do(tmp_path: Path) -> None:
    async def story() -> None:
        async with embedded_server(tmp_path) as kubeconfig, HttpClient(load(str(kubeconfig))) as client:
            await client.create(node("a"))
            (proxy,) = kube_proxy("a")
            await client.create(proxy)
            words = ("migrate", "--check", "--kubeconfig", str(kubeconfig))
            status, text = await moorage(*words)
            assert status == 0
            assert "1. install the node agents beside the proxy that is there" in text
            await client.create(balanced("web", cluster_ip=""))
            status, text = await moorage(*words, "--output", "json")
            found = json.loads(text)
            assert (status, found["ready"], found["components"][0]["name"]) == (0, True, "kube-proxy")

    asyncio.run(story())


def test_it_only_looks() -> None:
    status, text = asyncio.run(moorage("migrate"))
    assert status == 2
    assert "write `moorage migrate --check`" in text
