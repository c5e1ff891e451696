"""What is asked, and the words of a refusal. Source: apiserver `pkg/endpoints/handlers/responsewriters/errors.go`."""

from __future__ import annotations

import pytest

from moorage.api.auth import ANONYMOUS, User
from moorage.api.auth_asks import Ask, ask_of, forbidden
from moorage.api.routes import Target, Verb
from moorage.model.kinds import ENDPOINT_SLICES, NAMESPACES, PODS, SERVICES

READER = User("r")


def test_what_a_request_asks() -> None:
    fields = {"fieldSelector": "spec.nodeName=node-1", "labelSelector": "a=b"}
    assert ask_of(Verb.LIST, Target(PODS, "default"), fields) == Ask(
        "list", "pods", namespace="default", fields="spec.nodeName=node-1"
    )
    assert ask_of(Verb.GET, Target(PODS, "default", "web"), fields) == Ask("get", "pods", namespace="default", name="web")
    asked = ask_of(Verb.PATCH, Target(SERVICES, "default", "web", "status"), {})
    assert (asked.subresource, asked.full) == ("status", "services/status")
    assert ask_of(Verb.DELETE_COLLECTION, Target(ENDPOINT_SLICES, "d"), {}).full == "endpointslices.discovery.k8s.io"


def test_a_namespace_is_inside_of_itself() -> None:
    """Source: apiserver `pkg/endpoints/request/requestinfo.go`."""
    assert ask_of(Verb.DELETE, Target(NAMESPACES, "", "web"), {}).namespace == "web"
    assert ask_of(Verb.LIST, Target(NAMESPACES), {}).namespace == ""


@pytest.mark.parametrize(
    ("user", "ask", "message"),
    [
        (
            READER,
            Ask("list", "pods", namespace="default"),
            'pods is forbidden: User "r" cannot list resource "pods" in API group "" in the namespace "default"',
        ),
        (
            READER,
            Ask("patch", "services", subresource="status", namespace="d", name="w"),
            'services "w" is forbidden: User "r" cannot patch resource "services/status" in API group "" in the namespace "d"',
        ),
        (
            READER,
            Ask("list", "endpointslices", "discovery.k8s.io"),
            'endpointslices.discovery.k8s.io is forbidden: User "r" cannot list resource "endpointslices" '
            'in API group "discovery.k8s.io" at the cluster scope',
        ),
        (ANONYMOUS, Ask("get", path="/metrics"), 'forbidden: User "system:anonymous" cannot get path "/metrics"'),
        (READER, Ask("get", path="/<script>&"), 'forbidden: User "r" cannot get path "/&lt;script&gt;&amp;"'),
    ],
)
def test_the_words_of_a_refusal(user: User, ask: Ask, message: str) -> None:
    error = forbidden(user, ask)
    assert (error.code, error.reason, error.message) == (403, "Forbidden", message)
    assert error.details == ({"name": ask.name, "group": ask.group, "kind": ask.resource} if ask.resource else {})


def test_a_reason_is_told() -> None:
    assert forbidden(READER, Ask("get", path="/x"), "so it is").message.endswith('cannot get path "/x": so it is')
