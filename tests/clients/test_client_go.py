"""Traefik, a program in Go, follows Ingresses, Services and EndpointSlices through client-go's informers."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from moorage.model.kinds import BY_RESOURCE
from tests.server import Server, eventually

TRAEFIK = Path(sys.executable).with_name("traefik")
STOP_SECONDS = 20.0

pytestmark = pytest.mark.skipif(not TRAEFIK.exists(), reason="there is no traefik beside this Python")


@pytest.fixture
def dashboard(server: Server, namespace: str, tmp_path: Path) -> Iterator[int]:
    """The port at which Traefik tells what it knows."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "traefik.log"
    command = [
        str(TRAEFIK), "--api.insecure=true", f"--entrypoints.traefik.address=127.0.0.1:{port}",
        "--entrypoints.web.address=127.0.0.1:0", "--providers.kubernetesingress=true",
        f"--providers.kubernetesingress.namespaces={namespace}", "--providers.kubernetesingress.throttleduration=50ms",
        "--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=DEBUG",
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={"KUBECONFIG": str(server.kubeconfig), "HOME": str(tmp_path)},
            cwd=tmp_path,
        )
    try:
        eventually(lambda: process.poll() is not None or _told(port) is not None)
        assert process.poll() is None, log.read_text()
        yield port
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    complaints = [line for line in log.read_text().splitlines() if " ERR " in line or "Failed to watch" in line]
    assert not complaints


def _told(port: int) -> dict[str, Any] | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/api/rawdata")
        response = connection.getresponse()
        told: dict[str, Any] | None = json.loads(response.read()) if response.status == 200 else None
    except OSError:
        return None
    finally:
        connection.close()
    return told


def _servers(port: int) -> list[str]:
    """The backends that Traefik has found through Ingress, Service and EndpointSlice."""
    services = (_told(port) or {}).get("services", {})
    return sorted(
        server["url"]
        for name, each in services.items()
        if name.endswith("@kubernetes")
        for server in each.get("loadBalancer", {}).get("servers") or []
    )


@pytest.mark.skipif("ingresses.networking.k8s.io" not in BY_RESOURCE, reason="Ingress is not served")
def test_informers_follow_what_changes(api: Any, namespace: str, dashboard: int) -> None:
    core, discovery, networking = client.CoreV1Api(api), client.DiscoveryV1Api(api), client.NetworkingV1Api(api)
    core.create_namespaced_service(namespace, {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}]}})
    discovery.create_namespaced_endpoint_slice(namespace, _slice("10.244.1.1"))
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"name": "http"}}}}
    rule = {"host": "web.example.com", "http": {"paths": [path]}}
    networking.create_namespaced_ingress(namespace, {"metadata": {"name": "web"}, "spec": {"rules": [rule]}})
    eventually(lambda: _servers(dashboard) == ["http://10.244.1.1:8080"])
    discovery.replace_namespaced_endpoint_slice("web-1", namespace, _slice("10.244.1.1", "10.244.2.2"))
    eventually(lambda: _servers(dashboard) == ["http://10.244.1.1:8080", "http://10.244.2.2:8080"])
    discovery.delete_namespaced_endpoint_slice("web-1", namespace)
    eventually(lambda: _servers(dashboard) == [])
    networking.delete_namespaced_ingress("web", namespace)
    eventually(lambda: not [each for each in (_told(dashboard) or {}).get("routers", {}) if each.endswith("@kubernetes")])


def _slice(*addresses: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
    }
