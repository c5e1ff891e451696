"""The STATUS, READY and RESTARTS of a Pod, as `kubectl get pods` words them.

Source: `printPod` of `pkg/printers/internalversion`, Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from moorage.api.tables.cells import age
from moorage.model.meta import is_true
from moorage.model.pods import ContainerStatus, Pod

_NODE_LOST = "NodeLost"
_OVER = ("Succeeded", "Failed")


class PodSummary(msgspec.Struct, frozen=True):
    ready: str
    status: str
    restarts: str


def summarize(pod: Pod, now: float) -> PodSummary:
    """One word for the whole Pod: the phase, unless a container has something more telling to say."""
    status = pod.status
    word = status.reason or status.phase
    initializing = _initializing(pod)
    containers: tuple[ContainerStatus, ...]
    if initializing and not is_true(status.conditions, "Initialized"):
        word, containers, ready = initializing, status.init_container_statuses, 0
    else:
        containers = status.container_statuses
        running = [each for each in containers if each.ready and "running" in each.state]
        ready = len(running)
        word = next(filter(None, map(_trouble, containers)), word)
        if word == "Completed" and running:
            word = "Running" if is_true(status.conditions, "Ready") else "NotReady"
    if pod.metadata.deletion_timestamp and status.phase not in _OVER:
        word = "Unknown" if status.reason == _NODE_LOST else "Terminating"
    return PodSummary(f"{ready}/{len(pod.spec.containers)}", word, _restarts(containers, now))


def _initializing(pod: Pod) -> str:
    """Where the Pod stands among its init containers, or an empty string when they are done."""
    for number, container in enumerate(pod.status.init_container_statuses):
        waiting, terminated = container.state.get("waiting"), container.state.get("terminated")
        if terminated is not None and terminated.get("exitCode", 0) == 0:
            continue
        if terminated is not None:
            return f"Init:{_ended(terminated)}"
        if waiting and waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{number}/{len(pod.spec.init_containers)}"
    return ""


def _trouble(container: ContainerStatus) -> str:
    """What a container waits for, or how it ended; an empty string while it runs."""
    if reason := (container.state.get("waiting") or {}).get("reason"):
        return str(reason)
    terminated = container.state.get("terminated")
    return _ended(terminated) if terminated is not None else ""


def _ended(terminated: Mapping[str, Any]) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _restarts(containers: tuple[ContainerStatus, ...], now: float) -> str:
    count = sum(each.restart_count for each in containers)
    ends = [(each.last_state.get("terminated") or {}).get("finishedAt") for each in containers]
    last = max(filter(None, ends), default=None)
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)
