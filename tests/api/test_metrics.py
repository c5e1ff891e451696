"""What Prometheus reads."""

from __future__ import annotations

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from moorage.api.app import App
from tests.api.asgi import SERVICES, Call, ask, new_app, service

SERVICE = {"group": "", "version": "v1", "resource": "services", "subresource": ""}


async def samples(app: App) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    reply = await ask(app, "GET", "/metrics")
    assert reply.status == 200
    assert reply.header(b"content-type").startswith(b"text/plain; version=")
    families = text_string_to_metric_families(reply.body.decode())
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def labels(verb: str, scope: str, **more: str) -> frozenset[tuple[str, str]]:
    return frozenset({**SERVICE, "verb": verb, "scope": scope, **more}.items())


def test_requests_are_counted_by_verb_resource_and_code() -> None:
    async def story() -> None:
        app = await new_app()
        created = await ask(app, "POST", SERVICES, service())
        await ask(app, "POST", SERVICES, service())
        await ask(app, "GET", f"{SERVICES}/web")
        await ask(app, "GET", SERVICES, token="")
        found = await samples(app)
        assert found["apiserver_request_total", labels("POST", "namespace", code="201")] == 1
        assert found["apiserver_request_total", labels("POST", "namespace", code="409")] == 1
        assert found["apiserver_request_total", labels("GET", "resource", code="200")] == 1
        assert found["apiserver_request_duration_seconds_count", labels("POST", "namespace")] == 2
        assert ("apiserver_request_total", labels("LIST", "namespace", code="401")) not in found
        assert found["moorage_store_revision", frozenset()] == int(created.json["metadata"]["resourceVersion"])

    asyncio.run(story())


def test_open_watches_are_counted() -> None:
    async def story() -> None:
        app = await new_app()
        call = Call(app, "GET", f"{SERVICES}?watch=true")
        await call.start()
        key = ("apiserver_longrunning_requests", labels("WATCH", "namespace"))
        assert (await samples(app))[key] == 1
        call.hang_up()
        await call.task
        found = await samples(app)
        assert found[key] == 0
        assert found["apiserver_request_total", labels("WATCH", "namespace", code="200")] == 1
        assert ("apiserver_request_duration_seconds_count", labels("WATCH", "namespace")) not in found

    asyncio.run(story())
