"""The wish to run a command in a namespace -> the command line of `launch_io.py`, which grants it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec

from moorage.lab.plan import LabPlan
from moorage.model.pods import Pod

PYTHON = (sys.executable, "-I", "-S")
"""The interpreter without site packages: it starts in a third of the time and reads no variables of the command it starts."""

_HERE = Path(__file__).parent
ECHO = (*PYTHON, str(_HERE / "echo_io.py"))
ASK = (*PYTHON, str(_HERE / "ask_io.py"))

CANNOT_ENTER = 125
"""Exit status: the namespace, the mounts or the folder are not as the command needs them. 126 and 127 are as in shells."""


class Entry(msgspec.Struct, frozen=True):
    """Where a command runs. `files` is the folder with resolv.conf, hosts, hostname and nsswitch.conf as it sees them.

    `join` is the process id of a container's first process: the command then shares the container's processes and files.
    """

    network: str
    files: str = ""
    hostname: str = ""
    join: int = 0


def machine_entry(plan: LabPlan, machine: str) -> Entry:
    """A machine of the LAN, by the name in the plan. Raises UserError where there is none."""
    found = plan.machine(machine)
    return Entry(network=found.namespace, files=str(plan.machine_directory(machine)), hostname=machine)


def pod_entry(plan: LabPlan, pod: Pod, join: int = 0) -> Entry:
    """The network namespace and files of a Pod; with host networking those of its node."""
    meta = pod.metadata
    files = str(plan.pod_directory(meta.namespace, meta.name, meta.uid))
    if pod.spec.host_network:
        return Entry(plan.machine(pod.spec.node_name).namespace, files, pod.spec.node_name, join)
    return Entry(plan.pod_namespace(meta.namespace, meta.name, meta.uid), files, pod_hostname(pod), join)


def pod_hostname(pod: Pod) -> str:
    """`spec.hostname` or the Pod's name, cut to the 63 bytes that a host name may have (KEP-4762 leaves this default)."""
    return (pod.spec.hostname or pod.metadata.name)[:63].rstrip("-.")


def process_file(plan: LabPlan, pod: Pod, container: str) -> PurePosixPath:
    """Holds the process id of a running container's first process, in decimal: what `Entry.join` wants."""
    meta = pod.metadata
    return plan.pod_directory(meta.namespace, meta.name, meta.uid) / f"{container}.pid"


def command_line(
    entry: Entry, command: Sequence[str], *, first: bool = False, status: int = -1, directory: str = ""
) -> list[str]:
    """What to execute. `first` makes the launcher the parent of all processes of a new process namespace, where it collects
    the dead and passes SIGTERM on; `status` is an inherited descriptor for the one-line message of a failure.
    """
    line = [*PYTHON, str(_HERE / "launch_io.py"), "--network", f"/run/netns/{entry.network}"]
    if entry.join:
        line += ["--join", str(entry.join)]
    elif entry.files:
        line += ["--bind", f"{entry.files}/resolv.conf", "/etc/resolv.conf"]
        for name in ("hosts", "hostname", "nsswitch.conf"):
            line += ["--bind-if-there", f"{entry.files}/{name}", f"/etc/{name}"]
    if entry.hostname and not entry.join:
        line += ["--hostname", entry.hostname]
    if first:
        line += ["--first"]
    if status >= 0:
        line += ["--status", str(status)]
    if directory:
        line += ["--directory", directory]
    return [*line, "--", *command]
