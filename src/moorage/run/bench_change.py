"""A Service whose EndpointSlice is changed as a whole, and how long the kernel takes to follow.

    PUT of the slice -> the API server answers (t0) -> datagrams from a Pod until one is answered by a new backend

Two sets of backends take turns, and all endpoints of the slice are replaced at once: that is the largest change that one write
can make, and every packet that comes through after it has reached a new backend.
"""

from __future__ import annotations

import time

import msgspec

from moorage.model.slices import MAX_ENDPOINTS_PER_SLICE, EndpointSlice
from moorage.run.bench_lab import PORT, backend, service, slices
from moorage.run.bench_lab_io import BenchLab
from moorage.run.bench_packet_io import first_good_packet

NAME = "changing"
MOST = MAX_ENDPOINTS_PER_SLICE
"""Endpoints of one slice."""


class Change(msgspec.Struct, frozen=True):
    """Seconds: from sending the write to the API's answer, and from there to the first good packet."""

    write: float
    lag: float


class ChangingService:
    """Use `open` once, then `change` again and again. The lab's Services must ask for no backends: this one has the first."""

    def __init__(self, lab: BenchLab, endpoints: int) -> None:
        self._lab = lab
        self._sets = [tuple(backend(turn * MOST + each) for each in range(min(endpoints, MOST))) for turn in range(2)]
        self._turn = 0
        self._address = ""

    async def open(self) -> None:
        """Creates it; it can be reached then. The agent must run."""
        self._address = (await self._lab.client.create(service(NAME, udp=True))).spec.cluster_ip
        await self._lab.client.create(self._slice())
        self._reach()

    async def change(self) -> Change:
        """Raises HostError where no new backend is reached."""
        self._turn = 1 - self._turn
        wanted, since = self._slice(), time.monotonic()
        await self._lab.client.update(wanted)
        return Change(time.monotonic() - since, self._reach())

    def _slice(self) -> EndpointSlice:
        (made,) = slices(NAME, self._sets[self._turn], udp=True)
        return made

    def _reach(self) -> float:
        return first_good_packet((self._lab.inside,), self._address, PORT, frozenset(self._sets[self._turn]))
