"""Files that programs in the lab read: name resolution for machines and Pods, and the lab's own commands on PATH."""

from __future__ import annotations

import shlex
from pathlib import Path

from moorage.lab.launch import ASK
from moorage.lab.plan import LabPlan, Machine
from moorage.model.errors import HostError

NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"
"""Names come from the two files beside it: a resolver service of the host would answer for the host (nsswitch.conf(5))."""

NO_NAMESERVER = "# Machines outside the cluster have no DNS server: use addresses, or the names in /etc/hosts.\n"


def write_files(directory: Path, files: dict[str, str]) -> None:
    """Raises HostError where the disk refuses."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (directory / name).write_text(text)
    except OSError as error:
        raise HostError(f"cannot write to {directory}: {error.strerror}") from error


def write_machine_files(plan: LabPlan, machine: Machine) -> None:
    """Each machine of the LAN knows the others by name."""
    hosts = "".join(f"{each.address}\t{each.name}\n" for each in plan.machines)
    files = {
        "resolv.conf": NO_NAMESERVER,
        "hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{hosts}",
        "hostname": f"{machine.name}\n",
        "nsswitch.conf": NSSWITCH,
    }
    write_files(Path(plan.machine_directory(machine.name)), files)


def write_programs(plan: LabPlan) -> None:
    """`ask` for everybody in the lab: the folder goes in front of PATH."""
    write_files(Path(plan.programs), {"ask": f'#!/bin/sh\nexec {shlex.join(ASK)} "$@"\n'})
    Path(plan.programs, "ask").chmod(0o755)
