"""Commands at a vantage point of a running lab: inside a Pod, on a node, at the edge, or as the external client.

pod/NAME | pod/NAMESPACE/NAME | node/NAME | edge | server | client  ->  Entry  ->  a process there
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.lab.launch import Entry, command_line, machine_entry, pod_entry, process_file
from moorage.lab.plan import LabPlan
from moorage.model.errors import HostError, UserError
from moorage.model.meta import Key
from moorage.model.pods import Pod
from moorage.model.ports import Client
from moorage.run.state_io import require_running

MACHINES = ("edge", "server", "client")


class Finished(msgspec.Struct, frozen=True):
    """A command that ended. `status` is its exit status."""

    status: int
    output: str
    errors: str


async def find_entry(plan: LabPlan, vantage: str, client: Client) -> Entry:
    """Raises UserError where the words name no vantage point, ApiError 404 where there is no such Pod."""
    match vantage.split("/"):
        case [machine] if machine in MACHINES:
            return machine_entry(plan, machine)
        case ["node", name]:
            return machine_entry(plan, name)
        case ["pod", name]:
            return await _pod(plan, Key("default", name), client)
        case ["pod", namespace, name]:
            return await _pod(plan, Key(namespace, name), client)
    raise UserError(f"{vantage!r} is no vantage point: use pod/NAME, pod/NAMESPACE/NAME, node/NAME, {', '.join(MACHINES)}")


async def _pod(plan: LabPlan, key: Key, client: Client) -> Entry:
    pod = await client.get(Pod, key)
    try:
        first = int(Path(process_file(plan, pod, pod.spec.containers[0].name)).read_text())
    except FileNotFoundError as error:
        raise HostError(f"pod {key} is not running: its phase is {pod.status.phase}") from error
    return pod_entry(plan, pod, first)


def environment(plan: LabPlan) -> dict[str, str]:
    """The caller's own, with the lab's commands (`ask`) in front of PATH."""
    return {**os.environ, "PATH": f"{plan.programs}:{os.environ.get('PATH', '/usr/bin:/bin')}"}


async def run_at(plan: LabPlan, vantage: str, command: Sequence[str], client: Client, timeout: float = 60.0) -> Finished:
    """Runs a command there and waits for its end. Raises HostError where it does not end within `timeout` seconds."""
    line = command_line(await find_entry(plan, vantage, client), command)
    process = await asyncio.create_subprocess_exec(
        *line,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(plan),
    )
    try:
        async with asyncio.timeout(timeout):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise HostError(f"{command[0]} at {vantage} did not end within {timeout:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Finished(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


def run_here(instance: str, vantage: str, command: Sequence[str]) -> int:
    """Runs a command there in the foreground, with this process's terminal; its exit status."""
    running = require_running(instance)
    plan = LabPlan(instance, running.nodes)

    async def run() -> int:
        async with HttpClient(load(running.kubeconfig), user_agent="moorage-exec") as client:
            line = command_line(await find_entry(plan, vantage, client), command)
        process = await asyncio.create_subprocess_exec(*line, env=environment(plan))
        return await process.wait()

    return asyncio.run(run())
