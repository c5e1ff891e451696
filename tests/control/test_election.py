"""One candidate step by step, and many of them in a world with wrong clocks, lost messages and sudden deaths."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from moorage.control.election import JITTER, Candidate, Look, Put, Step, Terms, Wait
from moorage.model.cluster import Lease, LeaseSpec
from moorage.model.meta import Key, ObjectMeta

KEY = Key("moorage-system", "moorage-controller")
TERMS = Terms()


def candidate(identity: str = "me") -> Candidate:
    return Candidate(identity, KEY, TERMS)


def lease(holder: str, version: str = "1", **spec: object) -> Lease:
    meta = ObjectMeta(name=KEY.name, namespace=KEY.namespace, resource_version=version)
    return Lease(metadata=meta, spec=LeaseSpec(holder_identity=holder, lease_duration_seconds=15, **spec))  # type: ignore[arg-type]


def stored(put: object, version: str) -> Lease:
    assert isinstance(put, Put)
    return replace(put.lease, metadata=replace(put.lease.metadata, resource_version=version))


def test_where_there_is_no_lease_one_is_made() -> None:
    me = candidate()
    put = me.on_lease(None, 100.0, 0.0, 0.5)
    assert isinstance(put, Put)
    assert put.create
    assert put.lease.key == KEY
    assert put.lease.spec == LeaseSpec(
        holder_identity="me",
        lease_duration_seconds=15,
        acquire_time="1970-01-01T00:00:00.000000Z",
        renew_time="1970-01-01T00:00:00.000000Z",
        lease_transitions=0,
    )
    assert me.remaining(100.0) == 0
    assert me.on_written(stored(put, "1"), sent=100.0, now=101.0) == Wait(2.0)
    assert me.remaining(101.0) == 9.0, "it counts from when the request went out"


def leader() -> Candidate:
    me = candidate()
    me.on_written(stored(me.on_lease(None, 0.0, 0.0, 0.0), "1"), 0.0, 0.0)
    return me


def test_a_leader_renews_without_looking() -> None:
    me = leader()
    put = me.next(2.0, 5.0)
    assert isinstance(put, Put)
    assert (put.create, put.lease.metadata.resource_version) == (False, "1")
    spec = put.lease.spec
    assert (spec.acquire_time, spec.renew_time) == ("1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:05.000000Z")
    assert spec.lease_transitions == 0
    me.on_written(stored(put, "2"), 2.0, 2.0)
    assert me.remaining(2.0) == 10.0


def test_a_leader_that_fails_looks_again_for_its_write_may_have_been_done() -> None:
    me = leader()
    put = me.next(2.0, 0.0)
    assert me.on_failure(3.0, 0.5) == Wait(2.0)
    assert me.next(5.0, 0.0) == Look()
    again = me.on_lease(stored(put, "2"), 5.0, 9.0, 0.5)
    assert isinstance(again, Put)
    assert again.lease.metadata.resource_version == "2"
    assert me.remaining(5.0) == 5.0, "a look renews nothing"


def test_a_leader_that_cannot_renew_leads_no_longer() -> None:
    me = leader()
    assert me.on_failure(9.0, 0.5) == Wait(1.0)
    assert me.remaining(9.9) > 0 >= me.remaining(10.0)
    assert me.on_failure(10.0, 0.5) == Wait(2.0 * (1 + JITTER / 2))
    assert me.next(13.0, 0.0) == Look()


def test_a_leader_that_sees_another_one_stops_at_once() -> None:
    me = leader()
    assert isinstance(me.on_lease(lease("other", "2"), 3.0, 0.0, 0.0), Wait)
    assert me.remaining(3.0) == 0
    assert me.holder == "other"


def test_a_candidate_waits_as_long_as_the_lease_changes() -> None:
    me = candidate()
    for now in range(0, 100, 2):
        assert me.on_lease(lease("other", str(now // 14)), float(now), 0.0, 0.0) == Wait(2.0)


def test_a_candidate_takes_over_a_lease_that_stood_still() -> None:
    me = candidate()
    assert me.on_lease(lease("other", "7", lease_transitions=3, strategy="x"), 100.0, 0.0, 0.0) == Wait(2.0)
    assert isinstance(me.on_failure(110.0, 0.0), Wait)
    assert isinstance(me.on_lease(lease("other", "7"), 114.9, 0.0, 0.0), Wait)
    put = me.on_lease(lease("other", "7", lease_transitions=3, strategy="x"), 115.0, 0.0, 0.0)
    assert isinstance(put, Put)
    assert put.lease.metadata.resource_version == "7"
    assert (put.lease.spec.lease_transitions, put.lease.spec.strategy) == (4, "x")


def test_a_lease_that_was_given_up_is_taken_at_once() -> None:
    me = leader()
    put = me.released(8.0)
    assert put is not None
    assert put.lease.spec.holder_identity == ""
    assert put.lease.spec.lease_duration_seconds == 1
    assert me.remaining(0.0) == 0
    assert me.released(8.0) is None
    assert isinstance(candidate("other").on_lease(stored(put, "2"), 50.0, 0.0, 0.0), Put)


def test_a_lease_that_was_deleted_is_not_taken_from_who_may_still_hold_it() -> None:
    me = candidate()
    me.on_lease(lease("other", "7"), 100.0, 0.0, 0.0)
    assert isinstance(me.on_lease(None, 110.0, 0.0, 0.0), Wait)
    assert isinstance(me.on_lease(None, 115.0, 0.0, 0.0), Put)


class World:
    """A server with one Lease, candidates whose clocks run at their own rates, and a network that loses, delays and breaks."""

    def __init__(self, random: Random, drift: float, losses: float) -> None:
        self.now = 0.0
        self.most_at_once = 0
        self.led = 0.0
        self._random = random
        self._drift = drift
        self._losses = losses
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._lease: Lease | None = None
        self._version = 0
        self._members: dict[str, Member] = {}

    def run(self, members: int, seconds: float) -> None:
        for _ in range(members):
            self.join()
        while self._events and self._events[0][0] <= seconds:
            before, self.now = self.now, self._events[0][0]
            self.led += (self.now - before) * any(each.leads for each in self._members.values())
            heapq.heappop(self._events)[2]()
            self.most_at_once = max(self.most_at_once, sum(each.leads for each in self._members.values()))

    def join(self) -> None:
        self._count += 1
        rate = 1 + self._drift * self._random.choice((-1.0, 1.0, self._random.uniform(-1, 1)))
        member = Member(self, Candidate(f"c{self._count}", KEY, TERMS), rate, self._random)
        self._members[member.candidate.identity] = member
        self.after(self._random.uniform(0, 5), lambda: member.do(Look()))

    def leave(self, member: Member) -> None:
        """Its work ends with it; another process starts in its place."""
        del self._members[member.candidate.identity]
        self.after(self._random.uniform(0, 10), self.join)

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, event))

    def ask(self, step: Look | Put, answer: Callable[[Lease | None, bool], None], member: Member) -> None:
        """`answer` gets the Lease and whether the request was done, or nothing at all."""
        if self._random.random() < self._losses / 10:
            member.cut_until = self.now + self._random.uniform(0, 40)

        def arrive() -> None:
            reply = self._serve(step)
            if not self._is_lost(member):
                self.after(self._delay(), lambda: answer(*reply))

        if not self._is_lost(member):
            self.after(self._delay(), arrive)

    def _is_lost(self, member: Member) -> bool:
        return self.now < member.cut_until or self._random.random() < self._losses / 10

    def _delay(self) -> float:
        return self._random.uniform(0, 8) if self._random.random() < self._losses / 10 else 0.01

    def _serve(self, step: Look | Put) -> tuple[Lease | None, bool]:
        if isinstance(step, Look):
            return self._lease, True
        held = self._lease.metadata.resource_version if self._lease is not None else ""
        if step.lease.metadata.resource_version != held or step.create != (self._lease is None):
            return None, False
        self._version += 1
        self._lease = stored(step, str(self._version))
        return self._lease, True


class Member:
    """A candidate as its driver moves it. Its clock is wrong in rate and in offset."""

    def __init__(self, world: World, candidate: Candidate, rate: float, random: Random) -> None:
        self.candidate = candidate
        self.cut_until = 0.0
        self._world = world
        self._rate = rate
        self._offset = random.uniform(-1e6, 1e6)
        self._random = random
        self._attempt = 0
        self._gone = False

    @property
    def clock(self) -> float:
        return self._offset + self._rate * self._world.now

    @property
    def leads(self) -> bool:
        return self.candidate.remaining(self.clock) > 0

    def do(self, step: Step) -> None:
        if self._gone:
            return
        if isinstance(step, Wait):
            self._world.after(step.seconds / self._rate, lambda: self.do(self.candidate.next(self.clock, 0.0)))
            return
        self._attempt += 1
        attempt, sent = self._attempt, self.clock

        def answer(lease: Lease | None, done: bool) -> None:
            if self._gone or attempt != self._attempt:
                return
            self._attempt += 1
            if isinstance(step, Look):
                self._go(self.candidate.on_lease(lease, self.clock, 0.0, self._random.random()))
            elif done and lease is not None:
                self._go(self.candidate.on_written(lease, sent, self.clock))
            else:
                self._go(self.candidate.on_failure(self.clock, self._random.random()))

        def give_up() -> None:
            if not self._gone and attempt == self._attempt:
                self._attempt += 1
                self._go(self.candidate.on_failure(self.clock, self._random.random()))

        self._world.ask(step, answer, self)
        # A process that was frozen notices late that its time was up.
        self._world.after(self._random.choice((1.0, 1.0, 1.0, 6.0)) * TERMS.renew_deadline / 2 / self._rate, give_up)

    def _go(self, step: Step) -> None:
        if self._random.random() > 0.01:
            self.do(step)
            return
        self._gone = True
        released = self.candidate.released(0.0) if self._random.random() < 0.5 else None
        self._world.leave(self)
        if released is not None:
            self._world.ask(released, lambda *_: None, self)


SAFE_DRIFT = 0.19
"""Rates of 1.19 and 0.81 are in a ratio of 1.47; 15 to 10 seconds allow 1.5."""


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.integers(0, 2**32), st.floats(0, SAFE_DRIFT), st.floats(0, 1), st.integers(2, 5))
def test_two_never_lead_at_a_time(seed: int, drift: float, losses: float, members: int) -> None:
    world = World(Random(seed), drift, losses)
    world.run(members, 1000.0)
    assert world.most_at_once <= 1


def test_the_world_would_show_two_leaders() -> None:
    """With clocks that run apart further than the terms allow, two do lead at a time: the test above can fail."""
    worlds = [World(Random(seed), 0.4, 0.5) for seed in range(20)]
    for world in worlds:
        world.run(4, 1000.0)
    assert max(world.most_at_once for world in worlds) == 2


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_somebody_leads_most_of_the_time(seed: int) -> None:
    """Candidates die every few minutes, half of them without a word; the network is good."""
    world = World(Random(seed), 0.01, 0.0)
    world.run(3, 2000.0)
    assert world.led > 0.8 * 2000
