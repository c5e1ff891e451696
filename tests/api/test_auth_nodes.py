"""What a node may write into objects whose name only the body tells. Source: upstream's NodeRestriction admission plugin."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.api.auth import EDGES, NODES, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_nodes import check_body
from moorage.model.cluster import Node, NodeAddress, NodeStatus
from moorage.model.errors import ApiError
from moorage.model.meta import ObjectMeta
from moorage.run.local_dns import DNS_NAMESPACE, DNS_SERVICE, dns_slice

NODE = User("system:node:node-1", (NODES,))
EDGE = User("moorage:edge:edge-1", (EDGES,))
A_NODE = Ask("create", "nodes")
A_LEASE = Ask("create", "leases", "coordination.k8s.io", namespace="kube-node-lease")
A_SYSTEM_LEASE = Ask("create", "leases", "coordination.k8s.io", namespace="moorage-system")
A_STATUS = Ask("create", "servicebgpstatuses", "metallb.io", namespace="metallb-system")
AN_L2_STATUS = Ask("create", "servicel2statuses", "metallb.io", namespace="moorage-system")
A_SLICE = Ask("create", "endpointslices", "discovery.k8s.io", namespace="kube-system")


def slice_(name: str = "kube-dns-node-1", service: str = "kube-dns", **endpoint: str) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service}
    return {"metadata": {"name": name, "labels": labels}, "endpoints": [{"nodeName": "node-1", **endpoint}]}


@pytest.mark.parametrize(
    ("ask", "tree"),
    [
        (A_NODE, {"metadata": {"name": "node-1"}}),
        (A_LEASE, {"metadata": {"name": "node-1"}}),
        (A_SYSTEM_LEASE, {"metadata": {"name": "applied-node-node-1"}}),
        (A_SYSTEM_LEASE, {"metadata": {"name": "announce-node-node-1"}}),
        (A_SYSTEM_LEASE, {"metadata": {"name": "announce-view-node"}}),
        (AN_L2_STATUS, {"metadata": {"name": "l2-0a.node-1"}}),
        (A_SLICE, slice_()),
        (A_STATUS, {"metadata": {"name": "bgp-node-1-0123456789"}}),
        (Ask("update", "nodes", name="node-1"), {}),
        (Ask("update", "nodes", subresource="status", name="node-1"), {"metadata": {"name": "node-1"}}),
        (Ask("create", "events", namespace="default"), {"metadata": {"name": "anything"}}),
    ],
)
def test_what_is_its_own(ask: Ask, tree: dict[str, Any]) -> None:
    check_body(NODE, ask, tree)


@pytest.mark.parametrize(
    ("ask", "tree", "message"),
    [
        (
            A_NODE,
            {"metadata": {"name": "node-2"}},
            'nodes "node-2" is forbidden: node "node-1" is not allowed to modify node "node-2"',
        ),
        (A_NODE, {"metadata": {"generateName": "node-1"}}, 'nodes "" is forbidden'),
        (A_NODE, {"metadata": [1]}, 'nodes "" is forbidden'),
        (A_LEASE, {"metadata": {"name": "node-2"}}, "can only access node lease with the same name as the requesting node"),
        (A_SYSTEM_LEASE, {"metadata": {"name": "node-1"}}, 'leases.coordination.k8s.io "node-1" is forbidden'),
        (A_SYSTEM_LEASE, {"metadata": {"name": "applied-node-node-2"}}, "is forbidden"),
        (A_STATUS, {"metadata": {"name": "bgp-node-2-0123456789"}}, "may write only what is named bgp-node-1-"),
        (A_STATUS, {"metadata": {"generateName": "bgp-"}}, "may write only what is named bgp-node-1-"),
        (A_LEASE, {}, 'leases.coordination.k8s.io "" is forbidden'),
        (
            A_SYSTEM_LEASE,
            {"metadata": {"name": "announce-node-node-2"}},
            "may write only its own Leases: applied-node-node-1, announce-node",
        ),
        (AN_L2_STATUS, {"metadata": {"name": "l2-0a.node-2"}}, 'the name must end in ".node-1"'),
        (A_SLICE, slice_("kube-dns-node-2"), "may write only its own slice of kube-dns"),
        (A_SLICE, slice_(service="web"), "its label kubernetes.io/service-name must be kube-dns"),
        (A_SLICE, slice_(nodeName="node-2"), "must have its name as nodeName"),
        (
            msgspec.structs.replace(A_SLICE, verb="update", name="kube-dns-node-1"),
            slice_(nodeName=""),
            "must have its name as nodeName",
        ),
    ],
)
def test_what_is_not(ask: Ask, tree: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as raised:
        check_body(NODE, ask, tree)
    assert (raised.value.code, raised.value.reason) == (403, "Forbidden")
    assert message in raised.value.message


def test_an_edge_writes_its_own_leases_and_the_view() -> None:
    for name in ("applied-edge-edge-1", "announce-edge-edge-1", "announce-view-edge"):
        check_body(EDGE, A_SYSTEM_LEASE, {"metadata": {"name": name}})
    for name in ("applied-node-edge-1", "announce-edge-edge-2", "announce-view-node"):
        with pytest.raises(ApiError, match='"edge-1" may write only its own Leases: applied-edge-edge-1, announce-edge-edge-1'):
            check_body(EDGE, A_SYSTEM_LEASE, {"metadata": {"name": name}})


def test_the_slice_that_the_agent_offers_is_its_own() -> None:
    status = NodeStatus(addresses=(NodeAddress(type="InternalIP", address="198.18.0.11"),))
    offered = dns_slice(Node(metadata=ObjectMeta(name="node-1", uid="u"), status=status), 10053)
    assert offered is not None
    assert (offered.metadata.namespace, DNS_SERVICE, DNS_NAMESPACE) == ("kube-system", "kube-dns", "kube-system")
    check_body(NODE, A_SLICE, msgspec.json.decode(msgspec.json.encode(offered)))
