"""Pods, Nodes and ConfigMaps of a cluster -> who forwards Services and who brings load-balancer addresses there today.

Sources: the manifests of kubeadm (`k8s-app=kube-proxy`), MetalLB, Cilium, kube-router, kube-vip, PureLB, and k3s, which runs
kube-proxy inside of its own process and makes Pods `svclb-*` for each LoadBalancer Service.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from moorage.manifest.read import read_documents
from moorage.model.cluster import Node
from moorage.model.config import ConfigMap
from moorage.model.errors import UserError
from moorage.model.meta import Key
from moorage.model.pods import Pod
from moorage.model.snapshot import Snapshot
from moorage.model.wire import Tree


class Does(enum.Enum):
    """What a component does that Moorage does too."""

    PROXY = "forwards Services"
    LOAD_BALANCER = "brings load-balancer addresses"


class Known(msgspec.Struct, frozen=True):
    """A component as its Pods show it: all of `labels`. `remedy` says how it is taken away."""

    name: str
    does: Does
    labels: Mapping[str, str]
    remedy: str


KNOWN = (
    Known("kube-proxy", Does.PROXY, {"k8s-app": "kube-proxy"}, "kubectl -n {namespace} delete daemonset kube-proxy"),
    Known("kube-router", Does.PROXY, {"k8s-app": "kube-router"}, "run kube-router with --run-service-proxy=false"),
    Known("Cilium", Does.PROXY, {"k8s-app": "cilium"}, "set kubeProxyReplacement=false in Cilium's configuration"),
    Known("MetalLB", Does.LOAD_BALANCER, {"app": "metallb"}, "see the steps"),
    Known("MetalLB", Does.LOAD_BALANCER, {"app.kubernetes.io/name": "metallb"}, "see the steps"),
    Known("kube-vip", Does.LOAD_BALANCER, {"app.kubernetes.io/name": "kube-vip-ds"}, "set svc_enable=false for kube-vip"),
    Known("PureLB", Does.LOAD_BALANCER, {"app": "purelb"}, "kubectl delete namespace {namespace}"),
)
SERVICELB_LABEL = "svccontroller.k3s.cattle.io/svcname"
"""Of the Pods that k3s' ServiceLB makes."""


class Component(msgspec.Struct, frozen=True):
    """`nodes` are where its Pods run. `mode` is kube-proxy's (`iptables` where nothing is said), else empty."""

    name: str
    does: Does
    namespace: str
    nodes: tuple[str, ...]
    image: str
    remedy: str
    mode: str = ""
    settings: Mapping[str, str] = {}


def installed(snapshot: Snapshot) -> tuple[Component, ...]:
    """In the order of KNOWN, then k3s' own parts. Cilium counts as a proxy only where it replaces kube-proxy."""
    found = []
    for known in KNOWN:
        pods = [each for each in snapshot.all(Pod).values() if known.labels.items() <= each.metadata.labels.items()]
        if pods and (known.name != "Cilium" or _replaces_kube_proxy(snapshot)):
            found.append(_component(known, pods, snapshot))
    return (*found, *_of_k3s(snapshot))


def _component(known: Known, pods: list[Pod], snapshot: Snapshot) -> Component:
    namespace = pods[0].metadata.namespace
    nodes = tuple(sorted({each.spec.node_name for each in pods if each.spec.node_name}))
    image = next((one.image for each in pods for one in each.spec.containers), "")
    remedy = known.remedy.format(namespace=namespace)
    if known.name != "kube-proxy":
        return Component(known.name, known.does, namespace, nodes, image, remedy)
    settings = kube_proxy_settings(snapshot.get(ConfigMap, Key(namespace, "kube-proxy")))
    mode = settings.get("mode") or "iptables"
    return Component(known.name, known.does, namespace, nodes, image, remedy, mode, settings)


def kube_proxy_settings(config: ConfigMap | None) -> Mapping[str, str]:
    """`mode`, `clusterCIDR` and `nodePortAddresses` (with commas) as kubeadm writes them; nothing where it cannot be read."""
    try:
        documents = read_documents(config.data.get("config.conf", "")) if config is not None else []
    except UserError:
        return {}
    tree: Tree = documents[0].tree if documents else {}
    addresses = tree.get("nodePortAddresses") or []
    found = {
        "mode": tree.get("mode"),
        "clusterCIDR": tree.get("clusterCIDR"),
        "nodePortAddresses": ",".join(map(str, addresses)) if isinstance(addresses, list) else "",
    }
    return {name: str(value) for name, value in found.items() if value}


def _of_k3s(snapshot: Snapshot) -> Iterator[Component]:
    nodes = tuple(sorted(each.metadata.name for each in _k3s_nodes(snapshot.all(Node).values())))
    if nodes:
        remedy = "start each k3s server and agent with --disable-kube-proxy (servers: also --disable=servicelb)"
        yield Component("kube-proxy in k3s", Does.PROXY, "", nodes, "", remedy, "iptables")
    pods = [each for each in snapshot.all(Pod).values() if SERVICELB_LABEL in each.metadata.labels]
    if pods:
        where = tuple(sorted({each.spec.node_name for each in pods if each.spec.node_name}))
        remedy = "start each k3s server with --disable=servicelb"
        yield Component("ServiceLB of k3s", Does.LOAD_BALANCER, pods[0].metadata.namespace, where, "", remedy)


def _k3s_nodes(nodes: Iterable[Node]) -> Iterator[Node]:
    """k3s says so in the version; whether its kube-proxy was disabled, the API does not tell."""
    return (each for each in nodes if "+k3s" in each.status.node_info.kubelet_version)


def _replaces_kube_proxy(snapshot: Snapshot) -> bool:
    for (_, name), each in snapshot.all(ConfigMap).items():
        if name == "cilium-config":
            return each.data.get("kube-proxy-replacement", "false") in ("true", "strict", "partial")
    return False
