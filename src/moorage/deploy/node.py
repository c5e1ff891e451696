"""The node agent: a DaemonSet in the network of each node, with few capabilities and nothing to write to.

Root without capabilities is what the kernel asks for in files of /proc; NET_ADMIN is for nftables, connection tracking and
`route_localnet`, NET_RAW for answers to ARP and NDP, NET_BIND_SERVICE for DNS at a port below 1024.
"""

from __future__ import annotations

from moorage.deploy.common import (
    API_SERVER,
    CONFIG_CHECKSUM,
    CONFIG_DIRECTORY,
    CONFIGURATION,
    IMAGE,
    SCRATCH,
    SCRATCH_MOUNT,
    account,
    labels,
    metadata,
    obj,
    probe,
    resources,
    selector,
)
from moorage.deploy.rights import NODE
from moorage.deploy.tree import Block, Document, Hash, Noted, Ref, When
from moorage.model.wire import Tree

SYSCTLS = "/proc/sys/net/ipv4/conf"
"""What a node shares with its agent. In a container /proc/sys is read-only, and the kernel shows each process, through any
mount of it, the parameters of its own network namespace: that of the node.
"""
SYSCTLS_INSIDE = "/host/proc/sys/net/ipv4/conf"


def configuration() -> Tree:
    """The file that `moorage node --config` reads."""
    names = (
        "clusterCIDRs",
        "nodePortAddresses",
        "localhostNodePorts",
        "metricsBindAddress",
        "dnsPort",
        "besideOtherProxy",
        "healthPort",
    )
    head = {"apiVersion": CONFIGURATION, "kind": "NodeConfiguration"}
    return {**head, **{each: Ref(f"node.{each}") for each in names}, "logFormat": "json"}


def documents() -> list[Document]:
    name = account(NODE)
    config = obj("v1", "ConfigMap", metadata(name, NODE), data={"node.yaml": Block(configuration())})
    template = {"metadata": {"labels": labels(NODE), "annotations": {CONFIG_CHECKSUM: Hash("node")}}, "spec": _pod()}
    spec = {
        "selector": {"matchLabels": selector(NODE)},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        "template": template,
    }
    return [Document(NODE, config), Document(NODE, obj("apps/v1", "DaemonSet", metadata(name, NODE), spec=spec))]


def _pod() -> Tree:
    """The node's resolver is used, since cluster DNS needs what the agent does."""
    sysctls = {"name": "sysctls", "hostPath": {"path": SYSCTLS, "type": "Directory"}}
    return {
        "hostNetwork": True,
        "dnsPolicy": "Default",
        "serviceAccountName": account(NODE),
        "enableServiceLinks": False,
        "priorityClassName": Ref("node.priorityClassName"),
        "imagePullSecrets": When("image.pullSecrets", Ref("image.pullSecrets")),
        "nodeSelector": Ref("node.nodeSelector"),
        "tolerations": Ref("node.tolerations"),
        "terminationGracePeriodSeconds": 30,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container()],
        "volumes": [
            {"name": "configuration", "configMap": {"name": account(NODE)}},
            SCRATCH,
            When("node.localhostNodePorts", sysctls),
        ],
    }


def _container() -> Tree:
    """Before its first table an agent waits for the API server, and a restart would not help: so it may take an hour to start.
    Each Pod of an update is ready when its node's kernel holds the table, and only then comes the next.
    """
    sysctls = {"name": "sysctls", "mountPath": SYSCTLS_INSIDE}
    field = {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}
    return {
        "name": NODE,
        "image": IMAGE,
        "imagePullPolicy": Ref("image.pullPolicy"),
        "args": ["node", "--config", f"{CONFIG_DIRECTORY}/node.yaml"],
        "env": [{"name": "NODE_NAME", "valueFrom": field}, *(When("apiServer.host", each) for each in API_SERVER)],
        "ports": [{"name": "health", "containerPort": Ref("node.healthPort"), "hostPort": Ref("node.healthPort")}],
        "startupProbe": probe("/livez", 2, 1800),
        "livenessProbe": probe("/livez", 10, 12),
        "readinessProbe": probe("/livez", 5, 3),
        "resources": resources("node"),
        "securityContext": _security(),
        "volumeMounts": [
            {"name": "configuration", "mountPath": CONFIG_DIRECTORY, "readOnly": True},
            SCRATCH_MOUNT,
            When("node.localhostNodePorts", sysctls),
        ],
    }


def _security() -> Tree:
    return {
        "runAsUser": 0,
        "runAsGroup": 0,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {
            "drop": ["ALL"],
            "add": [
                Noted("nftables, connection tracking, route_localnet", "NET_ADMIN"),
                Noted("ARP and NDP: raw sockets", "NET_RAW"),
                When("node.dnsPort", Noted("cluster DNS at a port below 1024", "NET_BIND_SERVICE")),
            ],
        },
    }
