"""The embedded API server, run inside a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

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
