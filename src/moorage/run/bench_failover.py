"""`moorage bench failover`: the node that answers for a load-balancer address fails again and again, while a client
asks.

    client --- 1,000 datagrams a second ---> the address ---> a node that forwards ---> a backend
                                                  |
                                      crash, cut cable, drain, upgrade

A trial is over when the node is one of those that may answer again and the address is back with it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from moorage.lab.plan import check_instance
from moorage.model.errors import HostError
from moorage.run.bench_failover_lab_io import FailoverLab, Window
from moorage.run.bench_failover_stats import Fault, Report, Trial, report

RATE = 1000.0
SETTLE = 0.7
"""Seconds after a fault until the client is asked: the goal of 1 s, with the patience of the client."""
MOVE_SECONDS = 30.0
PAUSE = 0.05


async def bench_failover(
    trials: int, nodes: int, fault: Fault, step: Callable[[str], None], instance: str = "", rate: float = RATE
) -> Report:
    """Raises HostError where the lab cannot be made, or the address does not come back."""
    instance = instance or f"bench-{os.getpid()}"
    check_instance(instance)
    step(f"starting {nodes} nodes that announce, a client and a backend")
    async with FailoverLab(instance, nodes, rate=rate) as lab:
        await lab.formed()
        done = []
        for number in range(1, trials + 1):
            done.append(await trial(lab, fault))
            last = done[-1]
            step(f"trial {number} of {trials}: {last.node}, {fault.value}: out for {last.outage_s:.3f} s, {last.lost} lost")
        return report(fault, nodes, rate, done)


async def trial(lab: FailoverLab, fault: Fault) -> Trial:
    """One fault of the node that answers now, and its return."""
    before = await lab.asking.window()
    node = await lab.owner(lab.addresses[0])
    if node is None:
        raise HostError("nobody answers for the address")
    await _strike(lab, fault, node)
    met = await _window(lab)
    await _mend(lab, fault, node)
    await back(lab, node)
    after = await lab.asking.window()
    return Trial(node, met.asked, met.lost, met.outage_s, before.lost + after.lost)


async def _strike(lab: FailoverLab, fault: Fault, node: str) -> None:
    match fault:
        case Fault.CRASH:
            await lab.crash(node)
        case Fault.LINK:
            await lab.link(node, False)
        case Fault.DRAIN:
            await lab.mark(node, True)
            await moved(lab, node)
            await asyncio.to_thread(lab.agents[node].stop)
        case Fault.UPGRADE:
            await asyncio.to_thread(lab.agents[node].stop)
            await lab.agents[node].start()
    await asyncio.sleep(SETTLE)


async def _window(lab: FailoverLab) -> Window:
    """Until requests are answered; an outage that goes on is one."""
    met = await lab.asking.window()
    end = asyncio.get_running_loop().time() + MOVE_SECONDS
    while met.out_now:
        if asyncio.get_running_loop().time() > end:
            raise HostError(f"the address is not answered for {MOVE_SECONDS:.0f} s after its node has failed")
        more = await lab.asking.window()
        met = Window(met.asked + more.asked, met.lost + more.lost, met.outage_s + more.outage_s, more.out_now)
    return met


async def _mend(lab: FailoverLab, fault: Fault, node: str) -> None:
    match fault:
        case Fault.CRASH:
            await lab.revive(node)
        case Fault.LINK:
            await lab.link(node, True)
        case Fault.DRAIN:
            await lab.mark(node, False)
            await lab.agents[node].start()


async def moved(lab: FailoverLab, node: str) -> None:
    """Returns once another one answers."""
    await _until(lab, lambda owner: owner not in (None, node), f"the address stays with {node}")


async def back(lab: FailoverLab, node: str) -> None:
    await _until(lab, lambda owner: owner == node, f"the address does not come back to {node}")


async def _until(lab: FailoverLab, holds: Callable[[str | None], bool], otherwise: str) -> None:
    end = asyncio.get_running_loop().time() + MOVE_SECONDS
    while not holds(await lab.owner(lab.addresses[0])):
        if asyncio.get_running_loop().time() > end:
            words = "\n".join(each.last_words(3) for each in lab.agents.values())
            raise HostError(f"{otherwise}; the nodes said last:\n{words}")
        await asyncio.sleep(PAUSE)
