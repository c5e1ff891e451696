"""The table of rights -> ServiceAccounts, ClusterRoles, Roles and their bindings. The reason of a rule stands above it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from moorage.deploy.common import account, metadata, obj
from moorage.deploy.rights import EDGE, RIGHTS, SYSTEM, Right
from moorage.deploy.tree import Document, Json, Noted, When
from moorage.model.wire import Tree

_GROUP = "rbac.authorization.k8s.io"


def rule(right: Right) -> Tree:
    names = {"resourceNames": Json(right.names)} if right.names else {}
    return {"apiGroups": Json([right.group]), "resources": Json(right.resources), **names, "verbs": Json(right.verbs)}


def access(role: str) -> list[Document]:
    """What a role needs to speak to the API: an account, and what binds the rights to it."""
    when = "edge.enabled" if role == EDGE else ""
    documents = [Document(f"{role}-rbac", obj("v1", "ServiceAccount", metadata(account(role), role)), when)]
    rights = RIGHTS[role]
    for namespace in dict.fromkeys(each.namespace for each in rights):
        here = [each for each in rights if each.namespace == namespace]
        needed = when or _shared_condition(here)
        documents += [Document(f"{role}-rbac", tree, needed) for tree in _bound(role, namespace, here, needed)]
    return documents


def _shared_condition(rights: Sequence[Right]) -> str:
    """A role all of whose rules have one condition is made only then."""
    conditions = {each.when for each in rights}
    return conditions.pop() if len(conditions) == 1 else ""


def _bound(role: str, namespace: str, rights: Iterable[Right], when: str) -> list[Tree]:
    kind = "Role" if namespace else "ClusterRole"
    name = account(role)
    meta = metadata(name, role, namespace)
    rules: list[Any] = []
    for each in rights:
        noted = Noted(each.why, rule(each))
        rules.append(When(each.when, noted) if each.when and each.when != when else noted)
    subject = {"kind": "ServiceAccount", "name": name, "namespace": SYSTEM}
    reference = {"apiGroup": _GROUP, "kind": kind, "name": name}
    return [
        obj(f"{_GROUP}/v1", kind, meta, rules=rules),
        obj(f"{_GROUP}/v1", f"{kind}Binding", meta, roleRef=reference, subjects=[subject]),
    ]
