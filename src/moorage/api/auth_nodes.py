"""What belongs to a node or an edge: conditions of the table of roles, and what it may write into the objects that it creates.

Source: upstream's node authorizer (`plugin/pkg/auth/authorizer/node`) and the NodeRestriction admission plugin.
"""

from __future__ import annotations

from collections.abc import Callable

from moorage.api.auth import User
from moorage.api.auth_asks import Ask, not_admitted
from moorage.model import announcing
from moorage.model.cluster import NODE_LEASE_NAMESPACE, SYSTEM_NAMESPACE
from moorage.model.meta import Key
from moorage.model.metallb import METALLB_NAMESPACE
from moorage.model.slices import SERVICE_NAME_LABEL
from moorage.model.wire import Tree
from moorage.model.withdrawal import EDGE, NODE, applied_lease_key

NodeOf = Callable[[Key], str | None]
"""Pod -> the node that it is bound to; empty where it is bound to none, None where there is no such Pod."""

Condition = Callable[[User, Ask, NodeOf], bool]
"""Whether a rule holds for this request."""

DNS_NAMESPACE, DNS_SERVICE = "kube-system", "kube-dns"
"""The Service that every node agent offers its own DNS server to."""

ANNOUNCEMENT_NAMESPACES = (METALLB_NAMESPACE, SYSTEM_NAMESPACE)
"""Where nodes may read the passwords of BGP sessions. A speaker of MetalLB reads those of its own namespace."""
CREATE = "create"
_READ = ("get", "list", "watch")


def always(user: User, ask: Ask, node_of: NodeOf) -> bool:
    return True


def own_node(user: User, ask: Ask, node_of: NodeOf) -> bool:
    """A name that only the body tells is judged by `check_body`."""
    return _is_named(ask, user.node)


def own_lease(user: User, ask: Ask, node_of: NodeOf) -> bool:
    name = _lease_name(user, ask.namespace)
    return bool(name) and _is_named(ask, name)


def _lease_name(user: User, namespace: str) -> str:
    """What the user's Lease in a namespace is called; empty where it has none. A kubelet's tells that the node lives, an
    agent's what its kernel holds.
    """
    if namespace == NODE_LEASE_NAMESPACE:
        return user.node
    if namespace != SYSTEM_NAMESPACE:
        return ""
    return applied_lease_key(*((NODE, user.node) if user.node else (EDGE, user.edge))).name


def _announce_leases(user: User) -> tuple[str, str]:
    """That it announces, and who votes: any node, or edge, writes that one, each time with the version it has seen."""
    group, name = (announcing.NODES, user.node) if user.node else (announcing.EDGES, user.edge)
    return group.lease(name).name, group.view.name


def _system_leases(user: User) -> tuple[str, ...]:
    """What a node or an edge may write in the namespace of our own: what its kernel holds, and to announce."""
    return (_lease_name(user, SYSTEM_NAMESPACE), *_announce_leases(user))


def system_leases(user: User, ask: Ask, node_of: NodeOf) -> bool:
    return ask.namespace == SYSTEM_NAMESPACE


def announce_leases(user: User, ask: Ask, node_of: NodeOf) -> bool:
    return ask.namespace == SYSTEM_NAMESPACE and any(_is_named(ask, each) for each in _announce_leases(user))


def own_l2_status(user: User, ask: Ask, node_of: NodeOf) -> bool:
    """Their names end in the node's own after the first dot."""
    own = ask.name.partition(".")[2] == user.node or (ask.verb in (CREATE, *_READ) and not ask.name)
    return ask.namespace == SYSTEM_NAMESPACE and own


def own_dns_slice(user: User, ask: Ask, node_of: NodeOf) -> bool:
    return ask.namespace == DNS_NAMESPACE and _is_named(ask, f"{DNS_SERVICE}-{user.node}")


def announcement_secret(user: User, ask: Ask, node_of: NodeOf) -> bool:
    """One Secret by its name, in a namespace of announcements."""
    return ask.namespace in ANNOUNCEMENT_NAMESPACES and bool(ask.name)


def own_bgp_status(user: User, ask: Ask, node_of: NodeOf) -> bool:
    """`bgp-NODE-` and ten hexadecimal digits; a name that only the body tells is judged by `check_body`."""
    return _is_bgp_status(ask.name, user.node) or (ask.verb == CREATE and not ask.name)


def _is_bgp_status(name: str, node: str) -> bool:
    return bool(node) and announcing.bgp_status_node(name) == node


def own_pods(user: User, ask: Ask, node_of: NodeOf) -> bool:
    """A Pod that is bound to the node, or a collection that is narrowed to those by `spec.nodeName`.

    A Pod that does not exist is nobody else's: the answer is then 404, as upstream's.
    """
    if not ask.name:
        return f"spec.nodeName={user.node}" in ask.fields.replace("==", "=").split(",")
    return node_of(Key(ask.namespace, ask.name)) in (user.node, None)


def _is_named(ask: Ask, name: str) -> bool:
    return ask.name == name or (ask.verb == CREATE and not ask.name)


def check_body(user: User, ask: Ask, tree: Tree) -> None:
    """What a node or an edge creates or replaces must be its own by name and content. Raises ApiError 403."""
    node = user.node
    if ask.subresource:
        return
    if ask.full == "nodes":
        _check_name(ask, tree, node, f'node "{node}" is not allowed to modify node "{_name(tree)}"')
    elif ask.full == "leases.coordination.k8s.io" and ask.namespace == SYSTEM_NAMESPACE:
        if (ask.name or _name(tree)) not in _system_leases(user):
            raise not_admitted(
                ask, _name(tree), f'"{node or user.edge}" may write only its own Leases: {", ".join(_system_leases(user))}'
            )
    elif ask.full == "servicel2statuses.metallb.io":
        if (ask.name or _name(tree)).partition(".")[2] != node:
            raise not_admitted(ask, _name(tree), f'the name must end in ".{node}"')
    elif ask.full == "leases.coordination.k8s.io":
        _check_name(ask, tree, node, "can only access node lease with the same name as the requesting node")
    elif ask.full == "servicebgpstatuses.metallb.io":
        if not _is_bgp_status(ask.name or _name(tree), node):
            raise not_admitted(ask, _name(tree), f'node "{node}" may write only what is named bgp-{node}-')
    elif ask.full == "endpointslices.discovery.k8s.io":
        _check_name(ask, tree, f"{DNS_SERVICE}-{node}", f'node "{node}" may write only its own slice of {DNS_SERVICE}')
        if problem := _foreign_endpoint(tree, node):
            raise not_admitted(ask, _name(tree), problem)


def _check_name(ask: Ask, tree: Tree, wanted: str, why: str) -> None:
    if (ask.name or _name(tree)) != wanted:
        raise not_admitted(ask, _name(tree), why)


def _name(tree: Tree) -> str:
    metadata = tree.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _foreign_endpoint(tree: Tree, node: str) -> str:
    """What a slice claims beyond "this node answers DNS", or nothing. A body of another shape is refused by its type later."""
    metadata, endpoints = tree.get("metadata"), tree.get("endpoints")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if not isinstance(labels, dict) or labels.get(SERVICE_NAME_LABEL) != DNS_SERVICE:
        return f"its label {SERVICE_NAME_LABEL} must be {DNS_SERVICE}"
    for each in endpoints if isinstance(endpoints, list) else []:
        if isinstance(each, dict) and each.get("nodeName") != node:
            return f'endpoints of node "{node}" must have its name as nodeName'
    return ""
