"""ServiceCIDR and IPAddress as people use them (KEP-1880)."""

from __future__ import annotations

from tests.kubectl.conftest import Kubectl

RANGE = """
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: NAME}
spec: {cidrs: [198.18.NUMBER.0/29]}
"""


def test_a_range_is_added_used_and_removed(kubectl: Kubectl) -> None:
    name, third = f"more-{kubectl.number}", str(kubectl.number % 256)
    address = f"198.18.{third}.1"
    kubectl.ok("apply", "-f", "-", given=RANGE.replace("NAME", name).replace("NUMBER", third))
    assert kubectl.ok("get", "servicecidr", name).split()[:5] == ["NAME", "CIDRS", "AGE", name, f"198.18.{third}.0/29"]
    kubectl.ok("wait", "--for=condition=Ready", "servicecidr", name, "--timeout=5s")
    kubectl.ok("create", "service", "clusterip", "web", "--tcp=80:80", f"--clusterip={address}")
    shown = kubectl.ok("get", "ip", address).split()
    assert shown == ["NAME", "PARENTREF", address, f"services/{kubectl.namespace}/web"]
    kubectl.ok("delete", "servicecidr", name, "--wait=false")
    reason = 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}'
    assert kubectl.ok("get", "servicecidr", name, "-o", reason) == "Terminating"
    kubectl.ok("delete", "service", "web")
    assert kubectl.ok("get", "servicecidr", name, "--ignore-not-found") == ""
    assert kubectl.ok("get", "ip", address, "--ignore-not-found") == ""


def test_the_default_range_is_there(kubectl: Kubectl) -> None:
    assert kubectl.ok("get", "servicecidr", "kubernetes", "-o", "jsonpath={.spec.cidrs[0]}") == "10.96.0.0/16"
    assert "services/default/kubernetes" in kubectl.ok("get", "ipaddresses", "10.96.0.1")
    message = "jsonpath={.status.conditions[0].message}"
    assert kubectl.ok("get", "servicecidr", "kubernetes", "-o", message) == "Kubernetes Service CIDR is ready"


def test_warnings_are_shown(kubectl: Kubectl) -> None:
    spec = '{"spec": {"externalIPs": ["2001:DB8::1"]}}'
    kubectl.ok("create", "service", "clusterip", "web", "--tcp=80:80")
    done = kubectl.run("patch", "service", "web", "-p", spec)
    assert done.returncode == 0
    assert 'Warning: spec.externalIPs[0]: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format' in done.stderr
