"""`moorage bench connect`, short: each path goes where it says, and what goes elsewhere is noticed."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import msgspec
import pytest

from moorage.lab import netns_io
from moorage.run.bench_connect import WISHES, Report, bench_connect, make, measure
from moorage.run.bench_connect_stats import Way
from moorage.run.bench_lab import BenchPlan, backend
from moorage.run.bench_lab_io import BenchLab
from tests.kernel.ends import ends_and_leaves_nothing
from tests.kernel.needs import needs_root, unique_instance

pytestmark = [pytest.mark.kernel, needs_root]

NODE, OUTSIDE, INSIDE = "198.18.0.11", "198.18.0.100", "10.244.128.2"
SOURCES = {
    "direct": OUTSIDE,
    "one rule": NODE,
    "ClusterIP": INSIDE,
    "NodePort": NODE,
    "LoadBalancer": NODE,
    "NodePort Local": OUTSIDE,
}
"""Which address the backends see."""


def test_each_path_arrives_at_its_own_backend_with_the_source_it_should_have() -> None:
    async def story() -> dict[str, str]:
        async with BenchLab(BenchPlan(unique_instance("paths"))) as lab:
            await lab.agent.start()
            paths = [await make(lab, wish, number) for number, wish in enumerate(WISHES)]
            return {each.names.name: await lab.reach(each.namespace, *each.routes[Way.PATH].target) for each in paths}

    assert asyncio.run(story()) == {name: f"{source} {backend(2 * n)}" for n, (name, source) in enumerate(SOURCES.items())}


def test_a_short_run() -> None:
    plan, steps = BenchPlan(unique_instance("connect")), list[str]()
    report = asyncio.run(bench_connect(0.5, steps.append, plan))
    assert len(steps) == 1 + len(WISHES)
    assert {each.name: each.source for each in report.paths} == SOURCES
    for each in report.paths:
        assert each.connections > 100
        assert (each.failed, each.misdirected, each.direct_failed) == (0, 0, 0), each.name
        assert each.ratio > 0.3
        assert each.cpu_us > 1
    assert not set(plan.namespaces) & set(netns_io.names())


def test_connections_that_go_elsewhere_are_noticed() -> None:
    async def story() -> Report:
        async with BenchLab(BenchPlan(unique_instance("astray"))) as lab:
            await lab.agent.start()
            path = await make(lab, next(each for each in WISHES if each.name == "NodePort"), 0)
            through = path.routes[Way.PATH]
            elsewhere = msgspec.structs.replace(through, answer=through.answer.replace(NODE, OUTSIDE))
            path = msgspec.structs.replace(path, routes={**path.routes, Way.PATH: elsewhere})
            return Report((await measure(lab, path, 0.25),))

    report = asyncio.run(story())
    assert report.paths[0].connections == 0
    assert report.paths[0].misdirected == report.paths[0].failed > 0
    assert not report.met


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_told_to_end(number: signal.Signals) -> None:
    ends_and_leaves_nothing(number, ("connect", "--seconds", "60"), _load)


def _load(plan: BenchPlan, pid: int) -> list[str]:
    """The clients of that run: processes that were started with its namespace on the command line, and live in it."""
    try:
        inside = netns_io.path(plan.outside).stat()
    except OSError:
        return []
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if (each / "ns/net").stat().st_ino == inside.st_ino and b"bench_connect_load_io" in (each / "cmdline").read_bytes():
                found.append(each.name)
        except OSError:
            continue
    return found
