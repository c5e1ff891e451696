"""get, describe, explain, api-resources, version: what kubectl shows."""

from __future__ import annotations

import json
import re

import pytest

from tests.kubectl.conftest import COMMAND_SECONDS, Kubectl
from tests.kubectl.manifests import POD, SERVICE, node, pool


def rows(text: str) -> list[list[str]]:
    """A printed table: columns are at least three spaces apart."""
    return [re.split(r" {3,}", line.strip()) for line in text.splitlines()]


def test_get_services(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    head, web = rows(kubectl.ok("get", "services"))
    assert head == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert (web[0], web[1], web[3]) == ("web", "NodePort", "<none>")
    assert re.fullmatch(r"10\.96\.\d+\.\d+", web[2])
    assert re.fullmatch(r"80:3\d{4}/TCP", web[4])
    head, web = rows(kubectl.ok("get", "svc", "-o", "wide"))
    assert (head[-1], web[-1]) == ("SELECTOR", "app=web")


def test_get_pods(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=POD)
    head, web = rows(kubectl.ok("get", "po"))
    assert head == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert web[:4] == ["web-1", "0/1", "Pending", "0"]
    head, web = rows(kubectl.ok("get", "po", "-o", "wide"))
    assert head[-4:] == ["IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    assert web[-4:] == ["<none>"] * 4


def test_get_nodes(kubectl: Kubectl) -> None:
    name = f"node-{kubectl.namespace}"
    kubectl.ok("apply", "-f", "-", given=node(name))
    head, row = rows(kubectl.ok("get", "node", name))
    assert head == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert row[:3] == [name, "Unknown", "worker"]
    head, _ = rows(kubectl.ok("get", "node", name, "-o", "wide"))
    assert head[5:] == ["INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"]
    assert kubectl.ok("cordon", name) == f"node/{name} cordoned\n"
    assert rows(kubectl.ok("get", "node", name, "--no-headers"))[0][1] == "Unknown,SchedulingDisabled"


def test_get_the_other_kinds(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=pool(kubectl.number))
    assert rows(kubectl.ok("get", "ipaddresspools")) == [
        ["NAME", "AUTO ASSIGN", "AVOID BUGGY IPS", "ADDRESSES"],
        ["pool", "true", "false", f'["198.19.{kubectl.number}.1-198.19.{kubectl.number}.9"]'],
    ]
    assert rows(kubectl.ok("get", "ns", kubectl.namespace))[1][:2] == [kubectl.namespace, "Active"]
    for kind in ("endpointslices", "leases", "events"):
        done = kubectl.run("get", kind)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"No resources found in {kubectl.namespace} namespace.\n"


def test_output_formats(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    assert kubectl.ok("get", "svc", "-o", "name") == "service/web\n"
    whole = json.loads(kubectl.ok("get", "svc", "web", "-o", "json"))
    assert (whole["kind"], whole["spec"]["ports"][0]["targetPort"]) == ("Service", 8080)
    listed = json.loads(kubectl.ok("get", "svc", "-o", "json"))
    assert (listed["kind"], listed["items"]) == ("List", [whole])
    assert "  name: web\n" in kubectl.ok("get", "svc", "web", "-o", "yaml")
    assert kubectl.ok("get", "svc", "web", "-o", "jsonpath={.spec.ports[0].name}") == "http"
    columns = kubectl.ok("get", "svc", "-o", "custom-columns=N:.metadata.name,T:.spec.type")
    assert rows(columns) == [["N", "T"], ["web", "NodePort"]]
    assert kubectl.ok("get", "svc", "--sort-by=.metadata.name", "-o", "name") == "service/web\n"


def test_selection(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    kubectl.ok("apply", "-f", "-", given=SERVICE.replace("name: web", "name: other").replace("app: web", "app: other"))
    assert kubectl.ok("get", "svc", "-l", "app=web", "-o", "name") == "service/web\n"
    assert kubectl.ok("get", "svc", "-l", "app in (other, more)", "-o", "name") == "service/other\n"
    assert kubectl.ok("get", "svc", "--field-selector", "metadata.name=other", "-o", "name") == "service/other\n"
    assert kubectl.ok("get", "svc", "-l", "app=web", "-L", "app", "--no-headers").split()[-1] == "web"
    everywhere = rows(kubectl.ok("get", "svc", "-A"))
    assert everywhere[0][0] == "NAMESPACE"
    assert {(row[0], row[1]) for row in everywhere[1:]} >= {("default", "kubernetes"), (kubectl.namespace, "web")}
    both = kubectl.ok("get", "all")
    assert "service/web" in both


def test_watch(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    watching = kubectl.start("get", "svc", "-w", "--output-watch-events")
    try:
        assert watching.stdout is not None
        assert [watching.stdout.readline().split()[:2] for _ in range(2)] == [["EVENT", "NAME"], ["ADDED", "web"]]
        kubectl.ok("create", "service", "clusterip", "late", "--tcp=81")
        kubectl.ok("label", "svc", "late", "a=b")
        kubectl.ok("delete", "svc", "late")
        events = [watching.stdout.readline().split()[:3] for _ in range(3)]
        assert events == [[each, "late", "ClusterIP"] for each in ("ADDED", "MODIFIED", "DELETED")]
    finally:
        watching.terminate()
        watching.communicate(timeout=COMMAND_SECONDS)


def test_describe_service(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    text = kubectl.ok("describe", "service", "web")
    facts = dict(re.split(r":\s+", line, maxsplit=1) for line in text.splitlines() if re.match(r"\w[\w ]*:\s+\S", line))
    assert (facts["Name"], facts["Namespace"], facts["Selector"]) == ("web", kubectl.namespace, "app=web")
    assert (facts["Type"], facts["IP Families"], facts["Port"]) == ("NodePort", "IPv4", "http  80/TCP")
    assert (facts["TargetPort"], facts["External Traffic Policy"]) == ("8080/TCP", "Cluster")


ENDPOINTS = """
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets:
  - {addresses: [{ip: 192.0.2.1}, {ip: 192.0.2.2}], ports: [{name: a, port: 80}, {name: b, port: 443}]}
"""


def test_endpoints(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=ENDPOINTS)
    shown = "192.0.2.1:80,192.0.2.2:80,192.0.2.1:443"
    assert rows(kubectl.ok("get", "ep"))[0] == ["NAME", "ENDPOINTS", "AGE"]
    assert rows(kubectl.ok("get", "endpoints", "web"))[1][:2] == ["web", f"{shown} + 1 more..."]
    assert "192.0.2.1,192.0.2.2" in kubectl.ok("describe", "endpoints", "web")
    patch = '{"subsets": [{"notReadyAddresses": [{"ip": "192.0.2.1"}]}]}'
    kubectl.ok("patch", "endpoints", "web", "--type=merge", "-p", patch)
    assert kubectl.ok("get", "ep", "web", "-o", "jsonpath={.subsets[0].notReadyAddresses[0].ip}") == "192.0.2.1"
    refused = kubectl.fails("patch", "ep", "web", "--type=merge", "-p", '{"subsets": [{"ports": [{"port": 80}]}]}')
    assert "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`" in refused
    kubectl.ok("delete", "ep", "web")


def test_describe_pod_and_node(kubectl: Kubectl) -> None:
    name = f"node-{kubectl.namespace}"
    kubectl.ok("apply", "-f", "-", given=POD)
    kubectl.ok("apply", "-f", "-", given=node(name))
    text = kubectl.ok("describe", "pod", "web-1")
    assert re.search(r"Name:\s+web-1\n", text)
    assert re.search(r"Image:\s+moorage/echo\n", text)
    assert re.search(r"Readiness:\s+http-get http://:8080/ready delay=0s timeout=1s period=1s", text)
    text = kubectl.ok("describe", "node", name)
    assert re.search(rf"Name:\s+{name}\n", text)
    assert re.search(r"PodCIDR:\s+10\.244\.1\.0/24\n", text)


def test_describe_shows_events(kubectl: Kubectl) -> None:
    kubectl.ok("apply", "-f", "-", given=SERVICE)
    uid = kubectl.ok("get", "svc", "web", "-o", "jsonpath={.metadata.uid}")
    event = f"""
apiVersion: v1
kind: Event
metadata: {{name: web.1}}
involvedObject: {{apiVersion: v1, kind: Service, name: web, namespace: {kubectl.namespace}, uid: {uid}}}
reason: NoPool
message: no pool matches
type: Warning
source: {{component: moorage-controller}}
firstTimestamp: "2026-01-01T00:00:00Z"
lastTimestamp: "2026-01-01T00:00:00Z"
count: 2
"""
    kubectl.ok("create", "-f", "-", given=event)
    assert re.search(r"Warning\s+NoPool\s+.*moorage-controller\s+no pool matches", kubectl.ok("describe", "svc", "web"))
    head, row = rows(kubectl.ok("get", "events"))
    assert head == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert row[1:] == ["Warning", "NoPool", "service/web", "no pool matches"]
    assert "NoPool" in kubectl.ok("events")


def test_discovery(kubectl: Kubectl) -> None:
    found = rows(kubectl.ok("api-resources", "--no-headers"))
    kinds = {row[-1] for row in found}
    assert kinds >= {"Namespace", "Node", "Pod", "Service", "EndpointSlice", "Event", "Lease", "IPAddressPool"}
    assert ["services", "svc", "v1", "true", "Service"] in found
    groups = set(kubectl.ok("api-versions").split())
    assert groups >= {"coordination.k8s.io/v1", "discovery.k8s.io/v1", "metallb.io/v1beta1", "v1"}
    assert "Server Version: v1.36.0+moorage" in kubectl.ok("version")
    assert kubectl.ok("get", "--raw", "/readyz") == "ok"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("service.spec.ports", r"targetPort\s+<"),
        ("pod.spec.containers", r"readinessProbe\s+<Probe>"),
        ("ipaddresspool.spec", r"autoAssign\s+<boolean>"),
    ],
)
def test_explain(kubectl: Kubectl, path: str, expected: str) -> None:
    assert re.search(expected, kubectl.ok("explain", path))
