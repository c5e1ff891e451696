"""What each role asks of the API, and why: the one source of the ClusterRoles and Roles that are shipped.

A role may do what is written here and nothing else. A request that no row allows is a fault of the role or of this table.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.model.cluster import SYSTEM_NAMESPACE
from moorage.model.metallb import METALLB_NAMESPACE

SYSTEM = SYSTEM_NAMESPACE
"""The namespace of everything that is installed."""

NODE, CONTROLLER, EDGE = "node", "controller", "edge"

FOLLOW = ("list", "watch")
"""A kind that a mirror follows: it is listed once, then watched."""


class Right(msgspec.Struct, frozen=True):
    """`resources` are plurals of `group`, with their subresource where it is one (`services/status`). `why` is a sentence.

    `names` narrow it to single objects, `namespace` to one namespace. `only` is the one object that is meant where RBAC cannot
    be told: the name of a new object is no part of the request, and `{node}` and `{edge}` stand for the role's own. `when` is
    the path of a value of `values.py` without which the role does not ask.
    """

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ()
    namespace: str = ""
    only: str = ""
    when: str = ""


_SERVICES = Right("", ("services",), FOLLOW, "the Services whose addresses the kernel is to serve")
_SLICES = Right("discovery.k8s.io", ("endpointslices",), FOLLOW, "the endpoints behind them")
_DNS = "kube-dns-{node}"
_SAYS = "a Lease of its own says which endpoints the kernel holds, so that Pods can wait to be withdrawn"
_CLEANER = "moorage-announcements-controller"
_L2_STATUS = "l2-0123456789abcdef.{node}"


def _speaker(role: str) -> tuple[Right, ...]:
    """What nodes and edges need to share load-balancer addresses among themselves, each with its own kind."""
    own, view = f"announce-{role}-{{{role}}}", f"announce-view-{role}"
    leases = ("coordination.k8s.io", ("leases",))
    return (
        Right("", ("events",), ("create", "get", "patch"), "events say what is wrong; one that comes again is counted"),
        Right(*leases, FOLLOW, f"which other {role}s announce, and who of them votes", namespace=SYSTEM),
        Right(
            *leases,
            ("create",),
            f"{'an' if role == EDGE else 'a'} {role} that may announce addresses says that it is there",
            only=own,
            namespace=SYSTEM,
        ),
        Right(
            *leases,
            ("update",),
            f"and goes on saying it; RBAC cannot say that only the Lease of the agent's own {role} is meant",
            only=own,
            namespace=SYSTEM,
        ),
        Right(*leases, ("create",), f"the first {role} writes down who votes", only=view, namespace=SYSTEM),
        Right(
            *leases,
            ("get", "update"),
            f"any {role} writes the next list of voters, if nobody was faster",
            names=(view,),
            namespace=SYSTEM,
        ),
    )


RIGHTS: Mapping[str, tuple[Right, ...]] = {
    NODE: (
        _SERVICES,
        _SLICES,
        Right("", ("nodes",), FOLLOW, "addresses, Pod networks and zones of the nodes, and which of them are going away"),
        Right(
            "",
            ("namespaces",),
            FOLLOW,
            "which names DNS answers: a namespace without Services exists too",
            when="node.dnsPort",
        ),
        Right(
            "networking.k8s.io",
            ("servicecidrs",),
            FOLLOW,
            "the ranges of ClusterIPs: what is addressed to a free one is refused at once (from Kubernetes 1.33)",
        ),
        Right(
            "discovery.k8s.io",
            ("endpointslices",),
            ("create",),
            "the agent's own DNS server becomes an endpoint of the cluster DNS Service",
            only=_DNS,
            namespace="kube-system",
            when="node.dnsPort",
        ),
        Right(
            "discovery.k8s.io",
            ("endpointslices",),
            ("update",),
            "and is kept as it should be; RBAC cannot say that only the slice of the agent's own node is meant",
            only=_DNS,
            namespace="kube-system",
            when="node.dnsPort",
        ),
        Right("coordination.k8s.io", ("leases",), ("create", "patch"), _SAYS, only="applied-node-{node}", namespace=SYSTEM),
        Right(
            "metallb.io",
            ("ipaddresspools", "l2advertisements", "bgppeers", "bgpadvertisements", "communities", "bfdprofiles"),
            FOLLOW,
            "which load-balancer addresses the node announces, on its networks and to which routers",
        ),
        *_speaker(NODE),
        Right("metallb.io", ("servicel2statuses",), ("list",), "what the node has said of its announcements", namespace=SYSTEM),
        Right(
            "metallb.io",
            ("servicel2statuses",),
            ("create", "delete"),
            "which Services the node announces by ARP and NDP; RBAC cannot say that only the node's own are meant",
            only=_L2_STATUS,
            namespace=SYSTEM,
        ),
        Right("metallb.io", ("servicel2statuses/status",), ("patch",), "the same", only=_L2_STATUS, namespace=SYSTEM),
        Right("metallb.io", ("servicebgpstatuses",), ("list",), "what the node has said of its announcements"),
        Right(
            "metallb.io",
            ("servicebgpstatuses",),
            ("create", "delete"),
            "to which routers a node announces a Service; RBAC cannot say that only the node's own are meant",
            only="bgp-{node}-0123456789",
        ),
        Right("metallb.io", ("servicebgpstatuses/status",), ("patch",), "the same", only="bgp-{node}-0123456789"),
        Right(
            "",
            ("secrets",),
            ("get",),
            "the passwords of BGP sessions, each by the name that a BGPPeer has",
            namespace=METALLB_NAMESPACE,
            when="node.bgpPasswords",
        ),
    ),
    CONTROLLER: (
        Right("", ("services",), FOLLOW, "Services of type LoadBalancer want an address; what is broken in any is said"),
        Right("discovery.k8s.io", ("endpointslices",), FOLLOW, "what is broken in the endpoints of a Service is said"),
        Right("", ("namespaces",), FOLLOW, "a pool may be for the Services of some namespaces, chosen by their labels"),
        Right("metallb.io", ("ipaddresspools",), FOLLOW, "where load-balancer addresses come from"),
        Right("metallb.io", ("ipaddresspools",), ("patch",), "which addresses a pool keeps for Services that are gone"),
        Right("", ("pods", "nodes"), FOLLOW, "which Pods are going away, and who forwards to them"),
        Right("", ("pods/status",), ("patch",), "the condition that says that nobody forwards to a Pod any more"),
        Right(
            "",
            ("services/status",),
            ("patch",),
            "the address, and the finalizer that has it withdrawn before the Service goes (KEP-980)",
        ),
        Right("metallb.io", ("ipaddresspools/status",), ("patch",), "how many addresses of a pool are assigned and free"),
        Right("", ("events",), ("create", "get", "patch"), "events say why; one that comes again is counted"),
        Right("coordination.k8s.io", ("leases",), FOLLOW, "which endpoints each node and edge has taken out of its kernel"),
        Right(
            "coordination.k8s.io",
            ("leases",),
            ("create",),
            "leader election: the first candidate makes the Lease",
            only="moorage-controller",
            namespace=SYSTEM,
        ),
        Right(
            "coordination.k8s.io",
            ("leases",),
            ("get", "update"),
            "leader election: candidates look, the leader renews",
            names=("moorage-controller",),
            namespace=SYSTEM,
        ),
        Right(
            "coordination.k8s.io",
            ("leases",),
            ("create",),
            "a Lease of its own tells the controller that it hears the others, before it takes one for silent",
            only=_CLEANER,
            namespace=SYSTEM,
        ),
        Right("coordination.k8s.io", ("leases",), ("patch",), "and is renewed", names=(_CLEANER,), namespace=SYSTEM),
        Right(
            "coordination.k8s.io",
            ("leases",),
            ("delete",),
            "Leases of nodes and edges that are gone for good are taken away",
            namespace=SYSTEM,
        ),
        Right("metallb.io", ("servicel2statuses",), FOLLOW, "which nodes say that they announce a Service", namespace=SYSTEM),
        Right("metallb.io", ("servicebgpstatuses",), FOLLOW, "the same of routers"),
        Right(
            "metallb.io", ("servicel2statuses",), ("delete",), "what a node has said that announces no more", namespace=SYSTEM
        ),
        Right("metallb.io", ("servicebgpstatuses",), ("delete",), "the same; they are in the namespaces of BGPPeers"),
    ),
    EDGE: (
        _SERVICES,
        _SLICES,
        Right("", ("nodes",), FOLLOW, "the nodes whose NodePorts are the backends of a load-balancer address"),
        Right(
            "coordination.k8s.io",
            ("leases",),
            ("create", "patch", "delete"),
            _SAYS,
            only="applied-edge-{edge}",
            namespace=SYSTEM,
        ),
        *_speaker(EDGE),
    ),
}
"""Role -> its rights, in the order in which they are printed."""
