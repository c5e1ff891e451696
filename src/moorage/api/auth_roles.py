"""The table of roles: which group may do what. Everything that is not here is refused.

A row is: verbs, what they may be used on, and a condition on whose it is. Resources are plurals with their group
(`leases.coordination.k8s.io`) and their subresource (`pods/status`), as `kubectl auth can-i` takes them; documents are paths.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.api.auth import ADMINS, AUTHENTICATED, CONTROLLERS, EDGES, NODES, READERS, UNAUTHENTICATED, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_nodes import (
    Condition,
    NodeOf,
    always,
    announce_leases,
    announcement_secret,
    own_bgp_status,
    own_dns_slice,
    own_l2_status,
    own_lease,
    own_node,
    own_pods,
    system_leases,
)

ANY = "*"


class Rule(msgspec.Struct, frozen=True):
    """`*` stands for every verb, resource or path; a path may end in `/*`. `but` are plurals that `*` leaves out."""

    verbs: frozenset[str]
    resources: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    where: Condition = always
    but: frozenset[str] = frozenset()

    def allows(self, user: User, ask: Ask, node_of: NodeOf) -> bool:
        if ask.verb not in self.verbs and ANY not in self.verbs:
            return False
        if not ask.resource:
            return ask.path in self.paths or any(_is_below(ask.path, each) for each in self.paths)
        return self._is_about(ask) and self.where(user, ask, node_of)

    def _is_about(self, ask: Ask) -> bool:
        """Whoever asks about `*` asks about what it leaves out, too."""
        if ANY in self.resources:
            return not self.but or (ask.resource != ANY and ask.resource not in self.but)
        return ask.full in self.resources


def _is_below(path: str, pattern: str) -> bool:
    return pattern == ANY or (pattern.endswith("/*") and path.startswith(pattern[:-1]))


def _may(verbs: str, resources: str, where: Condition = always, but: str = "") -> Rule:
    return Rule(frozenset(verbs.split()), frozenset(resources.split()), where=where, but=frozenset(but.split()))


def _may_see(paths: str) -> Rule:
    return Rule(frozenset({"get"}), paths=frozenset(paths.split()))


READ = "get list watch"
OPEN = "/healthz /healthz/* /livez /livez/* /readyz /readyz/* /version /version/"
DOCUMENTS = f"/ /api /api/* /apis /apis/* /openapi /openapi/* {OPEN}"
EVENTS = "events events.events.k8s.io"
SLICES = "endpointslices.discovery.k8s.io"
ANNOUNCEMENTS = " ".join(
    f"{each}.metallb.io"
    for each in ("ipaddresspools", "l2advertisements", "bgppeers", "bgpadvertisements", "communities", "bfdprofiles")
)
BGP_STATUSES = "servicebgpstatuses.metallb.io"
LEASES = "leases.coordination.k8s.io"
L2_STATUSES = "servicel2statuses.metallb.io servicel2statuses.metallb.io/status"
SELF_REVIEWS = (
    "selfsubjectaccessreviews.authorization.k8s.io selfsubjectrulesreviews.authorization.k8s.io "
    "selfsubjectreviews.authentication.k8s.io"
)

ROLES: Mapping[str, tuple[Rule, ...]] = {
    ADMINS: (Rule(frozenset({ANY}), frozenset({ANY}), frozenset({ANY})),),
    UNAUTHENTICATED: (_may_see(OPEN),),
    AUTHENTICATED: (
        _may_see(DOCUMENTS),
        _may("create", SELF_REVIEWS),
    ),
    READERS: (
        _may(READ, ANY, but="secrets"),
        _may_see(ANY),
    ),
    NODES: (
        # what the agent compiles into its table and answers DNS from
        _may(READ, f"services {SLICES} nodes namespaces servicecidrs.networking.k8s.io"),
        _may("create update", SLICES, own_dns_slice),
        # what the agent announces load-balancer addresses by, and where it says so
        _may(READ, ANNOUNCEMENTS),
        _may("get", "secrets", announcement_secret),
        _may("list", BGP_STATUSES),
        _may("create delete", BGP_STATUSES, own_bgp_status),
        _may("patch", f"{BGP_STATUSES}/status", own_bgp_status),
        _may(READ, LEASES, system_leases),
        _may("create update", LEASES, announce_leases),
        _may("list create patch delete", L2_STATUSES, own_l2_status),
        # what the kubelet lives by
        _may("create update patch", "nodes", own_node),
        _may("update patch", "nodes/status", own_node),
        _may("get create update patch", LEASES, own_lease),
        _may(f"{READ} delete", "pods", own_pods),
        _may("get update patch", "pods/status", own_pods),
        _may("get create update patch", EVENTS),
    ),
    EDGES: (
        # what it compiles into its table, and who else does
        _may(READ, ANY, but="secrets"),
        _may("create update patch delete", LEASES, own_lease),
        # what it shares addresses with other edges by
        _may("create update", LEASES, announce_leases),
        _may("create update patch", EVENTS),
    ),
    CONTROLLERS: (
        # the garbage collector and the clean-up of load balancers: owners and finalizers of whatever there is
        _may(f"{READ} patch delete", ANY),
        _may("create update", f"endpoints {SLICES}"),
        _may("create", "pods/binding"),
        # what every namespace has
        _may("create update", "serviceaccounts configmaps"),
        _may("create update", LEASES),
        _may("create update", EVENTS),
    ),
}
