"""The table of roles, row by row: who, verb, resource, `namespace/name` or `?selector`, and whether it is allowed."""

from __future__ import annotations

import pytest

from moorage.api.auth import ADMINS, ANONYMOUS, AUTHENTICATED, CONTROLLERS, EDGES, NODES, READERS, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_requests import service_account_groups
from moorage.api.auth_roles import ROLES
from moorage.api.auth_rules import RoleAuthorizer
from moorage.model.meta import Key

USERS = {
    "admin": User("admin", (ADMINS, AUTHENTICATED)),
    "reader": User("reader", (READERS, AUTHENTICATED)),
    "controller": User("moorage:controller", (CONTROLLERS, AUTHENTICATED)),
    "node-1": User("system:node:node-1", (NODES, AUTHENTICATED)),
    "edge-1": User("moorage:edge:edge-1", (EDGES, AUTHENTICATED)),
    "edgeless": User("edge-1", (EDGES, AUTHENTICATED)),
    "nodeless": User("node-1", (NODES, AUTHENTICATED)),
    "account": User("system:serviceaccount:default:web", (*service_account_groups("default"), AUTHENTICATED)),
    "stranger": User("stranger", (AUTHENTICATED,)),
    "anonymous": ANONYMOUS,
}

PODS = {Key("default", "here"): "node-1", Key("default", "there"): "node-2", Key("default", "waiting"): ""}

SLICES, LEASES = "endpointslices.discovery.k8s.io", "leases.coordination.k8s.io"


def ask(words: str) -> Ask:
    """`VERB RESOURCE[.GROUP][/SUBRESOURCE] [[NAMESPACE/]NAME] [?SELECTOR]`, or `VERB /PATH`."""
    verb, what, *rest = words.split()
    if what.startswith("/"):
        return Ask(verb, path=what)
    resource, _, subresource = what.partition("/")
    plural, _, group = resource.partition(".")
    fields = next((each[1:] for each in rest if each.startswith("?")), "")
    namespace, _, name = next((each for each in rest if not each.startswith("?")), "").rpartition("/")
    return Ask(verb, plural, group, subresource, namespace, name, fields)


def allows(who: str, words: str) -> bool:
    return RoleAuthorizer(PODS.get).allows(USERS[who], ask(words))


@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        ("admin", "delete nodes x"),
        ("admin", "impersonate users x"),
        ("admin", "get secrets default/x"),
        ("admin", "put /anything"),
        ("admin", "* *"),
        ("reader", "get services default/web"),
        ("reader", "list pods"),
        ("reader", f"watch {LEASES}"),
        ("reader", "get configmaps default/x"),
        ("reader", "get pods/status default/x"),
        ("reader", "get /metrics"),
        ("reader", "get /apis/discovery.k8s.io/v1"),
        ("account", "get /api/v1"),
        ("account", "get /openapi/v3"),
        ("account", "create selfsubjectaccessreviews.authorization.k8s.io"),
        ("stranger", "create selfsubjectreviews.authentication.k8s.io"),
        ("stranger", "create selfsubjectrulesreviews.authorization.k8s.io"),
        ("anonymous", "get /healthz"),
        ("anonymous", "get /livez"),
        ("anonymous", "get /readyz"),
        ("anonymous", "get /version"),
        # the node agent
        ("node-1", "watch services"),
        ("node-1", f"list {SLICES}"),
        ("node-1", "list nodes"),
        ("node-1", "watch namespaces"),
        ("node-1", "list servicecidrs.networking.k8s.io"),
        ("node-1", f"create {SLICES} kube-system/"),
        ("node-1", f"update {SLICES} kube-system/kube-dns-node-1"),
        ("node-1", f"create {LEASES} moorage-system/"),
        ("node-1", f"patch {LEASES} moorage-system/applied-node-node-1"),
        # the edge
        ("edge-1", "watch services"),
        ("edge-1", f"list {SLICES}"),
        ("edge-1", f"create {LEASES} moorage-system/"),
        ("edge-1", f"patch {LEASES} moorage-system/applied-edge-edge-1"),
        ("edge-1", f"delete {LEASES} moorage-system/applied-edge-edge-1"),
        ("edge-1", "create events default/"),
        ("edge-1", f"update {LEASES} moorage-system/announce-edge-edge-1"),
        ("edge-1", f"update {LEASES} moorage-system/announce-view-edge"),
        # its speaker
        ("node-1", "list l2advertisements.metallb.io"),
        ("node-1", "watch ipaddresspools.metallb.io"),
        ("node-1", f"watch {LEASES} moorage-system/"),
        ("node-1", f"update {LEASES} moorage-system/announce-node-node-1"),
        ("node-1", f"update {LEASES} moorage-system/announce-view-node"),
        ("node-1", "list servicel2statuses.metallb.io moorage-system/"),
        ("node-1", "create servicel2statuses.metallb.io moorage-system/"),
        ("node-1", "patch servicel2statuses.metallb.io/status moorage-system/l2-0a.node-1"),
        ("node-1", "delete servicel2statuses.metallb.io moorage-system/l2-0a.node-1"),
        # its kubelet
        ("node-1", "create nodes"),
        ("node-1", "get nodes node-2"),
        ("node-1", "patch nodes node-1"),
        ("node-1", "patch nodes/status node-1"),
        ("node-1", f"create {LEASES} kube-node-lease/"),
        ("node-1", f"patch {LEASES} kube-node-lease/node-1"),
        ("node-1", f"get {LEASES} kube-node-lease/node-1"),
        ("node-1", "list pods ?spec.nodeName=node-1"),
        ("node-1", "watch pods ?status.phase!=Failed,spec.nodeName==node-1"),
        ("node-1", "get pods default/here"),
        ("node-1", "patch pods/status default/here"),
        ("node-1", "delete pods default/here"),
        ("node-1", "patch pods/status default/gone"),
        ("node-1", "watch bgppeers.metallb.io"),
        ("node-1", "list ipaddresspools.metallb.io"),
        ("node-1", "get secrets metallb-system/tor"),
        ("node-1", "list servicebgpstatuses.metallb.io"),
        ("node-1", "create servicebgpstatuses.metallb.io metallb-system/"),
        ("node-1", "patch servicebgpstatuses.metallb.io/status metallb-system/bgp-node-1-0123456789"),
        ("node-1", "delete servicebgpstatuses.metallb.io metallb-system/bgp-node-1-0123456789"),
        ("node-1", "create events default/"),
        ("node-1", "patch events default/x"),
        # the controllers
        ("controller", "list services"),
        ("controller", "watch ipaddresspools.metallb.io"),
        ("controller", f"create {SLICES} default/"),
        ("controller", f"delete {SLICES} default/web-x"),
        ("controller", "create endpoints default/"),
        ("controller", "patch services/status default/web"),
        ("controller", "patch ipaddresspools.metallb.io/status moorage-system/default"),
        ("controller", "patch nodes node-1"),
        ("controller", "patch nodes/status node-1"),
        ("controller", "patch pods/status default/here"),
        ("controller", "create pods/binding default/waiting"),
        ("controller", f"create {LEASES} kube-node-lease/"),
        ("controller", f"update {LEASES} moorage-system/moorage-controller"),
        ("controller", f"patch {LEASES} kube-node-lease/moorage-node-controller"),
        ("controller", "create events default/"),
        # garbage collection
        ("controller", "delete services default/web"),
        ("controller", "patch services default/web"),
        ("controller", "list secrets"),
        ("controller", "delete nodes node-1"),
        # what every namespace has
        ("controller", "create serviceaccounts default/"),
        ("controller", "update configmaps default/kube-root-ca.crt"),
    ],
)
def test_what_is_allowed(who: str, allowed: str) -> None:
    assert allows(who, allowed)


@pytest.mark.parametrize(
    ("who", "refused"),
    [
        ("reader", "get secrets default/x"),
        ("reader", "list secrets"),
        ("reader", "list *"),
        ("reader", "delete services default/web"),
        ("reader", "create serviceaccounts/token default/default"),
        ("reader", "impersonate users admin"),
        ("reader", "post /metrics"),
        ("account", "get services default/web"),
        ("account", "list pods default/"),
        ("account", "get /metrics"),
        ("stranger", "create subjectaccessreviews.authorization.k8s.io"),
        ("stranger", "create tokenreviews.authentication.k8s.io"),
        ("anonymous", "get /api"),
        ("anonymous", "get /healthzz"),
        ("anonymous", "list services"),
        ("anonymous", "create selfsubjectreviews.authentication.k8s.io"),
        # another node's
        ("node-1", "update nodes node-2"),
        ("node-1", "patch nodes/status node-2"),
        ("node-1", f"patch {LEASES} kube-node-lease/node-2"),
        ("node-1", f"update {LEASES} moorage-system/announce-node-node-2"),
        ("node-1", f"update {LEASES} kube-node-lease/announce-view-node"),
        ("node-1", f"delete {LEASES} moorage-system/announce-view-node"),
        ("node-1", f"watch {LEASES} default/"),
        ("node-1", "delete servicel2statuses.metallb.io moorage-system/"),
        ("node-1", "delete servicel2statuses.metallb.io moorage-system/l2-0a.node-2"),
        ("node-1", "delete servicel2statuses.metallb.io moorage-system/l2-0a.other.node-1"),
        ("node-1", "create l2advertisements.metallb.io metallb-system/"),
        ("node-1", f"get {LEASES} kube-node-lease/node-2"),
        ("node-1", f"list {LEASES} kube-node-lease/"),
        ("node-1", f"patch {LEASES} default/node-1"),
        ("node-1", "get pods default/there"),
        ("node-1", "patch pods/status default/there"),
        ("node-1", "patch pods/status default/waiting"),
        ("node-1", "delete pods default/there"),
        ("node-1", "list pods"),
        ("node-1", "list pods ?spec.nodeName=node-2"),
        ("node-1", "list pods ?spec.nodeName!=node-1"),
        ("node-1", "list pods ?spec.nodeName=node-10"),
        ("node-1", f"update {SLICES} kube-system/kube-dns-node-2"),
        ("node-1", f"update {SLICES} default/kube-dns-node-1"),
        ("node-1", f"patch {LEASES} moorage-system/applied-node-node-2"),
        ("node-1", f"patch {LEASES} moorage-system/applied-edge-node-1"),
        ("node-1", f"patch {LEASES} kube-node-lease/applied-node-node-1"),
        ("edge-1", f"patch {LEASES} moorage-system/applied-edge-edge-2"),
        ("edge-1", f"patch {LEASES} moorage-system/applied-node-edge-1"),
        ("edge-1", f"create {LEASES} kube-node-lease/"),
        ("edge-1", f"update {LEASES} moorage-system/announce-edge-edge-2"),
        ("edge-1", f"update {LEASES} moorage-system/announce-view-node"),
        ("edge-1", f"delete {LEASES} moorage-system/announce-view-edge"),
        ("edge-1", "get secrets default/x"),
        ("edge-1", "patch services/status default/web"),
        ("edge-1", "update nodes edge-1"),
        ("edgeless", "list services"),
        ("edgeless", f"create {LEASES} moorage-system/"),
        # nobody needs it there
        ("node-1", f"patch {SLICES} kube-system/kube-dns-node-1"),
        ("node-1", "delete nodes node-1"),
        ("node-1", "update servicecidrs.networking.k8s.io kubernetes"),
        ("node-1", "list ipaddresses.networking.k8s.io"),
        ("node-1", "deletecollection pods ?spec.nodeName=node-1"),
        ("node-1", "patch pods default/here"),
        ("node-1", "create pods default/"),
        ("node-1", "create pods/binding default/waiting"),
        ("node-1", "patch services/status default/web"),
        ("node-1", "get secrets default/x"),
        ("node-1", "list secrets metallb-system/"),
        ("node-1", "watch secrets metallb-system/"),
        ("node-1", "patch servicebgpstatuses.metallb.io/status metallb-system/bgp-node-10-0123456789"),
        ("node-1", "delete servicebgpstatuses.metallb.io metallb-system/bgp-node-1-x-0123456789"),
        ("node-1", "patch bgppeers.metallb.io metallb-system/tor"),
        ("nodeless", "list services"),
        ("nodeless", "create nodes"),
        ("nodeless", "list pods ?spec.nodeName="),
        ("controller", "create pods default/"),
        ("controller", "update services default/web"),
        ("controller", "create secrets default/"),
        ("controller", "update ingresses.networking.k8s.io default/x"),
        ("controller", "create serviceaccounts/token default/x"),
        ("controller", "create nodes"),
        ("controller", "deletecollection pods default/"),
        ("controller", "impersonate users admin"),
        ("controller", "get /metrics"),
    ],
)
def test_what_is_refused(who: str, refused: str) -> None:
    assert not allows(who, refused)


def test_every_group_of_the_table_is_somebodys() -> None:
    assert set(ROLES) == {group for user in USERS.values() for group in user.groups} - {
        "system:serviceaccounts",
        "system:serviceaccounts:default",
    }
