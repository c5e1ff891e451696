"""Bodies of PUT and PATCH that are nearly right: what upstream says, row by row.

Paths are below `staging/src/k8s.io/apiserver/pkg` of Kubernetes 1.36.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from moorage.api.app import App
from tests.api.asgi import SERVICES, Reply, ask, new_app, pod, service

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def run(story: Callable[[App], Awaitable[None]]) -> None:
    async def told() -> None:
        app = await new_app()
        assert (await ask(app, "POST", SERVICES, service())).status == 201
        await story(app)

    asyncio.run(told())


PUT_ROWS = [
    # endpoints/handlers/rest.go: checkName
    ({"metadata": {"name": ""}}, 400, "the name of the object (web based on URL) was undeterminable: name must be provided"),
    ({"metadata": {"name": "other"}}, 400, "the name of the object (other) does not match the name on the URL (web)"),
    # registry/rest/meta.go: EnsureObjectNamespaceMatchesRequestNamespace
    (
        {"metadata": {"name": "web", "namespace": "other"}},
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    # endpoints/handlers/update.go: UpdateResource
    (
        {"apiVersion": "discovery.k8s.io/v1"},
        400,
        "the API version in the data (discovery.k8s.io/v1) does not match the expected API version (v1)",
    ),
    # endpoints/handlers/response.go and rest.go: transformDecodeError
    ({"kind": "Pod"}, 400, 'Pod in version "v1" cannot be handled as a Service'),
    # registry/rest/update.go: BeforeUpdate; registry/generic/registry/store.go: Update
    ({"metadata": {"name": "web", "uid": "x"}}, 409, "Precondition failed: UID in precondition: x"),
    ({"metadata": {"name": "web", "resourceVersion": "1"}}, 409, "the object has been modified; please apply your changes"),
]


@pytest.mark.parametrize(("changes", "code", "words"), PUT_ROWS)
def test_put(changes: dict[str, Any], code: int, words: str) -> None:
    async def story(app: App) -> None:
        before = (await ask(app, "GET", f"{SERVICES}/web")).body
        reply = await ask(app, "PUT", f"{SERVICES}/web", {**service(), **changes})
        assert reply.status == code, reply.body
        assert words in reply.json["message"]
        assert (await ask(app, "GET", f"{SERVICES}/web")).body == before

    run(story)


PATCH_ROWS: list[tuple[str, Any, int, str]] = [
    # endpoints/handlers/patch.go: applyPatch -> checkName
    (MERGE, {"metadata": {"name": "x"}}, 400, "the name of the object (x) does not match the name on the URL (web)"),
    (STRATEGIC, {"metadata": {"name": "x"}}, 400, "the name of the object (x) does not match the name on the URL (web)"),
    (MERGE, {"metadata": {"name": None}}, 400, "(web based on URL) was undeterminable: name must be provided"),
    (MERGE, {"metadata": {"namespace": "x"}}, 400, "the namespace of the object (x) does not match the namespace on"),
    # the same: applyJSPatch
    (JSON_PATCH, b"no json", 400, "error decoding patch"),
    (JSON_PATCH, {"op": "add"}, 400, "error decoding patch"),
    (JSON_PATCH, [{"op": "test", "path": "/spec/type", "value": "x"}], 422, "due to an error in our request"),
    (JSON_PATCH, [{"op": "remove", "path": "/spec/none"}], 422, "due to an error in our request"),
    (JSON_PATCH, [{"op": "add", "path": "/x", "value": 1}] * 10_001, 413, "operations in a JSON patch is 10000, got 10001"),
    (MERGE, b"", 400, "json parse error"),
    (MERGE, b"[]", 400, "no JSON object"),
    # what was patched is judged as if it had been sent whole
    (MERGE, {"kind": "Pod"}, 400, 'cannot be handled as a Service'),
    (MERGE, {"spec": {"ports": "many"}}, 400, "cannot unmarshal"),
    (MERGE, {"spec": {"ports": None}}, 422, "spec.ports: Required value"),
    (MERGE, {"metadata": {"uid": "x"}}, 409, "Precondition failed: UID in precondition: x"),
    (MERGE, {"metadata": {"resourceVersion": "1"}}, 409, "the object has been modified"),
]  # fmt: skip


async def patched(app: App, media_type: str, body: Any, query: str = "") -> Reply:
    return await ask(app, "PATCH", f"{SERVICES}/web{query}", body, {"content-type": media_type})


@pytest.mark.parametrize(("media_type", "body", "code", "words"), PATCH_ROWS)
def test_patch(media_type: str, body: Any, code: int, words: str) -> None:
    async def story(app: App) -> None:
        before = (await ask(app, "GET", f"{SERVICES}/web")).body
        reply = await patched(app, media_type, body)
        assert reply.status == code, reply.body
        assert words in reply.json["message"]
        assert (await ask(app, "GET", f"{SERVICES}/web")).body == before

    run(story)


def test_a_json_patch_that_does_not_apply_says_why_in_its_cause() -> None:
    """apimachinery api/errors/errors.go: NewGenericServerResponse gives the message; the cause is what kubectl prints."""

    async def story(app: App) -> None:
        reply = await patched(app, JSON_PATCH, [{"op": "test", "path": "/spec/type", "value": "x"}])
        assert reply.json["message"] == "the server rejected our request due to an error in our request"
        assert reply.json["details"]["causes"][0]["message"] == "testing value /spec/type failed: test failed"

    run(story)


@pytest.mark.parametrize(("media_type", "body"), [(MERGE, {}), (STRATEGIC, {}), (JSON_PATCH, [])])
def test_an_empty_patch_changes_nothing(media_type: str, body: Any) -> None:
    async def story(app: App) -> None:
        before = (await ask(app, "GET", f"{SERVICES}/web")).body
        reply = await patched(app, media_type, body)
        assert (reply.status, reply.body) == (200, before)

    run(story)


@pytest.mark.parametrize("query", ["?dryRun=All", "?dryRun=All&fieldValidation=Strict"])
def test_a_dry_run_answers_as_if_and_keeps_nothing(query: str) -> None:
    async def story(app: App) -> None:
        before = (await ask(app, "GET", f"{SERVICES}/web")).body
        reply = await patched(app, MERGE, {"metadata": {"labels": {"a": "b"}}}, query)
        assert (reply.status, reply.json["metadata"]["labels"]) == (200, {"a": "b"})
        reply = await ask(app, "DELETE", f"{SERVICES}/web{query}")
        assert reply.status == 200
        assert (await ask(app, "GET", f"{SERVICES}/web")).body == before

    run(story)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        # a namespace's storage is no rest.CollectionDeleter (pkg/registry/core/namespace/storage)
        ("DELETE", "/api/v1/namespaces"),
        # endpoints/installer.go: the path over all namespaces has LIST and WATCH only
        ("DELETE", "/api/v1/services"),
        ("POST", "/api/v1/services"),
    ],
)
def test_collections_that_are_not_written_as_a_whole(method: str, path: str) -> None:
    async def story(app: App) -> None:
        assert (await ask(app, method, path, pod())).status == 405

    run(story)
