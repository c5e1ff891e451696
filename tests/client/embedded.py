"""The embedded API server, run inside a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from moorage.api.auth import parse_tokens
from moorage.run.server import KubeconfigTarget, ServerSettings, run_server


@asynccontextmanager
async def embedded_server(directory: Path, listen: str = "127.0.0.1:0") -> AsyncIterator[Path]:
    """Serves over TLS, keeping everything in the directory; gives the administrator's kubeconfig."""
    kubeconfig = directory / "admin.conf"
    kubeconfig.unlink(missing_ok=True)
    settings = ServerSettings(str(directory), (listen,), kubeconfigs=(KubeconfigTarget("admin", "", str(kubeconfig)),))
    serving = asyncio.create_task(run_server(settings))
    try:
        while not kubeconfig.exists():
            done, _ = await asyncio.wait([serving], timeout=0.01)
            if done:
                serving.result()
        yield kubeconfig
    finally:
        serving.cancel()
        await asyncio.wait([serving])


def admin_token(directory: Path) -> str:
    """The administrator's bearer token of the server that keeps its things there."""
    users = parse_tokens((directory / "tokens.csv").read_text())
    return next(token for token, user in users.items() if user.name == "admin")


def with_token(server: str, ca_file: Path, token: str) -> str:
    """A kubeconfig."""
    config = {
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": str(ca_file)}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    return msgspec.json.encode(config).decode()
