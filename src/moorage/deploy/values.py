"""What an operator may set: the values of the manifests and of the chart, each with its key, its default and a sentence.

These types are the one source of `--set`, of value files, of the chart's `values.yaml` and `values.schema.json`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from moorage.model.wire import Tree

VERSION = "0.1.0"
"""Of the image and the chart: that of the package."""


def _camel(name: str) -> str:
    """`cluster_cidrs` -> `clusterCIDRs`, as the configuration of the roles spells it."""
    first, *others = name.split("_")
    return first + "".join("CIDRs" if each == "cidrs" else each.capitalize() for each in others)


class Group(msgspec.Struct, frozen=True, kw_only=True, rename=_camel, forbid_unknown_fields=True):
    """Values that belong together."""


Port = Annotated[int, Meta(ge=1, le=65535)]
Quantity = str | int
Quantities = dict[str, Quantity]


class Resources(Group, frozen=True, kw_only=True):
    """`resources` of a container."""

    requests: Annotated[Quantities, Meta(description="What the scheduler sets aside.")] = {}
    limits: Annotated[Quantities, Meta(description="What the container may use at most; a limit of memory ends it there.")] = {}


class Image(Group, frozen=True, kw_only=True):
    """Where the one image comes from: it is built from `Containerfile`."""

    repository: Annotated[str, Meta(description="Name without a tag. The default is what a local build is called.")] = (
        "localhost/moorage"
    )
    tag: Annotated[str, Meta(description="The version.", min_length=1)] = VERSION
    pull_policy: Annotated[Literal["Always", "IfNotPresent", "Never"], Meta(description="When nodes pull it.")] = "IfNotPresent"
    pull_secrets: Annotated[
        tuple[Tree, ...], Meta(description="Secrets of the namespace to pull it with, each as {name: NAME}.")
    ] = ()


class NamespaceValues(Group, frozen=True, kw_only=True):
    """The namespace `moorage-system`."""

    create: Annotated[
        bool,
        Meta(description="Whether the Namespace is among the objects; false for `helm install --create-namespace`."),
    ] = True


class ApiServer(Group, frozen=True, kw_only=True):
    """How Pods reach the API server."""

    host: Annotated[
        str,
        Meta(
            description="Address or name of the API server that works without Services; empty: the ClusterIP of "
            "default/kubernetes, which on a node without kube-proxy is there only once the agent has run. Set it before "
            "kube-proxy goes."
        ),
    ] = ""
    port: Annotated[Port, Meta(description="Its port, also where it is reached by the Service.")] = 6443


_TOLERATIONS = Meta(description="`tolerations` of the Pods.")
_SELECTOR = Meta(description="`nodeSelector` of the Pods.")
_PRIORITY = Meta(description="`priorityClassName` of the Pods.", min_length=1)
_RESOURCES = Meta(description="Requests and limits.")
_HEALTH = Meta(description="Port of the probes.")
_LINUX = {"kubernetes.io/os": "linux"}


class NodeValues(Group, frozen=True, kw_only=True):
    """The DaemonSet `moorage-node`. The first six are settings of `moorage node`."""

    cluster_cidrs: Annotated[
        tuple[str, ...],
        Meta(description="Pod networks, both families after one another; none: those that the Node objects carry."),
    ] = ()
    node_port_addresses: Annotated[
        tuple[str, ...],
        Meta(description="Prefixes of the node's addresses at which NodePorts are served, or primary: its InternalIPs."),
    ] = ("primary",)
    localhost_node_ports: Annotated[
        bool,
        Meta(
            description="Serve NodePorts on 127.0.0.0/8 too. The agent then gets /proc/sys/net/ipv4/conf of the node to write "
            "to, for route_localnet; where SELinux forbids that, they are not served there, which the agent says."
        ),
    ] = True
    metrics_bind_address: Annotated[
        str, Meta(description="ADDRESS:PORT of the node at which /metrics is served; empty: nowhere.")
    ] = "127.0.0.1:10249"
    dns_port: Annotated[
        int, Meta(description="Port of the node at which the agent serves cluster DNS; 0: it does not.", ge=0, le=65535)
    ] = 0
    bgp_passwords: Annotated[
        bool,
        Meta(description="May read Secrets of the namespace metallb-system, which has to be there: where BGPPeers name any."),
    ] = False
    beside_other_proxy: Annotated[
        bool, Meta(description="Start though kube-proxy's rules are in the kernel: only while moving from one to the other.")
    ] = False
    health_port: Annotated[Port, _HEALTH] = 10256
    resources: Annotated[Resources, _RESOURCES] = Resources(requests={"cpu": "100m", "memory": "200Mi"})
    priority_class_name: Annotated[str, _PRIORITY] = "system-node-critical"
    node_selector: Annotated[dict[str, str], _SELECTOR] = msgspec.field(default_factory=lambda: dict(_LINUX))
    tolerations: Annotated[tuple[Tree, ...], _TOLERATIONS] = ({"operator": "Exists"},)


class ControllerValues(Group, frozen=True, kw_only=True):
    """The Deployment `moorage-controller`. The first two are settings of `moorage controller`."""

    controllers: Annotated[
        tuple[str, ...],
        Meta(description="Controllers that run, as `moorage controller --controllers` has it; the cluster's own do the rest."),
    ] = ("broken-objects-controller", "load-balancer-controller", "announcements-controller")
    load_balancer: Annotated[
        Literal["announce", "edge", "none"],
        Meta(
            description="Who serves load-balancer addresses: the nodes, which announce them, or machines outside that run "
            "`moorage edge`; none: Services of type LoadBalancer stay pending."
        ),
    ] = "announce"
    replicas: Annotated[int, Meta(description="One leads, the others wait to.", ge=0)] = 2
    health_port: Annotated[Port, _HEALTH] = 10266
    resources: Annotated[Resources, _RESOURCES] = Resources(requests={"cpu": "50m", "memory": "300Mi"})
    priority_class_name: Annotated[str, _PRIORITY] = "system-cluster-critical"
    node_selector: Annotated[dict[str, str], _SELECTOR] = msgspec.field(default_factory=lambda: dict(_LINUX))
    tolerations: Annotated[tuple[Tree, ...], _TOLERATIONS] = (
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
    )
    network_policy: Annotated[
        bool, Meta(description="Nothing but probes in; nothing but the API server and name resolution out.")
    ] = True


class EdgeValues(Group, frozen=True, kw_only=True):
    """`moorage edge` runs outside of the cluster; what it needs inside is an account."""

    enabled: Annotated[bool, Meta(description="Make the ServiceAccount moorage-edge with its rights.")] = False


class Values(Group, frozen=True, kw_only=True):
    """All of them."""

    image: Annotated[Image, Meta(description="The image of all Pods.")] = Image()
    namespace: Annotated[NamespaceValues, Meta(description="The namespace moorage-system.")] = NamespaceValues()
    api_server: Annotated[ApiServer, Meta(description="How Pods reach the API server.")] = ApiServer()
    node: Annotated[NodeValues, Meta(description="The DaemonSet moorage-node, one agent on every node.")] = NodeValues()
    controller: Annotated[ControllerValues, Meta(description="The Deployment moorage-controller.")] = ControllerValues()
    edge: Annotated[EdgeValues, Meta(description="The account of load balancers outside of the cluster.")] = EdgeValues()


def as_tree(values: Group) -> Tree:
    """By key, with every default."""
    tree: Tree = msgspec.to_builtins(values)
    return tree


def description(annotation: Any) -> str:
    """The sentence of a field's annotation."""
    every = (each.description for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Meta))
    return next(filter(None, every), "")
