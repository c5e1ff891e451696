"""Helm's own library, in Go: a chart with a Service is installed, waited for, upgraded, rolled back and uninstalled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import helm_python
import pytest
from kubernetes import client

from tests.server import Server

SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  type: {{ .Values.type }}
  selector: {app: web}
  ports:
  - port: 80
"""


@pytest.fixture
def chart(tmp_path: Path) -> str:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "service.yaml").write_text(SERVICE)
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 0.1.0\n")
    (tmp_path / "values.yaml").write_text("type: ClusterIP\n")
    return str(tmp_path)


def test_a_release(api: Any, server: Server, namespace: str, chart: str) -> None:
    core = client.CoreV1Api(api)

    def type_() -> str:
        return str(core.read_namespaced_service("demo", namespace).spec.type)

    with helm_python.Config(kubeconfig_path=str(server.kubeconfig), namespace=namespace) as releases:
        assert releases.install(chart, "demo", wait="watcher", timeout=20)["status"] == "deployed"
        assert type_() == "ClusterIP"
        releases.upgrade(chart, "demo", {"type": "NodePort"})
        assert type_() == "NodePort"
        releases.rollback("demo", version=1)
        assert type_() == "ClusterIP"
        assert [each["revision"] for each in releases.history("demo")] == [1, 2, 3]
        releases.uninstall("demo")
        assert not releases.list()
    assert not core.list_namespaced_service(namespace).items
    assert not core.list_namespaced_secret(namespace, label_selector="owner=helm").items
