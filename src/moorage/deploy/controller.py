"""The controllers: a Deployment of candidates of which one leads, with nothing but a connection to the API server."""

from __future__ import annotations

from moorage.deploy.common import (
    API_SERVER,
    CONFIG_CHECKSUM,
    CONFIG_DIRECTORY,
    CONFIGURATION,
    IMAGE,
    OVERFLOW_USER,
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
from moorage.deploy.rights import CONTROLLER
from moorage.deploy.tree import Block, Document, Hash, Noted, Ref, When
from moorage.model.wire import Tree

SERVICE_PORT = 443
"""Of the Service default/kubernetes. Some networks judge a packet before, some after its address is translated."""


def configuration() -> Tree:
    """The file that `moorage controller --config` reads. A Pod in a network of its own cannot ask the nodes' by ARP and NDP."""
    names = ("controllers", "loadBalancer", "healthPort")
    head = {"apiVersion": CONFIGURATION, "kind": "ControllerConfiguration"}
    fixed = {"probeAddresses": False, "leaderElect": True, "logFormat": "json"}
    return {**head, **{each: Ref(f"controller.{each}") for each in names}, **fixed}


def documents() -> list[Document]:
    name = account(CONTROLLER)
    meta = metadata(name, CONTROLLER)
    config = obj("v1", "ConfigMap", meta, data={"controller.yaml": Block(configuration())})
    template = {
        "metadata": {"labels": labels(CONTROLLER), "annotations": {CONFIG_CHECKSUM: Hash("controller")}},
        "spec": _pod(),
    }
    spec = {
        "replicas": Ref("controller.replicas"),
        "selector": {"matchLabels": selector(CONTROLLER)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}},
        "template": template,
    }
    budget = {"maxUnavailable": 1, "selector": {"matchLabels": selector(CONTROLLER)}}
    return [
        Document(CONTROLLER, config),
        Document(CONTROLLER, obj("apps/v1", "Deployment", meta, spec=spec)),
        Document(CONTROLLER, obj("policy/v1", "PodDisruptionBudget", meta, spec=budget)),
        Document(CONTROLLER, obj("networking.k8s.io/v1", "NetworkPolicy", meta, spec=_policy()), "controller.networkPolicy"),
    ]


def _pod() -> Tree:
    """The node's resolver is used, since cluster DNS may need what the controllers do."""
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(CONTROLLER)},
    }
    user = {"runAsNonRoot": True, "runAsUser": OVERFLOW_USER, "runAsGroup": OVERFLOW_USER, "fsGroup": OVERFLOW_USER}
    return {
        "dnsPolicy": "Default",
        "serviceAccountName": account(CONTROLLER),
        "enableServiceLinks": False,
        "priorityClassName": Ref("controller.priorityClassName"),
        "imagePullSecrets": When("image.pullSecrets", Ref("image.pullSecrets")),
        "nodeSelector": Ref("controller.nodeSelector"),
        "tolerations": Ref("controller.tolerations"),
        "topologySpreadConstraints": [spread],
        "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container()],
        "volumes": [{"name": "configuration", "configMap": {"name": account(CONTROLLER)}}, SCRATCH],
    }


def _container() -> Tree:
    return {
        "name": CONTROLLER,
        "image": IMAGE,
        "imagePullPolicy": Ref("image.pullPolicy"),
        "args": ["controller", "--config", f"{CONFIG_DIRECTORY}/controller.yaml"],
        "env": When("apiServer.host", list(API_SERVER)),
        "ports": [{"name": "health", "containerPort": Ref("controller.healthPort")}],
        "livenessProbe": probe("/livez", 10, 6),
        "readinessProbe": probe("/readyz", 5, 3),
        "resources": resources("controller"),
        "securityContext": {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "configuration", "mountPath": CONFIG_DIRECTORY, "readOnly": True}, SCRATCH_MOUNT],
    }


def _policy() -> Tree:
    """Where the API server is, no selector can say: so its ports are open to everywhere."""
    resolver = [{"port": 53, "protocol": each} for each in ("UDP", "TCP")]
    api = [{"port": each, "protocol": "TCP"} for each in (SERVICE_PORT, Ref("apiServer.port"))]
    return {
        "podSelector": {"matchLabels": selector(CONTROLLER)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [Noted("probes of the kubelet", {"ports": [{"port": Ref("controller.healthPort"), "protocol": "TCP"}]})],
        "egress": [
            Noted("the API server, by its Service or directly", {"ports": api}),
            Noted("its name, where it is given by one", {"ports": resolver}),
        ],
    }
