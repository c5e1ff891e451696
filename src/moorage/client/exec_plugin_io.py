"""Runs a credential plugin, within a limit of time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

from moorage.client.exec_plugin import ALWAYS, INFO_VARIABLE, NEVER, Credentials, ExecPlugin, credentials_of, exec_info
from moorage.model.errors import HostError

LIMIT_SECONDS = 60.0
"""For one run; a person who has to type something is not hurried (client-go waits without end)."""

_TAIL = 500
"""Characters of what it says on standard error that go into our error."""


async def run_plugin(plugin: ExecPlugin, limit: float = LIMIT_SECONDS) -> Credentials:
    """What it prints. Raises HostError where it cannot be run, fails, takes too long, or prints something else.

    It gets the terminal where there is one and its `interactiveMode` wants it, and this process's environment.
    """
    interactive = plugin.interactive_mode != NEVER and sys.stdin is not None and sys.stdin.isatty()
    if plugin.interactive_mode == ALWAYS and not interactive:
        raise HostError(f"the credential plugin {plugin.command} asks for a terminal, and standard input is none")
    environment = {**os.environ, **dict(plugin.environment), INFO_VARIABLE: exec_info(plugin, interactive)}
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.arguments,
            env=environment,
            stdin=None if interactive else DEVNULL,
            stdout=PIPE,
            stderr=None if interactive else PIPE,
            start_new_session=not interactive,  # so that what it started ends with it
        )
    except OSError as error:
        hint = f"; {plugin.install_hint}" if plugin.install_hint and isinstance(error, FileNotFoundError) else ""
        raise HostError(f"the credential plugin {plugin.command} cannot be run: {error.strerror}{hint}") from error
    try:
        async with asyncio.timeout(limit):
            output, said = await process.communicate()
    except TimeoutError as error:
        raise HostError(f"the credential plugin {plugin.command} did not end within {limit:g} s") from error
    finally:
        await _end(process, group=not interactive)
    if process.returncode:
        words = (said or b"").decode(errors="replace").strip()[-_TAIL:]
        raise HostError(
            f"the credential plugin {plugin.command} failed ({process.returncode})" + (f": {words}" if words else "")
        )
    return credentials_of(plugin, output)


async def _end(process: Process, group: bool) -> None:
    """Leaves no process of it, however the run ended."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    await process.wait()
