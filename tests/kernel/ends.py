"""A benchmark that is told to end while it is at work takes away what it has made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from moorage.lab import netns_io
from moorage.run.bench_lab import BenchPlan


def ends_and_leaves_nothing(
    number: signal.Signals, words: Sequence[str], at_work: Callable[[BenchPlan, int], Sequence[str]]
) -> None:
    """`moorage bench WORDS` gets the signal once `at_work` finds processes of it, by its plan and its process id.

    SIGINT goes to all processes of the terminal, as Ctrl-C sends it.
    """
    command = (sys.executable, "-m", "moorage", "bench", *words)
    running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    plan = BenchPlan(f"bench-{running.pid}")
    limit = time.monotonic() + 60
    while not at_work(plan, running.pid) and time.monotonic() < limit:
        assert running.poll() is None
        time.sleep(0.05)
    assert at_work(plan, running.pid), "it is at work"
    if number is signal.SIGINT:
        os.killpg(running.pid, number)
    else:
        running.send_signal(number)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert b"Traceback" not in errors
    assert not set(plan.namespaces) & set(netns_io.names())
    assert not at_work(plan, running.pid)
