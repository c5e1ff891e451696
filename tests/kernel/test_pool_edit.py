"""An IPAddressPool is edited while clients ask the addresses that are handed out from it, 1,000 times a second each.

A real `moorage controller` hands them out, and real agents announce them: nobody notices what the edit is not about.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from moorage.control.address_condition import ADDRESS_ASSIGNED
from moorage.control.load_balancers import shown_addresses
from moorage.lab.launch import Entry, command_line
from moorage.model.cluster import SYSTEM_NAMESPACE
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key
from moorage.model.service import Service
from moorage.run.bench_failover_lab_io import CLIENT_ADDRESS, POOL, FailoverLab
from moorage.run.bench_objects import NAMESPACE
from moorage.run.child_process import ChildProcess
from tests.kernel.announced import eventually, formed, nothing_lost
from tests.kernel.needs import needs_root
from tests.kernel.questions import who_has

pytestmark = [pytest.mark.kernel, needs_root]

LAN_POOL = Key(SYSTEM_NAMESPACE, "lan")
STAYS, MOVES, NEW = POOL[1], POOL[2], POOL[16]
SPARE = "198.18.100.16/28"
SECONDS = 8.0
"""Until a Service is served at its new address: the network is asked about it first, for a second."""


@contextmanager
def controller(lab: FailoverLab, log: Path) -> Iterator[None]:
    """Hands out addresses, on a machine of the LAN: it asks the network before."""
    command = [sys.executable, "-m", "moorage", "controller", "--kubeconfig", str(lab.server.kubeconfig)]
    command += ["--controllers", "load-balancer-controller", "--health-port", "0", "--log-format", "json"]
    process = ChildProcess("the controller", command_line(Entry(lab.namespace("server")), command), log)
    process.spawn()
    try:
        yield
    finally:
        process.stop()


async def edit(lab: FailoverLab, ranges: Sequence[str]) -> None:
    await lab.client.merge_patch(IPAddressPool, LAN_POOL, {"spec": {"addresses": list(ranges)}})


async def shown(lab: FailoverLab, number: int) -> tuple[object, ...]:
    return shown_addresses(await lab.client.get(Service, Key(NAMESPACE, f"failover-{number}")))


async def is_assigned(lab: FailoverLab) -> bool:
    """Whether the controller has taken the addresses over that the lab wrote."""
    found, _ = await lab.client.list(Service)
    told = [one for each in found for one in each.status.conditions if (one.type, one.status) == (ADDRESS_ASSIGNED, "True")]
    return len(told) == len(lab.addresses)


async def counted(lab: FailoverLab, available: int) -> None:
    """Returns once the controller has taken note of the pool as it is."""

    async def is_so() -> bool:
        status = (await lab.client.get(IPAddressPool, LAN_POOL)).status
        return (status.assigned_ipv4, status.available_ipv4) == (2, available)

    assert await eventually(is_so)


def test_an_edit_costs_those_whose_addresses_it_takes_away_and_nobody_else(tmp_path: Path) -> None:
    """One more range and one less that nobody uses lose no request. A Service whose range is gone is served at another address
    within seconds, and nobody answers for the old one.
    """
    both = [f"{STAYS}/32", f"{MOVES}/32"]

    async def story() -> None:
        async with formed(addresses=2) as lab:
            await edit(lab, both)
            with controller(lab, tmp_path / "controller.log"):
                other = await lab.ask(MOVES)
                await other.answered()
                assert await eventually(lambda: is_assigned(lab))
                await counted(lab, 0)
                await nothing_lost(lab.asking, other)
                await edit(lab, [*both, SPARE, "198.18.100.32/28"])
                await counted(lab, 32)
                await nothing_lost(lab.asking, other)
                await edit(lab, [*both, SPARE])
                await counted(lab, 16)
                await nothing_lost(lab.asking, other)
                await edit(lab, [f"{STAYS}/32", SPARE])
                await moved(lab)
                await nothing_lost(lab.asking)
                assert (await other.window()).out_now
                assert (await shown(lab, 0), await shown(lab, 1)) == ((STAYS,), (NEW,))

    asyncio.run(story())


async def moved(lab: FailoverLab) -> None:
    """Returns once the new address is answered and the old one is not."""
    await (await lab.ask(NEW)).answered(SECONDS)

    async def has_nobody(address: IPv4Address) -> bool:
        return not await asyncio.to_thread(who_has, lab.namespace("client"), address, CLIENT_ADDRESS)

    assert await eventually(lambda: has_nobody(MOVES))
    assert len(await asyncio.to_thread(who_has, lab.namespace("client"), NEW, CLIENT_ADDRESS)) == 1
