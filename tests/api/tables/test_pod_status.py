"""The words of `kubectl get pods`. Rows follow the cases of `printers_test.go`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.api.tables.pod_status import summarize
from moorage.model.pods import Pod

NOW = 1767225600.0 + 3600

RUNNING: dict[str, Any] = {"ready": True, "restartCount": 0, "state": {"running": {}}}
READY = {"type": "Ready", "status": "True"}


def waiting(reason: str, restarts: int = 0) -> dict[str, Any]:
    return {"restartCount": restarts, "state": {"waiting": {"reason": reason}}}


def ended(restarts: int = 0, **terminated: Any) -> dict[str, Any]:
    return {"restartCount": restarts, "state": {"terminated": terminated}}


def summary(containers: int, status: dict[str, Any], deleted: bool = False, inits: int = 0) -> tuple[str, str, str]:
    tree = {
        "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {},
        "spec": {"containers": [{}] * containers, "initContainers": [{}] * inits},
        "status": status,
    }
    found = summarize(msgspec.convert(tree, Pod), NOW)
    return found.ready, found.status, found.restarts


@pytest.mark.parametrize(
    ("containers", "status", "expected"),
    [
        (1, {"phase": "Pending"}, ("0/1", "Pending", "0")),
        (2, {"phase": "Running", "containerStatuses": [RUNNING, RUNNING]}, ("2/2", "Running", "0")),
        (
            2,
            {"phase": "Running", "containerStatuses": [RUNNING, waiting("CrashLoopBackOff", 3)]},
            ("1/2", "CrashLoopBackOff", "3"),
        ),
        (2, {"phase": "Running", "containerStatuses": [waiting("First"), waiting("Second")]}, ("0/2", "First", "0")),
        (1, {"phase": "Pending", "containerStatuses": [waiting("ErrImageNeverPull")]}, ("0/1", "ErrImageNeverPull", "0")),
        (1, {"phase": "Succeeded", "containerStatuses": [ended(reason="Completed")]}, ("0/1", "Completed", "0")),
        (1, {"phase": "Failed", "containerStatuses": [ended(exitCode=7)]}, ("0/1", "ExitCode:7", "0")),
        (1, {"phase": "Failed", "containerStatuses": [ended(signal=9, exitCode=137)]}, ("0/1", "Signal:9", "0")),
        (1, {"phase": "Failed", "reason": "Evicted"}, ("0/1", "Evicted", "0")),
        (
            2,
            {"phase": "Running", "conditions": [READY], "containerStatuses": [ended(reason="Completed"), RUNNING]},
            ("1/2", "Running", "0"),
        ),
        (2, {"phase": "Running", "containerStatuses": [ended(reason="Completed"), RUNNING]}, ("1/2", "NotReady", "0")),
    ],
)
def test_status(containers: int, status: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert summary(containers, status) == expected


@pytest.mark.parametrize(
    ("init_status", "expected"),
    [
        ([waiting("PodInitializing"), waiting("")], "Init:0/2"),
        ([ended(exitCode=0), waiting("")], "Init:1/2"),
        ([ended(exitCode=0), waiting("ErrImageNeverPull")], "Init:ErrImageNeverPull"),
        ([ended(exitCode=3), waiting("")], "Init:ExitCode:3"),
        ([ended(exitCode=1, reason="Error"), waiting("")], "Init:Error"),
        ([ended(signal=9, exitCode=137)], "Init:Signal:9"),
    ],
)
def test_init_containers(init_status: list[dict[str, Any]], expected: str) -> None:
    status = {"phase": "Pending", "initContainerStatuses": init_status, "containerStatuses": [waiting("PodInitializing")]}
    assert summary(1, status, inits=2) == ("0/1", expected, "0")


def test_init_containers_that_are_done_say_nothing() -> None:
    status = {"phase": "Running", "initContainerStatuses": [ended(exitCode=0)], "containerStatuses": [RUNNING]}
    assert summary(1, status, inits=1) == ("1/1", "Running", "0")


def test_deletion() -> None:
    assert summary(1, {"phase": "Running", "containerStatuses": [RUNNING]}, deleted=True) == ("1/1", "Terminating", "0")
    assert summary(1, {"phase": "Running", "reason": "NodeLost"}, deleted=True)[1] == "Unknown"
    assert summary(1, {"phase": "Succeeded"}, deleted=True)[1] == "Succeeded"


def test_restarts_say_when_the_last_was() -> None:
    last = {"terminated": {"finishedAt": "2026-01-01T00:30:00Z"}}
    container = {**RUNNING, "restartCount": 4, "lastState": last}
    assert summary(1, {"phase": "Running", "containerStatuses": [container]})[2] == "4 (30m ago)"
