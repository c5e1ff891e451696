"""One manifest of each kind that is served, as small as its rules allow. A kind that is not named needs nothing but a name."""

from __future__ import annotations

from typing import Any

from moorage.model.kinds import Kind

Manifest = dict[str, Any]

_PORTS = [{"name": "http", "port": 80, "targetPort": 8080}]
_BACKEND = {"service": {"name": "web", "port": {"number": 80}}}

_CONTENT: dict[str, Manifest] = {
    "pods": {"spec": {"containers": [{"name": "web", "image": "moorage/echo"}]}},
    "services": {"spec": {"selector": {"app": "web"}, "ports": _PORTS}},
    "endpoints": {"subsets": [{"addresses": [{"ip": "10.244.9.9"}], "ports": [{"name": "http", "port": 8080}]}]},
    "endpointslices.discovery.k8s.io": {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.9.9"]}],
        "ports": [{"name": "http", "port": 8080}],
    },
    "leases.coordination.k8s.io": {"spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 10}},
    "configmaps": {"data": {"colour": "blue"}},
    "secrets": {"stringData": {"colour": "blue"}},
    "ingresses.networking.k8s.io": {"spec": {"defaultBackend": _BACKEND}},
    "ingressclasses.networking.k8s.io": {"spec": {"controller": "example.com/none"}},
    "bgppeers.metallb.io": {"spec": {"myASN": 64512, "peerASN": 64513, "peerAddress": "198.18.0.1"}},
}


def name(kind: Kind, number: int) -> str:
    """Names of some kinds are values: they, too, differ from number to number."""
    return f"198.18.{number}.1" if kind.plural == "ipaddresses" else f"sample-{number}"


def manifest(kind: Kind, number: int, namespace: str) -> Manifest:
    """`number` below 200 makes it another one than those of other tests."""
    metadata: Manifest = {"name": name(kind, number), "labels": {"made-by": "samples"}}
    if kind.namespaced:
        metadata["namespace"] = namespace
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **_content(kind, number, namespace)}


def _content(kind: Kind, number: int, namespace: str) -> Manifest:
    if kind.plural == "events":
        about = {"kind": "Pod", "namespace": namespace, "name": "web"}
        if kind.group:
            said = {"reportingController": "example.com/none", "reportingInstance": "none-1", "action": "Testing"}
            times = {"eventTime": "2026-01-01T00:00:00.000000Z"}
            return {"regarding": about, "reason": "Tested", "note": "a test", "type": "Normal", **said, **times}
        return {"involvedObject": about, "reason": "Tested", "message": "a test", "type": "Normal"}
    if kind.plural == "ipaddresspools":
        return {"spec": {"addresses": [f"198.19.{number}.1-198.19.{number}.9"]}}
    if kind.plural == "servicecidrs":
        return {"spec": {"cidrs": [f"10.{number}.0.0/24"]}}
    if kind.plural == "ipaddresses":
        return {"spec": {"parentRef": {"resource": "services", "namespace": namespace, "name": "web"}}}
    return _CONTENT.get(kind.resource, {})
