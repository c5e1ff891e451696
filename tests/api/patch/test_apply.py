"""Server-side apply over HTTP: the media type, its parameters, who may do it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from moorage.api.app import App, make_app
from moorage.api.auth import TokenAuthenticator, User
from moorage.api.auth_asks import Ask
from moorage.api.auth_roles import Rule
from moorage.api.patch.apply import APPLY_PATCH, read_configuration
from moorage.model.errors import ApiError
from moorage.model.wire import Tree
from tests.api.asgi import NOW, SERVICES, USERS, Reply, ask, new_app, new_registry, service

URL = f"{SERVICES}/web"


def run(story: Callable[[App], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        await story(await new_app())

    asyncio.run(all_of_it())


async def apply(app: App, query: str, body: Any, url: str = URL, **headers: str) -> Reply:
    return await ask(app, "PATCH", f"{url}{query}", body, {"content-type": APPLY_PATCH, **headers})


def managers(reply: Reply) -> list[tuple[str, str]]:
    return [(each["manager"], each["operation"]) for each in reply.json["metadata"]["managedFields"]]


def test_yaml_and_json_are_applied() -> None:
    async def story(app: App) -> None:
        yaml = b"apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports:\n  - {port: 80, targetPort: 8080}\n"
        created = await apply(app, "?fieldManager=me", yaml)
        assert (created.status, managers(created)) == (201, [("me", "Apply")])
        again = await apply(app, "?fieldManager=me", service())
        assert (again.status, again.json["metadata"]["resourceVersion"]) == (200, created.json["metadata"]["resourceVersion"])
        forced = await apply(app, "?fieldManager=other&force=true", service(type="NodePort"))
        assert forced.json["spec"]["type"] == "NodePort"

    run(story)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "fieldManager: Required value: is required for apply patch"),
        ("?fieldManager=", "fieldManager: Required value: is required for apply patch"),
        (f"?fieldManager={'m' * 129}", "fieldManager: Too long: may not be more than 128 bytes"),
        ("?fieldManager=a%09b", "invalid character U+0009 (at position 1)"),
        ("?fieldManager=me&dryRun=Some", 'dryRun: Unsupported value: "Some"'),
    ],
)
def test_options_that_are_refused(query: str, message: str) -> None:
    """Source: TestApplyRequiresFieldManager, apimachinery `meta/v1/validation` ValidatePatchOptions."""

    async def story(app: App) -> None:
        reply = await apply(app, query, service())
        assert (reply.status, reply.json["reason"]) == (422, "Invalid")
        assert reply.json["message"].startswith('PatchOptions.meta.k8s.io "" is invalid: ')
        assert message in reply.json["message"]

    run(story)


def test_only_an_apply_can_be_forced() -> None:
    async def story(app: App) -> None:
        await ask(app, "POST", SERVICES, service())
        reply = await ask(app, "PATCH", f"{URL}?force=true", {}, {"content-type": "application/merge-patch+json"})
        assert reply.status == 422
        assert "force: Forbidden: may not be specified for non-apply patch" in reply.json["message"]

    run(story)


@pytest.mark.parametrize("body", [b"", b"{", b"- a", b"a: b\n---\na: b", b"\xff", b"a: &a [*a]", b"[" * 200])
def test_bodies_that_are_no_configuration(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        read_configuration(body)
    assert caught.value.code == 400
    assert caught.value.message.startswith("error decoding YAML: ")


def test_fields_that_are_given_twice() -> None:
    async def story(app: App) -> None:
        spec = b"spec: {type: ClusterIP, type: NodePort, ports: [{port: 80}]}\n"
        yaml = b"apiVersion: v1\nkind: Service\nmetadata: {name: web}\n" + spec
        warned = await apply(app, "?fieldManager=me&dryRun=All", yaml)
        assert b'duplicate field \\"spec.type\\"' in warned.header(b"warning")
        refused = await apply(app, "?fieldManager=me&fieldValidation=Strict", yaml)
        assert (refused.status, refused.json["reason"]) == (400, "BadRequest")

    run(story)


def test_a_dry_run_leaves_nothing_behind() -> None:
    async def story(app: App) -> None:
        reply = await apply(app, "?fieldManager=me&dryRun=All", service())
        assert (reply.status, managers(reply)) == (201, [("me", "Apply")])
        assert (await ask(app, "GET", URL)).status == 404

    run(story)


def test_the_user_agent_names_who_writes() -> None:
    """Source: apiserver `endpoints/handlers/create.go` managerOrUserAgent."""

    async def story(app: App) -> None:
        created = await ask(app, "POST", SERVICES, service(), {"user-agent": "curl/8.0 (linux)"})
        assert managers(created) == [("curl", "Update")]
        changed = await ask(app, "PUT", f"{URL}?fieldManager=me", service(type="NodePort"), {"user-agent": "curl/8.0"})
        assert managers(changed) == [("curl", "Update"), ("me", "Update")]

    run(story)


class NobodyCreates:
    """Everything is allowed but to create."""

    def allows(self, user: User, ask: Ask) -> bool:
        return ask.verb != "create"

    def admit(self, user: User, ask: Ask, tree: Tree) -> None: ...

    def rules(self, user: User) -> tuple[Rule, ...]:
        return ()


def test_to_apply_what_is_not_there_is_to_create_it() -> None:
    """Source: TestCreateOnApplyFailsWithForbidden."""

    async def story() -> None:
        registry = await new_registry()
        app = make_app(registry, TokenAuthenticator(USERS), lambda: NOW, NobodyCreates())
        reply = await apply(app, "?fieldManager=me", service())
        assert reply.status == 403
        assert 'User "admin" cannot create resource "services" in API group ""' in reply.json["message"]
        await ask(make_app(registry, TokenAuthenticator(USERS), lambda: NOW), "POST", SERVICES, service())
        assert (await apply(app, "?fieldManager=me", service())).status == 200

    asyncio.run(story())


def test_events_of_the_newer_version() -> None:
    async def story(app: App) -> None:
        url = "/apis/events.k8s.io/v1/namespaces/default/events/e"
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": "e"},
            "eventTime": "2026-01-01T00:00:00.000000Z",
            "type": "Normal",
            "reason": "Started",
            "action": "Start",
            "reportingController": "me.example/c",
            "reportingInstance": "c-1",
            "regarding": {"kind": "Service", "namespace": "default", "name": "web"},
            "note": "it runs",
        }
        assert (await apply(app, "?fieldManager=me", event, url)).status == 201
        assert (await apply(app, "?fieldManager=me", {**event, "note": "it still runs"}, url)).json["note"] == "it still runs"
        patch = {"metadata": {"labels": {"a": "b"}}}
        patched = await ask(app, "PATCH", url, patch, {"content-type": "application/merge-patch+json"})
        assert patched.json["metadata"]["labels"] == {"a": "b"}

    run(story)
