"""`kubernetes`, the official Python client: typed calls, pages, watches, patches, refusals, informer, leader election."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from kubernetes import client, config, informer, utils, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

from tests.server import Server, eventually


@pytest.fixture
def core(api: Any) -> Any:
    return client.CoreV1Api(api)


def service(name: str, **spec: Any) -> Any:
    """As a program builds it: objects of the client's models."""
    ports = [client.V1ServicePort(name="http", port=80, target_port=8080)]
    meta = client.V1ObjectMeta(name=name, labels={"app": name, "made-by": "official"})
    return client.V1Service(metadata=meta, spec=client.V1ServiceSpec(selector={"app": name}, ports=ports, **spec))


def refusal(call: Any, *arguments: Any, **named: Any) -> tuple[int, dict[str, Any]]:
    """The status and the decoded Status of a call that must be refused."""
    with pytest.raises(ApiException) as raised:
        call(*arguments, **named)
    return raised.value.status, json.loads(raised.value.body)


def test_typed_objects(core: Any, namespace: str) -> None:
    made = core.create_namespaced_service(namespace, service("web", type="NodePort"))
    assert made.spec.cluster_ip.startswith("10.96.")
    assert made.spec.cluster_ips == [made.spec.cluster_ip]
    assert 30000 <= made.spec.ports[0].node_port <= 32767
    assert made.spec.ports[0].target_port == 8080
    assert (made.spec.session_affinity, made.spec.internal_traffic_policy) == ("None", "Cluster")
    assert made.metadata.creation_timestamp.tzinfo is not None
    made.spec.type = "ClusterIP"
    made.spec.ports[0].node_port = None
    changed = core.replace_namespaced_service("web", namespace, made)
    assert changed.spec.ports[0].node_port is None
    assert changed.spec.cluster_ip == made.spec.cluster_ip
    gone = core.delete_namespaced_service("web", namespace)
    assert gone.metadata.uid == made.metadata.uid
    assert refusal(core.read_namespaced_service, "web", namespace)[0] == 404


def test_lists_in_pages_show_one_state(core: Any, namespace: str) -> None:
    for number in range(7):
        core.create_namespaced_service(namespace, service(f"web-{number}"))
    first = core.list_namespaced_service(namespace, limit=3)
    assert first.metadata.remaining_item_count == 4
    core.delete_namespaced_service("web-5", namespace)
    core.create_namespaced_service(namespace, service("web-9"))
    names, token = [each.metadata.name for each in first.items], first.metadata._continue
    while token:
        page = core.list_namespaced_service(namespace, limit=3, _continue=token)
        assert page.metadata.resource_version == first.metadata.resource_version
        names += [each.metadata.name for each in page.items]
        token = page.metadata._continue
    assert names == [f"web-{number}" for number in range(7)]
    assert refusal(core.list_namespaced_service, namespace, limit=3, _continue="nonsense")[0] == 400


@pytest.mark.parametrize(
    ("labels", "fields", "names"),
    [
        ("app in (web-1, web-2)", None, ["web-1", "web-2"]),
        ("made-by,app notin (web-1)", None, ["web-0", "web-2"]),
        ("!made-by", None, []),
        ("app!=web-0", "metadata.name=web-2", ["web-2"]),
        (None, "metadata.name!=web-0", ["web-1", "web-2"]),
    ],
)
def test_selectors(core: Any, namespace: str, labels: str | None, fields: str | None, names: list[str]) -> None:
    for number in range(3):
        core.create_namespaced_service(namespace, service(f"web-{number}"))
    selected = {"label_selector": labels, "field_selector": fields}
    found = core.list_namespaced_service(namespace, **{name: text for name, text in selected.items() if text})
    assert [each.metadata.name for each in found.items] == names
    whole = core.delete_collection_namespaced_service(namespace, label_selector="app in (web-0, web-1)")
    assert whole is not None
    assert [each.metadata.name for each in core.list_namespaced_service(namespace).items] == ["web-2"]


def test_a_watch_goes_on_where_it_stopped(core: Any, namespace: str) -> None:
    core.create_namespaced_service(namespace, service("before"))
    since = core.list_namespaced_service(namespace).metadata.resource_version
    core.create_namespaced_service(namespace, service("first"))
    core.patch_namespaced_service("first", namespace, {"metadata": {"labels": {"turn": "2"}}})
    seen = _events(core, namespace, since, 2)
    assert [(type_, name) for type_, name, _ in seen] == [("ADDED", "first"), ("MODIFIED", "first")]
    core.delete_namespaced_service("first", namespace)
    core.create_namespaced_service(namespace, service("second"))
    rest = _events(core, namespace, seen[-1][2], 2)
    assert [(type_, name) for type_, name, _ in rest] == [("DELETED", "first"), ("ADDED", "second")]


def _events(core: Any, namespace: str, since: str, count: int) -> list[tuple[str, str, str]]:
    """Type, name and resourceVersion of the next events."""
    watching, found = watch.Watch(), []
    stream = watching.stream(core.list_namespaced_service, namespace, resource_version=since, timeout_seconds=20)
    for event in stream:
        meta = event["object"].metadata
        found.append((event["type"], meta.name, meta.resource_version))
        if len(found) == count:
            watching.stop()
    return found


def test_a_watch_ends_with_a_bookmark_of_the_newest_version(core: Any, namespace: str) -> None:
    since = core.list_namespaced_service(namespace).metadata.resource_version
    newest = core.create_namespace({"metadata": {"name": f"{namespace}-other"}}).metadata.resource_version
    stream = watch.Watch().stream(
        core.list_namespaced_service, namespace, resource_version=since, allow_watch_bookmarks=True, timeout_seconds=1
    )
    told = [(event["type"], event["raw_object"]["metadata"]["resourceVersion"]) for event in stream]
    core.delete_namespace(f"{namespace}-other")
    assert told
    assert {type_ for type_, _ in told} == {"BOOKMARK"}
    assert int(told[-1][1]) >= int(newest)


def test_a_version_that_is_too_new_or_no_version(core: Any, namespace: str) -> None:
    status, told = refusal(
        core.list_namespaced_service, namespace, resource_version="999999999", resource_version_match="Exact"
    )
    assert (status, told["reason"]) in ((504, "Timeout"), (410, "Expired"))
    assert refusal(core.list_namespaced_service, namespace, resource_version="nonsense")[0] == 400


STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


@pytest.mark.parametrize(
    ("content_type", "patch", "ports"),
    [
        (STRATEGIC, {"spec": {"ports": [{"port": 443, "name": "https"}]}}, [443, 80]),
        (MERGE, {"spec": {"ports": [{"port": 443, "name": "https"}]}}, [443]),
        (JSON_PATCH, [{"op": "add", "path": "/spec/ports/-", "value": {"port": 443, "name": "https"}}], [80, 443]),
    ],
)
def test_patches(core: Any, namespace: str, content_type: str, patch: Any, ports: list[int]) -> None:
    core.create_namespaced_service(namespace, service("web"))
    changed = core.patch_namespaced_service("web", namespace, patch, _content_type=content_type)
    assert [each.port for each in changed.spec.ports] == ports


def test_server_side_apply(core: Any, namespace: str) -> None:
    wanted = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    named = {"_content_type": "application/apply-patch+yaml", "field_manager": "first"}
    made = core.patch_namespaced_service("web", namespace, wanted, **named)
    assert [each.manager for each in made.metadata.managed_fields] == ["first"]
    wanted["spec"] = {"ports": [{"port": 80, "targetPort": 8080}]}
    other = {**named, "field_manager": "second"}
    wanted["metadata"] = {"name": "web", "labels": {"by": "second"}}
    assert core.patch_namespaced_service("web", namespace, {**wanted, "spec": {}}, **other).metadata.labels == {"by": "second"}
    wanted["metadata"] = {"name": "web", "labels": {"by": "first"}}
    status, told = refusal(core.patch_namespaced_service, "web", namespace, {**wanted, "spec": {}}, **named)
    assert (status, told["reason"]) == (409, "Conflict")
    assert [each["reason"] for each in told["details"]["causes"]] == ["FieldManagerConflict"]
    assert core.patch_namespaced_service("web", namespace, wanted, force=True, **named).metadata.labels == {"by": "first"}


def test_refusals(core: Any, namespace: str) -> None:
    made = core.create_namespaced_service(namespace, service("web"))
    status, told = refusal(core.create_namespaced_service, namespace, service("web"))
    assert (status, told["reason"], told["message"]) == (409, "AlreadyExists", 'services "web" already exists')
    core.patch_namespaced_service("web", namespace, {"metadata": {"labels": {"turn": "2"}}})
    status, told = refusal(core.replace_namespaced_service, "web", namespace, made)
    assert (status, told["reason"]) == (409, "Conflict")
    status, told = refusal(core.create_namespaced_service, namespace, service("Web_1", type="Nonsense"))
    assert (status, told["reason"]) == (422, "Invalid")
    assert {each["field"] for each in told["details"]["causes"]} >= {"metadata.name", "spec.type"}
    status, told = refusal(core.create_namespaced_service, "nowhere", service("web"))
    assert (status, told["reason"], told["message"]) == (404, "NotFound", 'namespaces "nowhere" not found')
    status, told = refusal(core.delete_namespaced_service, "web", namespace, body={"preconditions": {"uid": "other"}})
    assert (status, told["reason"]) == (409, "Conflict")


def test_a_wrong_token_is_refused(server: Server) -> None:
    with config.new_client_from_config(str(server.kubeconfig)) as api:
        api.configuration.api_key = {"authorization": "Bearer wrong"}
        api.configuration.api_key_prefix = {}
        api.configuration.cert_file = api.configuration.key_file = None
        api.rest_client = type(api.rest_client)(api.configuration)
        status, told = refusal(client.CoreV1Api(api).list_namespace)
    assert (status, told["reason"], told["message"]) == (401, "Unauthorized", "Unauthorized")


def test_a_dry_run_writes_nothing(core: Any, namespace: str) -> None:
    assert core.create_namespaced_service(namespace, service("web"), dry_run="All").metadata.uid
    assert core.list_namespaced_service(namespace).items == []


def test_status_and_binding_are_written_apart(core: Any, namespace: str) -> None:
    core.create_namespaced_service(namespace, service("web", type="LoadBalancer"))
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "198.18.100.7"}]}}, "spec": {"type": "ClusterIP"}}
    changed = core.patch_namespaced_service_status("web", namespace, status)
    assert changed.status.load_balancer.ingress[0].ip == "198.18.100.7"
    assert core.read_namespaced_service("web", namespace).spec.type == "LoadBalancer"
    core.create_namespaced_pod(namespace, {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "a", "image": "a"}]}})
    target = client.V1ObjectReference(api_version="v1", kind="Node", name="node-1")
    binding = client.V1Binding(metadata=client.V1ObjectMeta(name="web"), target=target)
    core.create_namespaced_pod_binding("web", namespace, binding, _preload_content=False)
    assert core.read_namespaced_pod("web", namespace).spec.node_name == "node-1"


def test_manifests_of_several_documents(api: Any, core: Any, namespace: str) -> None:
    documents = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}} for name in "ab"
    ]
    utils.create_from_yaml(api, yaml_objects=documents, namespace=namespace)
    assert [each.metadata.name for each in core.list_namespaced_service(namespace).items] == ["a", "b"]


def test_an_informer_keeps_a_copy(core: Any, namespace: str) -> None:
    core.create_namespaced_service(namespace, service("before"))
    copy = informer.SharedInformer(core.list_namespaced_service, namespace=namespace)
    told: list[tuple[str, str]] = []
    for type_ in ("ADDED", "MODIFIED", "DELETED"):
        copy.add_event_handler(type_, lambda obj, type_=type_: told.append((type_, obj.metadata.name)))
    copy.start()
    try:
        eventually(lambda: told == [("ADDED", "before")])
        core.create_namespaced_service(namespace, service("after"))
        core.patch_namespaced_service("after", namespace, {"spec": {"type": "NodePort"}})
        core.delete_namespaced_service("before", namespace)
        expected = [("ADDED", "before"), ("ADDED", "after"), ("MODIFIED", "after"), ("DELETED", "before")]
        eventually(lambda: told == expected)
        assert [each.metadata.name for each in copy.cache.list()] == ["after"]
    finally:
        ending = threading.Thread(target=copy.stop)
        ending.start()  # it waits for one more event
        core.create_namespaced_service(namespace, service("last"))
        ending.join(20)
    assert not ending.is_alive()


def test_one_leader_at_a_time(api: Any, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    coordination = client.CoordinationV1Api(api)
    monkeypatch.setattr(client, "CoordinationV1Api", lambda: coordination)  # the lock takes no client

    def lead(name: str) -> tuple[threading.Thread, threading.Event]:
        """A candidate that leads, when it does, until its lease is somebody else's."""
        led = threading.Event()
        told = electionconfig.Config(LeaseLock("leader", namespace, name), 3, 2, 1, led.set, lambda: None)
        running = threading.Thread(target=leaderelection.LeaderElection(told).run, daemon=True)
        running.start()
        return running, led

    first, first_led = lead("first")
    assert first_led.wait(20)
    second, second_led = lead("second")
    holder = coordination.read_namespaced_lease("leader", namespace)
    assert holder.spec.holder_identity == "first"
    eventually(lambda: coordination.read_namespaced_lease("leader", namespace).spec.renew_time > holder.spec.renew_time)
    assert not second_led.is_set()
    taken = {"spec": {"holderIdentity": "second"}}
    coordination.patch_namespaced_lease("leader", namespace, taken, _content_type=MERGE)
    assert second_led.wait(20)
    first.join(20)
    assert not first.is_alive(), "who is not the holder any more steps back"
    client.CoreV1Api(api).delete_namespace(namespace)  # nothing to renew, and nowhere to make it again
    second.join(20)
    assert not second.is_alive()
