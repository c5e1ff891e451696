"""The agent with what the DaemonSet gives it and no more: capabilities, nothing to write to, the node's parameters."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

from moorage.cli.kubectl import find_kubectl
from moorage.deploy.emit import plain
from moorage.deploy.given import values_of
from moorage.deploy.objects import trees
from moorage.model.net import Family
from moorage.run.child_process import ChildProcess
from moorage.run.server_process import ServerProcess
from tests.kernel.needs import needs_root, unique_instance
from tests.kernel.topology import Echo, Namespace

pytestmark = [pytest.mark.kernel, needs_root]

BACKEND, CLUSTER_IP, NODE_PORT = "192.0.2.10", "10.96.0.80", 30080
OBJECTS = f"""
apiVersion: v1
kind: Node
metadata: {{name: node-1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{type: NodePort, clusterIP: {CLUSTER_IP}, ports: [{{port: 80, nodePort: {NODE_PORT}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
endpoints: [{{addresses: [{BACKEND}]}}]
ports: [{{port: 8080, name: ""}}]
"""
CONTAINER = """
set -eu
root=$1 inside=$2 capabilities=$3 scratch=$4
shift 4
mount -t tmpfs tmpfs "$root"
for each in /*; do
    if [ -L "$each" ]; then
        cp -P "$each" "$root/"
    elif [ -d "$each" ]; then
        mkdir "$root$each"
        mount --rbind "$each" "$root$each"
        case $each in /proc | /sys | /dev) ;; *) mount -o remount,bind,ro "$root$each" ;; esac
    fi
done
if [ -n "$inside" ]; then
    mkdir -p "$root$inside"
    mount --bind "${inside#/host}" "$root$inside"
fi
mkdir "$root/scratch"
mount -t tmpfs -o "size=$scratch" tmpfs "$root/scratch"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -o remount,ro "$root"
export TMPDIR=/scratch
exec chroot "$root" setpriv --no-new-privs --bounding-set="-all,$capabilities" -- "$@"
"""
"""A root file system to which nothing can be written, as a container runtime makes it. What is /tmp in the Pod is /scratch
here: the tests are in /tmp.
"""


def pod(*settings: str) -> dict[str, Any]:
    every = [plain(each) for each in trees(values_of({}, settings))]
    (daemon_set,) = [each for each in every if each["kind"] == "DaemonSet"]
    spec: dict[str, Any] = daemon_set["spec"]["template"]["spec"]
    return spec


class Deployed:
    """A namespace with an API server, a backend, and the agent in its container."""

    def __init__(self, namespace: Namespace, directory: Path, spec: dict[str, Any]) -> None:
        self.namespace = namespace
        into = ("ip", "netns", "exec", namespace.name)
        kubeconfig = directory / "node-kubeconfig"
        options = ("--kubeconfig-out", f"node:node-1=={kubeconfig}")
        self.server = ServerProcess(directory, options, prefix=into)
        self.server.start()
        kubectl = [*into, find_kubectl(), f"--kubeconfig={self.server.kubeconfig}", f"--cache-dir={directory / 'cache'}"]
        subprocess.run([*kubectl, "apply", "-f", "-"], input=OBJECTS, text=True, check=True, capture_output=True)
        (container,) = spec["containers"]
        security, mounts = container["securityContext"], {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert security["readOnlyRootFilesystem"]
        assert security["capabilities"]["drop"] == ["ALL"]
        capabilities = ",".join(f"+{each.lower()}" for each in security["capabilities"]["add"])
        (directory / "root").mkdir()
        command = [*into, "unshare", "--mount", "sh", "-c", CONTAINER, "container", str(directory / "root")]
        scratch = {each["name"]: each for each in spec["volumes"]}["scratch"]["emptyDir"]["sizeLimit"].replace("Mi", "m")
        command += [mounts.get("sysctls", ""), capabilities, scratch]
        command += [sys.executable, "-m", "moorage", "node", "--name", "node-1"]
        command += ["--kubeconfig", str(kubeconfig), "--log-format", "json", "--nodeport-addresses", "127.0.0.0/8"]
        self.agent = ChildProcess("the node agent", command, directory / "agent.log")
        self.agent.spawn()

    def answers(self, address: str, port: int, seconds: float = 20) -> str:
        """What the backend says through an address of the Service, once there is an answer."""
        end = time.monotonic() + seconds
        while True:
            try:
                return self.namespace.ask(ip_address(address), port, timeout=0.5).split()[0]
            except OSError:
                assert time.monotonic() < end, self.agent.last_words()
                time.sleep(0.1)

    def close(self) -> None:
        self.agent.stop()
        self.server.stop()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace(unique_instance("deployed"))
    echo = Echo()
    try:
        for what in (f"address add {BACKEND}/32 dev lo", f"route add 10.96.0.0/16 dev lo src {BACKEND}"):
            subprocess.run(["ip", "-n", made.name, *what.split()], check=True)
        echo.listen(made, Family.IPV4, "backend", 8080, BACKEND)
        yield made
    finally:
        echo.close()
        made.close()


def test_it_serves_with_what_the_daemonset_gives_it(namespace: Namespace, tmp_path: Path) -> None:
    deployed = Deployed(namespace, tmp_path, pod())
    try:
        assert deployed.answers(CLUSTER_IP, 80) == "backend"
        assert deployed.answers("127.0.0.1", NODE_PORT) == "backend"
        health = subprocess.run(
            ["ip", "netns", "exec", namespace.name, sys.executable, "-c", HEALTH], capture_output=True, text=True, check=True
        )
        assert health.stdout.strip() == "200"
        assert "not served" not in (tmp_path / "agent.log").read_text()
    finally:
        deployed.close()


def test_it_serves_without_the_nodes_parameters(namespace: Namespace, tmp_path: Path) -> None:
    """All but NodePorts at loopback addresses, which it says."""
    spec = pod("node.localhostNodePorts=false")
    assert yaml.safe_dump(spec).count("sysctl") == 0
    deployed = Deployed(namespace, tmp_path, spec)
    try:
        assert deployed.answers(CLUSTER_IP, 80) == "backend"
        assert "NodePorts are not served on 127.0.0.1" in (tmp_path / "agent.log").read_text()
    finally:
        deployed.close()


HEALTH = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:10256/livez', timeout=5).status)"
