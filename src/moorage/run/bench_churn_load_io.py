"""Who writes in `moorage bench churn`: so many changes a second to EndpointSlices, each of which replaces one endpoint.

    standard input: `bench_churn_stats.Orders` as JSON on one line
    standard output: "ready", and at the end `bench_churn_stats.Written` as JSON

Each write is a PUT of the whole slice, as a controller makes it. Each has its time, which does not wait for the answers of
others; where all connections are busy it comes late.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import uvloop

from moorage.client.kubeconfig_io import load
from moorage.client.routes import object_path
from moorage.manifest.convert import encode
from moorage.model.kinds import ENDPOINT_SLICES
from moorage.run.bench_churn_stats import Orders, Written
from moorage.run.bench_lab import Fill, nobody, slices
from moorage.run.bench_objects import Written as Body
from moorage.run.bench_spread import spread
from moorage.run.bench_wire import Caller, Endpoint

CONNECTIONS = 16
SLICES = 1000
"""As many are changed, spread over all Services; each is kept as text of some 14 kB."""


class Rolling:
    """The first slice of a Service, whose endpoints are replaced one after the other."""

    def __init__(self, fill: Fill, number: int) -> None:
        self._addresses = list(fill.addresses(number)[:100])
        (made,) = slices(f"web-{number}", tuple(self._addresses), "")
        self._path = object_path(ENDPOINT_SLICES, made.key)
        self._body = encode(made)
        self._next = 0

    def changed(self, address: str) -> Body:
        """The slice with this new address in the place of an old one."""
        old, self._addresses[self._next] = self._addresses[self._next], address
        self._next = (self._next + 1) % len(self._addresses)
        self._body = self._body.replace(f'"{old}"'.encode(), f'"{address}"'.encode(), 1)
        return Body(self._path, self._body)


class Writer:
    """`run` makes all writes. A refused one is counted, and the first refusal is told."""

    def __init__(self, orders: Orders) -> None:
        fill = Fill(orders.services, orders.endpoints, samples=0)
        count = min(SLICES, orders.services)
        self._slices = [Rolling(fill, each * orders.services // count) for each in range(count)]
        self._fresh = orders.services * orders.endpoints
        self._orders = orders
        self._seconds: list[float] = []
        self._late = 0.0
        self._refused: list[str] = []

    async def run(self) -> Written:
        endpoint = Endpoint.of(load(Path(self._orders.kubeconfig)))
        callers = await asyncio.gather(*(endpoint.connect(Caller) for _ in range(CONNECTIONS)))
        _say("ready")
        begun, cpu = time.monotonic(), time.process_time()
        times = iter(range(self._orders.writes))
        await asyncio.gather(*(self._write(endpoint, caller, times, begun) for caller in callers))
        seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
        for each in callers:
            each.close()
        return Written(
            done=len(self._seconds),
            refused=len(self._refused),
            refusal=self._refused[0] if self._refused else "",
            seconds=round(seconds, 3),
            late_s=round(self._late, 3),
            cpu_s=round(cpu, 2),
            write=spread(self._seconds),
        )

    async def _write(self, endpoint: Endpoint, caller: Caller, times: Iterator[int], begun: float) -> None:
        """One connection: whichever write is due next."""
        for number in times:
            due = begun + number / self._orders.rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            since = time.monotonic()
            self._late = max(self._late, since - due)
            body = self._slices[number % len(self._slices)].changed(nobody(self._fresh + number))
            status, answer = await caller.call(endpoint.request("PUT", body))
            if status == 200:
                self._seconds.append(time.monotonic() - since)
            else:
                self._refused.append(f"{status}: {answer[:200].decode(errors='replace')}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    _say(msgspec.json.encode(uvloop.run(Writer(orders).run())).decode())


if __name__ == "__main__":
    main()
