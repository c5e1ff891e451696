"""The three Services end to end: manifests through the real kubectl, packets through the real kernel, on three nodes."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from moorage.cli.kubectl import find_kubectl
from moorage.client.http_io import HttpClient
from moorage.client.kubeconfig_io import load
from moorage.lab.plan import LabPlan
from moorage.model.cluster import Event
from moorage.model.meta import Key
from moorage.model.service import Service
from moorage.run.bench_packet_io import first_good_packet
from moorage.run.standalone import UpSettings
from moorage.run.state_io import Running
from moorage.run.traffic import CUT_CONCURRENCY, Traffic
from moorage.run.up_io import detached, end
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]

T = TypeVar("T")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ECHO = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, labels: {app: APP}}
spec:
  containers:
    - name: echo
      image: moorage/echo
      readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}
---
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One system for the tests of this file, with the examples applied."""
    instance = unique_instance("svc")
    try:
        running = detached(UpSettings(instance=instance, nodes=3, port=0))
        run(running, _apply_examples)
        yield running
    finally:
        end(instance)


async def _apply_examples(traffic: Traffic) -> None:
    await traffic.kubectl("apply", "-f", str(EXAMPLES))
    await traffic.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=30s")
    path = "--for=jsonpath={.status.loadBalancer.ingress[0].ip}"
    await traffic.kubectl("wait", path, "service/my-production-app-service", "--timeout=30s")


def run(running: Running, story: Callable[[Traffic], Awaitable[T]]) -> T:
    async def told() -> T:
        async with HttpClient(load(running.kubeconfig)) as client:
            return await story(Traffic(LabPlan(running.instance, running.nodes), client, running.kubeconfig, find_kubectl()))

    return asyncio.run(told())


async def service(traffic: Traffic, name: str) -> Service:
    return await traffic.client.get(Service, Key("default", name))


def assert_spread_evenly(counts: Mapping[str, int], backends: int) -> None:
    """Each backend's share lies within five standard deviations of a fair draw: wrong once in a million runs."""
    total = sum(counts.values())
    expected, deviation = total / backends, math.sqrt(total * (1 / backends) * (1 - 1 / backends))
    assert len(counts) == backends
    assert all(abs(count - expected) <= 5 * deviation for count in counts.values()), counts


def test_cluster_ip_is_reached_by_name_and_spread_evenly(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        answers = await traffic.ask("pod/my-api-client", "http://my-api-service:80", 600)
        assert answers.failed == 0
        assert_spread_evenly(answers.pods, 3)
        for name in ("my-api-service.default", "my-api-service.default.svc", "my-api-service.default.svc.cluster.local"):
            assert (await traffic.ask("pod/my-api-client", f"http://{name}", 2)).failed == 0
        assert (await traffic.ask("pod/my-api-client", "http://no-such-service", 1)).errors == {"name not resolved": 1}

    run(running, story)


def test_cluster_ip_does_not_exist_outside(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        address = (await service(traffic, "my-api-service")).spec.cluster_ip
        assert (await traffic.ask("client", f"http://{address}", 1, timeout=1.0)).ok == 0
        for node in traffic.nodes():
            async with traffic.client_route_through(node, address):
                assert (await traffic.ask("client", f"http://{address}", 1, timeout=0.5)).errors == {"timeout": 1}
        assert (await traffic.ask("node/node-1", f"http://{address}", 5)).failed == 0, "a node is inside"

    run(running, story)


def test_a_wrong_port_and_an_empty_service_are_refused_at_once(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        address = (await service(traffic, "my-api-service")).spec.cluster_ip
        assert (await traffic.ask("pod/my-api-client", f"http://{address}:81", 3)).errors == {"connection refused": 3}
        await traffic.kubectl("create", "service", "clusterip", "empty", "--tcp=80:8080")
        try:
            empty = (await service(traffic, "empty")).spec.cluster_ip
            await _until_refused(traffic, f"http://{empty}:80")
        finally:
            await traffic.kubectl("delete", "service", "empty")

    run(running, story)


async def _until_refused(traffic: Traffic, target: str) -> None:
    limit = time.monotonic() + 5
    while (answers := await traffic.ask("pod/my-api-client", target, 1, timeout=0.3)).errors != {"connection refused": 1}:
        assert time.monotonic() < limit, answers


def test_node_port_is_served_by_every_node(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        given = await service(traffic, "my-webapp-service-30080")
        assert given.spec.ports[0].node_port == 30080
        found = await service(traffic, "my-webapp-service")
        port = found.spec.ports[0].node_port
        assert 30000 <= port <= 32767
        assert found.spec.cluster_ip
        for address in traffic.nodes().values():
            for node_port in (port, 30080):
                answers = await traffic.ask("client", f"http://{address}:{node_port}", 200)
                assert answers.failed == 0
                assert_spread_evenly(answers.pods, 2)

    run(running, story)


def test_udp_and_raw_tcp(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        manifest = Path(traffic.plan.state) / "protocols.yaml"
        manifest.write_text("""
apiVersion: v1
kind: Service
metadata: {name: protocols}
spec:
  type: NodePort
  selector: {app: my-api}
  ports:
    - {name: udp, protocol: UDP, port: 53, targetPort: 8080, nodePort: 30053}
    - {name: tcp, protocol: TCP, port: 53, targetPort: 8080, nodePort: 30053}
""")
        await traffic.kubectl("apply", "-f", str(manifest))
        try:
            address = (await service(traffic, "protocols")).spec.cluster_ip
            clients = [traffic.pod_namespace(pod) for pod in await traffic.pods("my-api-client")]
            assert first_good_packet(clients, address, 53) < 1.0
            for scheme in ("udp", "tcp"):
                inside = await traffic.ask("pod/my-api-client", f"{scheme}://protocols:53", 300)
                outside = await traffic.ask("client", f"{scheme}://{traffic.nodes()['node-2']}:30053", 300)
                for answers in (inside, outside):
                    assert answers.failed == 0
                    assert_spread_evenly(answers.pods, 3)
        finally:
            await traffic.kubectl("delete", "-f", str(manifest))

    run(running, story)


def test_traffic_stays_on_the_node_while_one_of_its_endpoints_is_ready(running: Running) -> None:
    """trafficDistribution: PreferSameNode, from the Service to its hints, to the kernels of the nodes."""

    async def story(traffic: Traffic) -> None:
        here = (await traffic.pods("my-api-client"))[0].spec.node_name
        wanted = {each.metadata.name for each in await traffic.pods("my-api") if each.spec.node_name == here}
        assert 0 < len(wanted) < 3
        await _distribute(traffic, '"PreferSameNode"', wanted)
        await _distribute(traffic, "null", {each.metadata.name for each in await traffic.pods("my-api")})

    run(running, story)


async def _distribute(traffic: Traffic, word: str, wanted: set[str]) -> None:
    await traffic.kubectl(
        "patch", "service", "my-api-service", "--type=merge", "-p", f'{{"spec": {{"trafficDistribution": {word}}}}}'
    )
    limit = time.monotonic() + 5
    while set((answers := await traffic.ask("pod/my-api-client", "http://my-api-service", 60)).pods) != wanted:
        assert time.monotonic() < limit, answers
        assert answers.failed == 0


def test_endpoints_written_by_hand_are_reached(running: Running) -> None:
    """A Service without a selector and an Endpoints object, which is mirrored to a slice."""

    async def story(traffic: Traffic) -> None:
        pod = (await traffic.pods("my-api"))[0]
        manifest = Path(traffic.plan.state) / "by-hand.yaml"
        manifest.write_text(f"""
apiVersion: v1
kind: Service
metadata: {{name: by-hand}}
spec: {{ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Endpoints
metadata: {{name: by-hand}}
subsets: [{{addresses: [{{ip: {pod.status.pod_ip}}}], ports: [{{port: 8080}}]}}]
""")
        await traffic.kubectl("apply", "-f", str(manifest))
        try:
            limit = time.monotonic() + 5
            while (answers := await traffic.ask("pod/my-api-client", "http://by-hand", 5)).failed:
                assert time.monotonic() < limit, answers
            assert set(answers.pods) == {pod.metadata.name}
        finally:
            await traffic.kubectl("delete", "service", "by-hand")  # its Endpoints go with it

    run(running, story)


def test_a_pod_sees_its_client_and_reaches_itself(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        pods = await traffic.pods("my-api")
        for pod in pods:
            answers = await traffic.ask(f"pod/{pod.metadata.name}", "http://my-api-service", 60)
            assert answers.failed == 0
            assert pod.metadata.name in answers.pods, "a Pod is a backend of its own Service (hairpin)"
            assert pod.status.pod_ip in answers.clients

    run(running, story)


def test_an_unready_pod_leaves_within_a_second(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        assert await traffic.seconds_to_leave("my-api-2", "pod/my-api-client", "http://my-api-service") < 1.0

    run(running, story)


def test_a_deleted_pod_loses_no_request_of_others(running: Running) -> None:
    """A Pod with a grace period is taken out first and ended afterwards: nobody who asks the Service notices."""

    async def story(traffic: Traffic) -> None:
        manifest = Path(traffic.plan.state) / "extra.yaml"
        manifest.write_text(ECHO.replace("NAME", "my-api-extra").replace("APP", "my-api"))
        await traffic.kubectl("apply", "-f", str(manifest))
        await traffic.kubectl("wait", "--for=condition=Ready", "pod/my-api-extra", "--timeout=20s")
        limit = time.monotonic() + 5
        while "my-api-extra" not in (await traffic.ask("pod/my-api-client", "http://my-api-service", 60)).pods:
            assert time.monotonic() < limit
        asking = asyncio.create_task(traffic.ask("pod/my-api-client", "http://my-api-service", 1500))
        await traffic.kubectl("delete", "pod", "my-api-extra")
        assert (await asking).failed == 0

    run(running, story)


def test_load_balancer_survives_the_loss_of_a_node(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        found = await service(traffic, "my-production-app-service")
        address = found.status.load_balancer.ingress[0].ip
        assert traffic.in_pool(address)
        answers = await traffic.ask("client", f"http://{address}", 300)
        assert answers.failed == 0
        assert_spread_evenly(answers.pods, 3)
        assert (await traffic.ask("pod/my-api-client", f"http://{address}", 30)).failed == 0, "also from inside"
        node = (await traffic.pods("my-production-app"))[1].spec.node_name
        try:
            cut = await traffic.ask_while_node_is_cut("client", f"http://{address}", node)
            assert cut.failed <= CUT_CONCURRENCY, f"more than the connections it held were lost: {cut.errors}"
            assert (await traffic.ask("client", f"http://{address}", 100)).failed == 0
        finally:
            await traffic.power(node, True)
        await traffic.kubectl("wait", "--for=condition=Ready", "pods", "--all", "--timeout=30s")

    run(running, story)


def test_the_pool_and_its_events_are_told(running: Running) -> None:
    async def story(traffic: Traffic) -> None:
        events, _ = await traffic.client.list(Event, "default")
        about = {each.reason for each in events if each.involved_object.name == "my-production-app-service"}
        assert "IPAllocated" in about

    run(running, story)
