"""What several objects share: names, labels, the image, how a Pod reaches the API server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage.deploy.rights import SYSTEM
from moorage.deploy.tree import Ref, Text, When
from moorage.model.wire import Tree

CONFIGURATION = "moorage.dev/v1alpha1"
"""The version of the configuration files of the roles."""

CONFIG_DIRECTORY = "/etc/moorage"
CONFIG_CHECKSUM = "moorage.dev/configuration"
"""The annotation of Pods that changes with their configuration, so that a change rolls out."""

OVERFLOW_USER = 65532
"""The user of the image, where a role does not need root."""

IMAGE = Text((Ref("image.repository"), ":", Ref("image.tag")))


def account(role: str) -> str:
    """The name of a role's ServiceAccount, ClusterRole, workload and configuration."""
    return f"moorage-{role}"


def labels(role: str = "") -> dict[str, str]:
    """Source: Kubernetes "Recommended Labels"."""
    component = {"app.kubernetes.io/component": role} if role else {}
    return {"app.kubernetes.io/name": "moorage", **component, "app.kubernetes.io/part-of": "moorage"}


def selector(role: str) -> dict[str, str]:
    """Never changes: the selector of a workload is immutable."""
    return {"app.kubernetes.io/name": "moorage", "app.kubernetes.io/component": role}


def metadata(name: str, role: str = "", namespace: str = SYSTEM) -> Tree:
    """`namespace` is empty for what has none."""
    return {"name": name, **({"namespace": namespace} if namespace else {}), "labels": labels(role)}


def obj(api_version: str, kind: str, meta: Mapping[str, Any], **rest: Any) -> Tree:
    return {"apiVersion": api_version, "kind": kind, "metadata": dict(meta), **rest}


API_SERVER = (
    {"name": "KUBERNETES_SERVICE_HOST", "value": Ref("apiServer.host")},
    {"name": "KUBERNETES_SERVICE_PORT", "value": Text(("", Ref("apiServer.port")))},
)
"""In-cluster access takes the API server's address from these, which every Pod has; a value replaces them."""


SCRATCH = {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
"""The only place to write to: a client certificate is put there for the moment in which it is read."""
SCRATCH_MOUNT = {"name": "scratch", "mountPath": "/tmp"}  # noqa: S108  of the container


def probe(path: str, period: int, failures: int) -> Tree:
    """`period` in seconds."""
    return {"httpGet": {"path": path, "port": "health"}, "periodSeconds": period, "failureThreshold": failures}


def resources(role: str) -> Tree:
    """Of a container. An API server keeps no empty limits, and what it does not keep differs at each `kubectl apply`."""
    limits = f"{role}.resources.limits"
    return {"requests": Ref(f"{role}.resources.requests"), "limits": When(limits, Ref(limits))}
