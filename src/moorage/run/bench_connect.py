"""`moorage bench connect`: short connections a second through each kind of Service address, beside the direct way.

    client --- node --- backend: four processes with one connection at a time each; the backend closes first

    direct          from outside, to compare the direct way with itself: what the machine's noise makes of equal things
    one rule        from outside, masqueraded by one rule that was written by hand: what the kernel itself takes for it
    ClusterIP       from inside the cluster, the source is kept
    NodePort        from outside, masqueraded
    LoadBalancer    from outside, masqueraded
    NodePort Local  from outside, the source is kept

The direct way goes from the same client to another backend over the same node, past the same hooks. No two ways share a
backend: what a connection leaves there (TIME_WAIT, with the timestamps of its client and destination) is met by connections
of the same way only, as it is for a client that asks one address. Each way has one backend, which meets every port of the
client again and again. Every answer is checked: it names the source that the backend saw, and the backend.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence

import msgspec

from moorage.model.service import CLUSTER_IP, LOAD_BALANCER, NODE_PORT, Service, ServiceSpec
from moorage.run.bench_connect_stats import GOAL, SLICE, Names, Orders, PathReport, Route, Tally, Way, report, turns
from moorage.run.bench_lab import (
    INSIDE_ADDRESS,
    LOAD_BALANCER_ADDRESS,
    NODE_ADDRESS,
    OUTSIDE_ADDRESS,
    PORT,
    TARGET_PORT,
    BenchPlan,
    backend,
    service,
    slices,
)
from moorage.run.bench_lab_io import BenchLab
from moorage.run.bench_network_io import add_rule_by_hand
from moorage.run.bench_program import program

CLIENTS = 4
BY_HAND_PORT = 29999
"""Outside the range of NodePorts."""
LEAD = 1.0
"""Seconds that the clients have for their start."""
GRACE = 20.0
"""Seconds after the last turn within which a client must have told its figures."""

PROGRAM = (sys.executable, "-m", "moorage.run.bench_connect_load_io")


class Path(msgspec.Struct, frozen=True):
    """A way through a Service, and the direct way beside it, from the same namespace."""

    names: Names
    namespace: str
    routes: dict[Way, Route]


class Wish(msgspec.Struct, frozen=True):
    """A path to make. Without a `spec` it is one to compare with, and goes through no Service."""

    name: str
    inside: bool = False
    masqueraded: bool = False
    spec: ServiceSpec | None = None


WISHES = (
    Wish("direct"),
    Wish("one rule", masqueraded=True),
    Wish("ClusterIP", inside=True, spec=ServiceSpec(type=CLUSTER_IP)),
    Wish("NodePort", masqueraded=True, spec=ServiceSpec(type=NODE_PORT)),
    Wish("LoadBalancer", masqueraded=True, spec=ServiceSpec(type=LOAD_BALANCER)),
    Wish("NodePort Local", spec=ServiceSpec(type=NODE_PORT, external_traffic_policy="Local")),
)


class Report(msgspec.Struct, frozen=True):
    paths: tuple[PathReport, ...]
    clients: int = CLIENTS
    goal: float = GOAL

    @property
    def met(self) -> bool:
        return all(each.met for each in self.paths)


async def bench_connect(
    seconds: float, step: Callable[[str], None], plan: BenchPlan | None = None, wishes: Sequence[Wish] = WISHES
) -> Report:
    """Each path for `seconds` and the direct way for as long, in turns. Raises HostError where the lab cannot be made."""
    step("starting a node, its clients and backends")
    async with BenchLab(plan) as lab:
        await lab.agent.start()
        paths = [await make(lab, wish, number) for number, wish in enumerate(wishes)]
        reports = []
        for path in paths:
            step(f"{path.names.name}: {seconds:.0f} s, and the direct way for as long, in turns")
            reports.append(await measure(lab, path, seconds))
    return Report(tuple(reports))


async def make(lab: BenchLab, wish: Wish, number: int) -> Path:
    """The n-th path of a lab, once a connection has come through it.

    The node asks first: a SYN that a client sends too early is tracked untranslated, and its port is of no use for two minutes.
    """
    own, other = backend(2 * number), backend(2 * number + 1)
    namespace = lab.inside if wish.inside else lab.outside
    client = str(INSIDE_ADDRESS if wish.inside else OUTSIDE_ADDRESS)
    source = str(NODE_ADDRESS) if wish.masqueraded else client
    target = await _open(lab, wish, f"connect-{number}", own)
    await lab.reach(lab.node, *target)
    await lab.reach(namespace, *target)
    names = Names(name=wish.name, client=client, source=source, judged=wish.spec is not None)
    direct = Route((other, TARGET_PORT), f"{client} {other}")
    return Path(names, namespace, {Way.DIRECT: direct, Way.PATH: Route(target, f"{source} {own}")})


async def _open(lab: BenchLab, wish: Wish, name: str, to: str) -> tuple[str, int]:
    """Where connections are made to that arrive at the backend `to`."""
    if wish.spec is not None:
        return await _serve(lab, name, wish.spec, to)
    if wish.masqueraded:
        add_rule_by_hand(lab.plan, BY_HAND_PORT, to)
        return str(NODE_ADDRESS), BY_HAND_PORT
    return to, TARGET_PORT


async def _serve(lab: BenchLab, name: str, spec: ServiceSpec, to: str) -> tuple[str, int]:
    """Creates a Service; the address and port at which this path goes through it."""
    made = await lab.client.create(service(name, spec))
    for each in slices(name, (to,)):
        await lab.client.create(each)
    if spec.type == NODE_PORT:
        return str(NODE_ADDRESS), made.spec.ports[0].node_port
    if spec.type == LOAD_BALANCER:
        ingress = {"ip": str(LOAD_BALANCER_ADDRESS), "ipMode": "VIP"}
        await lab.client.merge_patch(Service, made.key, {"status": {"loadBalancer": {"ingress": [ingress]}}}, "status")
        return str(LOAD_BALANCER_ADDRESS), PORT
    return made.spec.cluster_ip, PORT


async def measure(lab: BenchLab, path: Path, seconds: float) -> PathReport:
    """Raises HostError with a client's last words where one of them does not come to its end."""
    order = turns(seconds, time.monotonic() + LEAD)
    orders = Orders(path.routes, order, SLICE, lab.echo.pid)
    limit = order[-1].at - time.monotonic() + GRACE
    command = lab.command(path.namespace, PROGRAM)
    try:
        async with asyncio.TaskGroup() as group:
            clients = [group.create_task(_client(command, orders, limit)) for _ in range(CLIENTS)]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return report(path.names, order, [each.result() for each in clients])


async def _client(command: Sequence[str], orders: Orders, limit: float) -> list[Tally]:
    async with program("a client", command, orders) as running:
        return await running.figures(list[Tally], limit)
