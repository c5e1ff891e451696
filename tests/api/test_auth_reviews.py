"""Reviews, as `kubectl auth` and webhooks ask them. Source: upstream `pkg/registry/authorization` and `.../authentication`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from moorage.api.auth import ADMINS, AUTHENTICATED, NODES, READERS, User
from moorage.api.auth_requests import Certificate
from moorage.api.auth_reviews import rules_status
from moorage.api.auth_rules import RoleAuthorizer
from tests.api.asgi import NOW, PODS, READER, Call, Reply, ask, new_app, pod

AUTHORIZATION = "/apis/authorization.k8s.io/v1"
AUTHENTICATION = "/apis/authentication.k8s.io/v1"
NOBODY = "nobody-token"


def review(path: str, spec: Mapping[str, Any] | None = None, token: str = READER, **more: Any) -> Reply:
    async def told() -> Reply:
        return await ask(await new_app(), "POST", path, {"spec": spec or {}, **more}, token=token)

    return asyncio.run(told())


def can_i(token: str = READER, **attributes: Any) -> bool:
    reply = review(f"{AUTHORIZATION}/selfsubjectaccessreviews", {"resourceAttributes": attributes}, token)
    assert reply.status == 201
    status = reply.json["status"]
    assert status == {"allowed": status["allowed"]}
    return bool(status["allowed"])


def test_what_somebody_may_do_himself() -> None:
    assert can_i(verb="list", resource="pods", namespace="default")
    assert can_i(verb="get", group="discovery.k8s.io", resource="endpointslices", name="x", version="*")
    assert not can_i(verb="delete", resource="pods", namespace="default")
    assert not can_i(verb="list", resource="secrets")
    assert not can_i(verb="list", group="*", resource="*")
    assert not can_i(NOBODY, verb="list", resource="pods")


def test_a_document() -> None:
    path = f"{AUTHORIZATION}/selfsubjectaccessreviews"
    for asked, allowed in (("/metrics", False), ("/version", True)):
        reply = review(path, {"nonResourceAttributes": {"path": asked, "verb": "get"}}, NOBODY)
        assert reply.json == {
            "kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "metadata": {},
            "spec": {"nonResourceAttributes": {"path": asked, "verb": "get"}},
            "status": {"allowed": allowed},
        }


@pytest.mark.parametrize(
    ("selector", "allowed"),
    [
        ({"rawSelector": "spec.nodeName=node-1"}, True),
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["node-1"]}]}, True),
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["node-1", "node-2"]}]}, False),
        ({"requirements": [{"key": "spec.nodeName", "operator": "NotIn", "values": ["node-1"]}]}, False),
    ],
)
def test_selectors_count(selector: dict[str, Any], allowed: bool) -> None:
    """Source: KEP-4601."""
    attributes = {"verb": "list", "resource": "pods", "fieldSelector": selector}
    spec = {"user": "system:node:node-1", "groups": [NODES], "resourceAttributes": attributes}
    assert review(f"{AUTHORIZATION}/subjectaccessreviews", spec, "admin-token").json["status"] == {"allowed": allowed}


@pytest.mark.parametrize(
    ("plural", "spec", "message"),
    [
        (
            "selfsubjectaccessreviews",
            {},
            "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or",
        ),
        (
            "selfsubjectaccessreviews",
            {"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"verb": "get"}},
            "cannot be specified in combination with resourceAttributes",
        ),
        (
            "subjectaccessreviews",
            {"resourceAttributes": {"verb": "get"}},
            'spec.user: Invalid value: "": at least one of user or group must be specified',
        ),
        (
            "namespaces/default/localsubjectaccessreviews",
            {"user": "x", "resourceAttributes": {"verb": "get", "namespace": "other"}},
            'spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace',
        ),
        (
            "namespaces/default/localsubjectaccessreviews",
            {"user": "x", "nonResourceAttributes": {"verb": "get"}},
            "disallowed on this kind of request",
        ),
    ],
)
def test_questions_that_make_no_sense(plural: str, spec: dict[str, Any], message: str) -> None:
    """Source: upstream `pkg/apis/authorization/validation/validation.go`."""
    reply = review(f"{AUTHORIZATION}/{plural}", spec, "admin-token")
    assert (reply.status, reply.json["reason"]) == (422, "Invalid")
    assert message in reply.json["message"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"spec": [1]}, 400),
        ({"spec": {"resourceAttributes": {"verb": 7}}}, 400),
        ({"kind": "Spoon"}, 400),
        ({"apiVersion": "authorization.k8s.io/v1beta1"}, 400),
        ({"metadata": "x"}, 400),
        ({"spec": {"resourceAttributes": {"spoon": 1}}}, 201),
        ({"metadata": {"managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}]}}, 422),
        (
            {
                "metadata": {"managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}]},
                "spec": {"resourceAttributes": {"verb": "get", "fieldSelector": None}},
            },
            201,
        ),
    ],
)
def test_odd_bodies(more: dict[str, Any], status: int) -> None:
    path = f"{AUTHORIZATION}/selfsubjectaccessreviews"
    assert review(path, **more).status == status


def test_what_others_may_do_is_for_admins_to_know() -> None:
    spec = {
        "user": "x",
        "groups": [READERS],
        "resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "default"},
    }
    for path in ("subjectaccessreviews", "namespaces/default/localsubjectaccessreviews"):
        assert review(f"{AUTHORIZATION}/{path}", spec, "admin-token").json["status"] == {"allowed": True}
        reply = review(f"{AUTHORIZATION}/{path}", spec)
        assert reply.status == 403
        assert 'User "reader" cannot create resource "' in reply.json["message"]


def test_who_somebody_is() -> None:
    reply = review(f"{AUTHENTICATION}/selfsubjectreviews")
    assert (reply.status, reply.json["kind"]) == (201, "SelfSubjectReview")
    assert reply.json["metadata"] == {"creationTimestamp": "2026-01-01T00:00:00Z"}
    assert reply.json["status"] == {"userInfo": {"username": "reader", "groups": [READERS, AUTHENTICATED]}}
    assert review(f"{AUTHENTICATION}/selfsubjectreviews", token="").status == 403


def test_tokens() -> None:
    path = f"{AUTHENTICATION}/tokenreviews"
    known = {"username": "reader", "groups": [READERS, AUTHENTICATED]}
    assert review(path, {"token": READER}, "admin-token").json["status"]["user"] == known
    wrong = review(path, {"token": "wrong"}, "admin-token").json["status"]
    assert wrong == {"authenticated": False, "user": {}, "error": "invalid bearer token"}
    assert review(path, {}, "admin-token").status == 400
    assert review(path, {"token": READER}).status == 403


def test_rules() -> None:
    path = f"{AUTHORIZATION}/selfsubjectrulesreviews"
    status = review(path, {"namespace": "default"}).json["status"]
    assert (status["incomplete"], "evaluationError" in status) == (False, False)
    listed = [(rule["apiGroups"], name) for rule in status["resourceRules"] for name in rule["resources"]]
    assert ([""], "services") in listed
    assert (["discovery.k8s.io"], "endpointslices") in listed
    assert not any("secrets" in name for _, name in listed)
    assert {"verbs": ["get"], "nonResourceURLs": ["*"]} in status["nonResourceRules"]
    assert review(path, {}).json["message"] == "no namespace on request"


def test_rules_with_conditions_are_said_to_be_left_out() -> None:
    authorizer = RoleAuthorizer(lambda pod: None)
    everything = rules_status(authorizer.rules(User("admin", (ADMINS,))))
    assert everything["resourceRules"] == [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    node = rules_status(authorizer.rules(User("system:node:node-1", (NODES,))))
    assert node["incomplete"]
    assert "what depends on the object is left out" in node["evaluationError"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{AUTHORIZATION}/selfsubjectaccessreviews", 405),
        ("POST", f"{AUTHORIZATION}/selfsubjectaccessreviews/x", 404),
        ("POST", f"{AUTHORIZATION}/namespaces/default/subjectaccessreviews", 404),
        ("POST", f"{AUTHORIZATION}/localsubjectaccessreviews", 404),
        ("POST", f"{AUTHORIZATION}/spoons", 404),
    ],
)
def test_where_reviews_are(method: str, path: str, status: int) -> None:
    async def story() -> None:
        assert (await ask(await new_app(), method, path, {})).status == status

    asyncio.run(story())


def test_a_node_through_the_whole_application() -> None:
    """The certificate of a connection, a Pod's node looked up, and the object in the body."""
    node = Certificate(User("system:node:node-1", (NODES,)), NOW + 60)

    async def story() -> None:
        app = await new_app()

        async def by_node(method: str, url: str, body: Any = b"", headers: Mapping[str, str] | None = None) -> Reply:
            return await Call(app, method, url, body, headers, "", node).reply()

        assert (await by_node("POST", "/api/v1/nodes", {"metadata": {"name": "node-1"}})).status == 201
        refused = await by_node("POST", "/api/v1/nodes", {"metadata": {"name": "node-2"}})
        assert refused.json["message"] == ('nodes "node-2" is forbidden: node "node-1" is not allowed to modify node "node-2"')
        for name in ("mine", "other"):
            assert (await ask(app, "POST", PODS, pod(name))).status == 201
        merge = {"content-type": "application/merge-patch+json"}
        bound = {"target": {"kind": "Node", "name": "node-1"}}
        assert (await ask(app, "POST", f"{PODS}/mine/binding", bound)).status == 201
        running = {"status": {"phase": "Running"}}
        assert (await by_node("PATCH", f"{PODS}/mine/status", running, merge)).status == 200
        assert (await by_node("PATCH", f"{PODS}/other/status", running, merge)).status == 403
        assert (await by_node("PATCH", f"{PODS}/gone/status", running, merge)).status == 404
        assert (await by_node("GET", f"{PODS}?fieldSelector=spec.nodeName%3Dnode-1")).status == 200
        assert (await by_node("GET", PODS)).status == 403
        assert (await by_node("DELETE", f"{PODS}/other")).status == 403
        assert (await by_node("DELETE", f"{PODS}/mine?gracePeriodSeconds=0")).status == 200

    asyncio.run(story())
