"""A `kopf` operator as people run it: a process that watches Services, writes finalizers, annotations, status and events."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from tests.clients import operator
from tests.server import Server, eventually

FINALIZER = "operator.example.com/finalizer"
STOP_SECONDS = 20.0


@pytest.fixture
def running(server: Server, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """The operator's log. It is ended with SIGTERM, and must end well."""
    log = tmp_path / "operator.log"
    command = [sys.executable, "-m", "kopf", "run", "--standalone", f"--namespace={namespace}", operator.__file__]
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig), "HOME": str(tmp_path)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=tmp_path)
    try:
        yield log
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def test_an_operator_follows_a_service(api: Any, namespace: str, running: Path) -> None:
    core = client.CoreV1Api(api)

    def labels(name: str) -> dict[str, str]:
        return dict(core.read_namespaced_service(name, namespace).metadata.labels)

    def messages() -> list[str]:
        listed = core.list_namespaced_event(namespace, field_selector="involvedObject.name=web,reason=Noticed")
        return sorted(each.message for each in listed.items)

    wanted = {"metadata": {"name": "web", "labels": {"operator": "wanted"}}, "spec": {"ports": [{"port": 80}]}}
    core.create_namespaced_service(namespace, wanted)
    core.create_namespaced_service(namespace, {"metadata": {"name": "other"}, "spec": {"ports": [{"port": 80}]}})
    eventually(lambda: labels("web").get("noticed") == "created")
    assert core.read_namespaced_service("web", namespace).metadata.finalizers == [FINALIZER]
    eventually(lambda: core.read_namespaced_service("web", namespace).status.conditions)
    (condition,) = core.read_namespaced_service("web", namespace).status.conditions
    assert (condition.type, condition.message) == ("Noticed", "")
    eventually(lambda: messages() == ["created"])

    core.patch_namespaced_service("web", namespace, {"spec": {"type": "NodePort"}})
    eventually(lambda: labels("web").get("noticed") == "ClusterIP-NodePort")
    eventually(lambda: messages() == ["created", "from ClusterIP to NodePort"])

    core.delete_namespaced_service("web", namespace)
    eventually(lambda: not core.list_namespaced_service(namespace, label_selector="operator=wanted").items)
    eventually(lambda: len(messages()) == 3)
    other = core.read_namespaced_service("other", namespace)
    assert not other.metadata.finalizers
    assert "Traceback" not in running.read_text()
