"""Requests against the whole application: who may ask, what is named, what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from moorage.api.app import App
from moorage.api.exchange_io import MAX_BODY_BYTES
from tests.api.asgi import PODS, READER, SERVICES, Call, ask, new_app, pod, service


def run(story: Callable[[App], Awaitable[None]]) -> None:
    async def told() -> None:
        await story(await new_app())

    asyncio.run(told())


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health_is_open(path: str) -> None:
    async def story(app: App) -> None:
        reply = await ask(app, "GET", path, token="")
        assert (reply.status, reply.body) == (200, b"ok")

    run(story)


def test_version_is_open() -> None:
    async def story(app: App) -> None:
        version = (await ask(app, "GET", "/version", token="")).json
        assert (version["major"], version["minor"], version["gitVersion"]) == ("1", "36", "v1.36.0+moorage")

    run(story)


@pytest.mark.parametrize(
    "path", ["/api", "/apis/discovery.k8s.io/v1", "/openapi/v3", "/nowhere", "/", "/version/x", "/metrics"]
)
def test_nothing_else_is(path: str) -> None:
    async def story(app: App) -> None:
        reply = await ask(app, "GET", path, token="")
        assert reply.status == 403
        assert reply.json["message"] == f'forbidden: User "system:anonymous" cannot get path "{path}"'
        reply = await ask(app, "GET", SERVICES, token="")
        what = 'User "system:anonymous" cannot list resource "services" in API group "" in the namespace "default"'
        assert reply.json["message"] == f"services is forbidden: {what}"

    run(story)


@pytest.mark.parametrize("token", ["wrong", "admin-token-and-more"])
@pytest.mark.parametrize("path", [SERVICES, "/api", "/openapi/v3", "/nowhere", "/", "/healthz"])
def test_a_wrong_token_opens_nothing(path: str, token: str) -> None:
    async def story(app: App) -> None:
        reply = await ask(app, "GET", path, token=token)
        assert reply.status == 401
        assert reply.json == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "Unauthorized",
            "reason": "Unauthorized",
            "code": 401,
        }

    run(story)


def test_readers_read_and_strangers_do_not() -> None:
    async def story(app: App) -> None:
        assert (await ask(app, "GET", SERVICES, token=READER)).status == 200
        reply = await ask(app, "POST", SERVICES, service(), token=READER)
        assert (reply.status, reply.json["reason"]) == (403, "Forbidden")
        what = 'User "reader" cannot create resource "services" in API group "" in the namespace "default"'
        assert reply.json["message"] == f"services is forbidden: {what}"
        reply = await ask(app, "GET", "/api/v1/nodes/n", token="nobody-token")
        what = 'User "nobody" cannot get resource "nodes" in API group "" at the cluster scope'
        assert reply.json["message"] == f'nodes "n" is forbidden: {what}'

    run(story)


@pytest.mark.parametrize(
    "path", ["/api/v1/spoons", "/api/v2", "/apis/nobody.example/v1", "/nowhere", "/openapi/v1", "/openapi/v3/x"]
)
def test_unknown_paths(path: str) -> None:
    async def story(app: App) -> None:
        reply = await ask(app, "GET", path)
        assert (reply.status, reply.json["reason"]) == (404, "NotFound")
        assert reply.json["message"] == "the server could not find the requested resource"

    run(story)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", SERVICES), ("POST", "/api/v1/services"), ("POST", "/version"), ("TRACE", f"{SERVICES}/web")]
)
def test_methods_that_mean_nothing_there(method: str, path: str) -> None:
    async def story(app: App) -> None:
        reply = await ask(app, method, path)
        assert (reply.status, reply.json["reason"]) == (405, "MethodNotAllowed")
        assert reply.json["message"] == "the server does not allow this method on the requested resource"

    run(story)


def test_the_root_names_what_there_is() -> None:
    async def story(app: App) -> None:
        paths = (await ask(app, "GET", "/")).json["paths"]
        assert {"/api", "/api/v1", "/apis", "/apis/discovery.k8s.io/v1", "/healthz", "/openapi/v3", "/version"} <= set(paths)

    run(story)


def test_create_get_update_delete() -> None:
    async def story(app: App) -> None:
        created = await ask(app, "POST", SERVICES, service())
        assert (created.status, created.header(b"content-type")) == (201, b"application/json")
        assert created.json["spec"]["type"] == "ClusterIP"
        read = await ask(app, "GET", f"{SERVICES}/web")
        assert (read.status, read.body) == (200, created.body)
        changed = {**created.json, "metadata": {**created.json["metadata"], "labels": {"a": "b"}}}
        updated = await ask(app, "PUT", f"{SERVICES}/web", changed)
        assert (updated.status, updated.json["metadata"]["labels"]) == (200, {"a": "b"})
        stale = await ask(app, "PUT", f"{SERVICES}/web", changed)
        assert (stale.status, stale.json["reason"]) == (409, "Conflict")
        deleted = await ask(app, "DELETE", f"{SERVICES}/web")
        assert (deleted.status, deleted.json["kind"]) == (200, "Service")
        gone = await ask(app, "GET", f"{SERVICES}/web")
        assert (gone.status, gone.json["message"]) == (404, 'services "web" not found')
        assert gone.json["details"] == {"name": "web", "kind": "services"}

    run(story)


def test_a_finished_deletion_of_other_kinds_is_a_status() -> None:
    async def story(app: App) -> None:
        lease = {"metadata": {"name": "l"}}
        path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
        created = await ask(app, "POST", path, lease)
        deleted = await ask(app, "DELETE", f"{path}/l", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
        details = {"name": "l", "group": "coordination.k8s.io", "kind": "leases", "uid": created.json["metadata"]["uid"]}
        assert (deleted.json["status"], deleted.json["details"]) == ("Success", details)

    run(story)


def test_delete_collection() -> None:
    async def story(app: App) -> None:
        for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
            await ask(app, "POST", SERVICES, {**service(name), "metadata": {"name": name, "labels": {"l": label}}})
        reply = await ask(app, "DELETE", f"{SERVICES}?labelSelector=l%3Dx")
        assert (reply.status, reply.json["kind"], len(reply.json["items"])) == (200, "ServiceList", 2)
        left = (await ask(app, "GET", SERVICES)).json["items"]
        assert [each["metadata"]["name"] for each in left] == ["c", "kubernetes"]

    run(story)


def test_lists_are_the_stored_bytes() -> None:
    async def story(app: App) -> None:
        created = await ask(app, "POST", SERVICES, service())
        reply = await ask(app, "GET", SERVICES)
        assert created.body in reply.body
        assert reply.header(b"content-length") == b"%d" % len(reply.body)
        assert (reply.json["kind"], reply.json["apiVersion"]) == ("ServiceList", "v1")
        assert reply.json["metadata"]["resourceVersion"] == created.json["metadata"]["resourceVersion"]
        empty = await ask(app, "GET", "/api/v1/namespaces/nowhere/services?limit=500")
        assert (empty.status, empty.json["items"]) == (200, [])
        named = await ask(app, "GET", f"{SERVICES}?fieldSelector=metadata.name%3Dweb")
        assert [each["metadata"]["name"] for each in named.json["items"]] == ["web"]

    run(story)


def test_long_lists_are_sent_in_pieces() -> None:
    async def story(app: App) -> None:
        for number in range(40):
            note = {"annotations": {"note": "x" * 5000}}
            await ask(app, "POST", PODS, pod(f"p-{number}", **note))
        call = Call(app, "GET", PODS)
        head = await call.start()
        pieces = [piece async for piece in call.pieces()]
        await call.task
        assert max(map(len, pieces)) <= 64 * 1024
        assert dict(head["headers"])[b"content-length"] == b"%d" % sum(map(len, pieces))
        assert len((await ask(app, "GET", PODS)).json["items"]) == 40

    run(story)


@pytest.mark.parametrize(
    ("media_type", "patch"),
    [
        ("application/merge-patch+json", {"spec": {"selector": {"app": "web"}}}),
        ("application/strategic-merge-patch+json", {"spec": {"selector": {"app": "web"}}}),
        ("application/json-patch+json", [{"op": "add", "path": "/spec/selector", "value": {"app": "web"}}]),
    ],
)
def test_patches(media_type: str, patch: Any) -> None:
    async def story(app: App) -> None:
        await ask(app, "POST", SERVICES, service())
        reply = await ask(app, "PATCH", f"{SERVICES}/web", patch, {"content-type": media_type})
        assert (reply.status, reply.json["spec"]["selector"]) == (200, {"app": "web"})
        assert (await ask(app, "GET", f"{SERVICES}/web")).body == reply.body

    run(story)


def test_a_patch_that_names_an_old_version_conflicts() -> None:
    async def story(app: App) -> None:
        await ask(app, "POST", SERVICES, service())
        patch = {"metadata": {"resourceVersion": "1", "labels": {"a": "b"}}}
        reply = await ask(app, "PATCH", f"{SERVICES}/web", patch, {"content-type": "application/merge-patch+json"})
        assert (reply.status, reply.json["reason"]) == (409, "Conflict")

    run(story)


def test_patch_types_that_are_not_spoken() -> None:
    async def story(app: App) -> None:
        words = "the body of the request was in an unknown format - accepted media types include: "
        three = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
        four = f"{three}, application/apply-patch+yaml"
        reply = await ask(app, "PATCH", f"{SERVICES}/web", b"{}", {"content-type": "application/json"})
        assert (reply.status, reply.json["message"]) == (415, words + four)
        pool = "/apis/metallb.io/v1beta1/namespaces/default/ipaddresspools/p"
        reply = await ask(app, "PATCH", pool, b"{}", {"content-type": "application/strategic-merge-patch+json"})
        two = "application/json-patch+json, application/merge-patch+json"
        assert reply.json["message"] == f"{words}{two}, application/apply-patch+yaml"

    run(story)


def test_status_is_written_by_its_own_path() -> None:
    async def story(app: App) -> None:
        created = (await ask(app, "POST", SERVICES, service(type="LoadBalancer"))).json
        created["status"] = {"loadBalancer": {"ingress": [{"ip": "198.18.100.1"}]}}
        ignored = await ask(app, "PUT", f"{SERVICES}/web", created)
        assert ignored.json["status"]["loadBalancer"] == {}
        patch = {"status": created["status"], "spec": {"selector": {"a": "b"}}}
        reply = await ask(app, "PATCH", f"{SERVICES}/web/status", patch, {"content-type": "application/merge-patch+json"})
        assert reply.json["status"]["loadBalancer"]["ingress"][0]["ip"] == "198.18.100.1"
        assert "selector" not in reply.json["spec"]
        assert (await ask(app, "GET", f"{SERVICES}/web/status")).body == reply.body

    run(story)


def test_binding() -> None:
    async def story(app: App) -> None:
        await ask(app, "POST", "/api/v1/nodes", {"metadata": {"name": "node-1"}})
        await ask(app, "POST", PODS, pod())
        binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "node-1"}}
        reply = await ask(app, "POST", f"{PODS}/web/binding", binding)
        assert (reply.status, reply.json["status"]) == (201, "Success")
        assert (await ask(app, "GET", f"{PODS}/web")).json["spec"]["nodeName"] == "node-1"

    run(story)


def test_bad_bodies_change_nothing() -> None:
    async def story(app: App) -> None:
        before = (await ask(app, "GET", SERVICES)).body
        reply = await ask(app, "POST", SERVICES, b"no json")
        assert (reply.status, reply.json["reason"]) == (400, "BadRequest")
        reply = await ask(app, "POST", SERVICES, service(ports=[{"port": 70000}, {"port": 0, "name": "x"}]))
        assert (reply.status, reply.json["reason"]) == (422, "Invalid")
        causes = {each["field"] for each in reply.json["details"]["causes"]}
        assert {"spec.ports[0].port", "spec.ports[1].port", "spec.ports[0].name"} <= causes
        reply = await ask(app, "POST", SERVICES, pod())
        assert reply.status == 400
        reply = await ask(app, "POST", f"{SERVICES}?fieldValidation=Strict", b'{"metadata":{"name":"a","name":"b"},"spam":1}')
        assert reply.status == 400
        assert 'unknown field "spam", duplicate field "metadata.name"' in reply.json["message"]
        reply = await ask(app, "POST", SERVICES, b'{"metadata":{"name":"' + b"x" * MAX_BODY_BYTES + b'"}}')
        assert (reply.status, reply.json["reason"]) == (413, "RequestEntityTooLarge")
        assert reply.json["message"] == "Request entity too large: limit is 3145728"
        assert reply.header(b"connection") == b"close"
        reply = await ask(app, "POST", SERVICES, b"", {"content-length": str(MAX_BODY_BYTES + 1)})
        assert reply.status == 413
        assert (await ask(app, "GET", SERVICES)).body == before

    run(story)


def test_warnings_travel_as_headers() -> None:
    async def story(app: App) -> None:
        reply = await ask(app, "POST", SERVICES, {**service(), "spam": 1})
        assert (reply.status, reply.header(b"warning")) == (201, b'299 - "unknown field \\"spam\\""')
        reply = await ask(app, "POST", f"{SERVICES}?fieldValidation=Ignore", {**service("b"), "spam": 1})
        assert (reply.status, reply.header(b"warning")) == (201, b"")

    run(story)


def test_dry_run_writes_nothing() -> None:
    async def story(app: App) -> None:
        assert (await ask(app, "POST", f"{SERVICES}?dryRun=All", service())).status == 201
        assert (await ask(app, "GET", f"{SERVICES}/web")).status == 404

    run(story)


def test_a_client_that_goes_away_in_its_request_is_not_answered() -> None:
    async def story(app: App) -> None:
        call = Call(app, "POST", SERVICES, b"x" * 100_001)
        call._inbox.get_nowait()
        call._inbox.get_nowait()
        call.hang_up()
        await asyncio.wait_for(call.task, 5)
        assert call._outbox.empty()

    run(story)


def test_queries_that_cannot_be_read() -> None:
    async def story(app: App) -> None:
        for query in ("labelSelector=%ff", "&".join(f"a{n}=1" for n in range(200)), "resourceVersion=x"):
            assert (await ask(app, "GET", f"{SERVICES}?{query}")).status == 400

    run(story)
