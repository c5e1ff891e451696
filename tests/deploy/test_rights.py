"""The table of rights: it covers what roles follow, the embedded server allows all of it, ClusterRoles are made of it."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.api.auth import AUTHENTICATED, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_rules import RoleAuthorizer
from moorage.control.announcements import OWN_LEASE
from moorage.deploy.emit import plain, yaml_of
from moorage.deploy.given import values_of
from moorage.deploy.objects import trees
from moorage.deploy.rbac import access, rule
from moorage.deploy.rights import CONTROLLER, EDGE, NODE, RIGHTS, Right
from moorage.model.cluster import Node
from moorage.model.kinds import BY_TYPE, KINDS
from moorage.model.meta import Object
from moorage.model.metallb import ServiceBGPStatus, ServiceL2Status
from moorage.model.service import Service
from moorage.model.slices import EndpointSlice
from moorage.run.announcements import LEASES
from moorage.run.announcements import WANTS as ANNOUNCEMENTS
from moorage.run.controller import MAKERS, Means
from moorage.run.identities import certified
from moorage.run.node import wants
from moorage.settings.controllers import ON_KUBERNETES
from moorage.settings.roles import ControllerSettings, NodeSettings

CASES = [(role, right) for role, rights in RIGHTS.items() for right in rights]
CONTROLLERS = {each: MAKERS[each](Means(ControllerSettings(), None)).wants for each in ON_KUBERNETES}
FOLLOWED: dict[str, tuple[type[Object], ...]] = {
    NODE: (*(each.type for each in (*wants(NodeSettings(name="node-1", dns_port=53)), *ANNOUNCEMENTS)),),
    CONTROLLER: tuple(each for one in ON_KUBERNETES for each in CONTROLLERS[one]),
    EDGE: (Service, EndpointSlice, Node, LEASES.type),
}
LISTED: dict[str, tuple[type[Object], ...]] = {NODE: (ServiceL2Status, ServiceBGPStatus)}
"""What is listed and not watched."""
COLLECTIONS = {"list", "watch", "create"}


def identity(role: str) -> User:
    """Who the role is towards the embedded server."""
    user = certified({NODE: "node:node-1", CONTROLLER: "controller", EDGE: "edge:edge"}[role])
    assert user is not None
    return User(user.name, (*user.groups, AUTHENTICATED))


@pytest.mark.parametrize(("role", "right"), CASES, ids=[f"{role}-{right.resources[0]}" for role, right in CASES])
def test_the_embedded_server_allows_it(role: str, right: Right) -> None:
    authorizer = RoleAuthorizer(lambda pod: None)
    names = right.names or (right.only.format(node="node-1", edge="edge") or "some",)
    for verb in right.verbs:
        for each in right.resources:
            plural, _, subresource = each.partition("/")
            for name in names:
                named = "" if verb in COLLECTIONS else name
                ask = Ask(verb, plural, right.group, subresource, right.namespace or "default", named)
                assert authorizer.allows(identity(role), ask), ask


@pytest.mark.parametrize("role", RIGHTS)
def test_what_a_role_follows_is_in_its_table(role: str) -> None:
    for verb, types in (("list", (*FOLLOWED[role], *LISTED.get(role, ()))), ("watch", FOLLOWED[role])):
        followed = {(BY_TYPE[each].group, BY_TYPE[each].plural) for each in types}
        given = {(right.group, each) for right in RIGHTS[role] if verb in right.verbs for each in right.resources}
        assert given == followed


@pytest.mark.parametrize(("role", "right"), CASES, ids=[f"{role}-{right.resources[0]}" for role, right in CASES])
def test_a_right_is_narrow_and_says_why(role: str, right: Right) -> None:
    assert right.why
    assert "*" not in (*right.verbs, *right.resources, right.group)
    assert not {"escalate", "bind", "impersonate", "deletecollection"} & set(right.verbs)
    known = {(kind.group, name) for kind in KINDS for name in (kind.plural, *(f"{kind.plural}/{s}" for s in kind.subresources))}
    assert {(right.group, each) for each in right.resources} <= known


def all_rules(kind: str, name: str, *settings: str) -> list[dict[str, Any]]:
    every = [plain(each) for each in trees(values_of({}, settings))]
    return [rule for each in every if each["kind"] == kind and each["metadata"]["name"] == name for rule in each["rules"]]


@pytest.mark.parametrize("role", RIGHTS)
def test_roles_are_made_of_the_table(role: str) -> None:
    everything = ("node.dnsPort=53", "node.bgpPasswords=true", "edge.enabled=true")
    rules = [plain(rule(each)) for each in RIGHTS[role]]
    made = all_rules("ClusterRole", f"moorage-{role}", *everything) + all_rules("Role", f"moorage-{role}", *everything)
    assert sorted(map(str, made)) == sorted(map(str, rules))


def test_what_is_not_asked_for_is_not_given() -> None:
    given = {each for rule in all_rules("Role", "moorage-node") for each in rule["resources"]}
    assert given == {"leases", "servicel2statuses", "servicel2statuses/status"}
    assert all_rules("ClusterRole", "moorage-edge") == []


def test_the_reason_stands_beside_the_rule() -> None:
    text = "".join(yaml_of(each.tree) for each in access(CONTROLLER))
    for right in RIGHTS[CONTROLLER]:
        assert f"# {right.why}\n  - apiGroups" in text


def test_a_name_is_enforced_where_rbac_can() -> None:
    leases = [each for each in RIGHTS[CONTROLLER] if each.resources == ("leases",) and each.namespace]
    names = {verb: plain(rule(each)).get("resourceNames") for each in leases for verb in each.verbs}
    assert names == {
        "create": None,
        "get": ["moorage-controller"],
        "update": ["moorage-controller"],
        "patch": [OWN_LEASE.name],
        "delete": None,
    }


@pytest.mark.parametrize(("role", "right"), CASES, ids=[f"{role}-{right.resources[0]}" for role, right in CASES])
def test_a_name_is_not_asked_of_what_has_none(role: str, right: Right) -> None:
    """RBAC would then refuse every request."""
    assert not (right.names and COLLECTIONS & set(right.verbs))
