"""Any request has an answer, and never one of the 500s: methods, paths, queries, headers and bodies that nobody would send."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.api.asgi import PODS, SERVICES, ask, new_app, pod, service

ANSWER_SECONDS = 5.0

METHODS = st.sampled_from(["GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"])
PATHS = st.one_of(
    st.sampled_from(
        [
            SERVICES,
            f"{SERVICES}/web",
            f"{SERVICES}/web/status",
            PODS,
            f"{PODS}/web",
            f"{PODS}/web/binding",
            "/api/v1/namespaces",
            "/api/v1/namespaces/default",
            "/apis/discovery.k8s.io/v1/endpointslices",
            "/openapi/v2",
            "/openapi/v3/api/v1",
            "/readyz",
            "/metrics",
            "/version",
            "/apis",
            "/",
        ]
    ),
    st.lists(st.sampled_from(["api", "apis", "v1", "namespaces", "default", "services", "web", "status", "", "..", "é", "%"]))
    .map("/".join)
    .map("/".__add__),
)
NAMES = st.sampled_from(
    [
        "watch",
        "limit",
        "continue",
        "resourceVersion",
        "resourceVersionMatch",
        "labelSelector",
        "fieldSelector",
        "timeoutSeconds",
        "allowWatchBookmarks",
        "sendInitialEvents",
        "dryRun",
        "fieldValidation",
        "fieldManager",
        "force",
        "propagationPolicy",
        "gracePeriodSeconds",
        "includeObject",
        "pretty",
        "verbose",
        "exclude",
        "hash",
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            "0",
            "1",
            "-1",
            "true",
            "false",
            "All",
            "Strict",
            "Exact",
            "NotOlderThan",
            "99999999999999999999",
            "1e3",
            "%ff",
            "%00",
            "a%3Db",
            "metadata.name%3Dweb",
            "a%20in%20(b)",
            "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6Miwic3RhcnQiOiJhIn0",
            "Foreground",
        ]
    ),
    st.text(alphabet="ab01=,!()<>%.&+-", max_size=12),
)
QUERIES = st.dictionaries(NAMES, VALUES, max_size=4).map(lambda pairs: "&".join(map("=".join, pairs.items())))
MEDIA = st.sampled_from(
    [
        "application/json",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/json-patch+json",
        "application/apply-patch+yaml",
        "text/html",
        ";",
        "é",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        "*/*;q=x",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "",
    ]
)
BODIES = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=40).map(b"k8s\0".__add__),
    st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    [
                        "metadata",
                        "name",
                        "spec",
                        "ports",
                        "port",
                        "kind",
                        "apiVersion",
                        "op",
                        "path",
                        "value",
                        "labels",
                        "$patch",
                        "selector",
                        "$deleteFromPrimitiveList/finalizers",
                        "$setElementOrder/ports",
                        "resourceVersion",
                        "target",
                        "uid",
                    ]
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    ),
    st.sampled_from([service(), pod(), [{"op": "test", "path": "/metadata/name", "value": "web"}]]),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(method=METHODS, path=PATHS, query=QUERIES, accept=MEDIA, content=MEDIA, body=BODIES)
@example("GET", SERVICES, "continue=%00", "", "", b"")
@example("PATCH", f"{SERVICES}/web", "", "", "application/json-patch+json", [{"op": "move", "from": "", "path": "/a"}])
def test_there_is_an_answer(method: str, path: str, query: str, accept: str, content: str, body: object) -> None:
    async def story() -> None:
        app = await new_app()
        assert (await ask(app, "POST", SERVICES, service())).status == 201
        app.stop()  # so that a watch ends after its first events
        headers = {"accept": accept, "content-type": content}
        async with asyncio.timeout(ANSWER_SECONDS):
            reply = await ask(app, method, f"{path}?{query}", body, headers)
        stopped = reply.status == 500 and path == "/readyz"
        assert reply.status < 500 or reply.status == 504 or stopped, reply.body

    asyncio.run(story())
