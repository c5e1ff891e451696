"""The Leases of speakers: who is there, who is gone, and the view that they vote in.

What they are called is in `model.announcing`. A Lease is judged by what is seen of it here: clocks of other machines do not
count (as in client-go's leader election).

Speakers watch each other by heartbeats. A Lease says where one is met, and that it lives where it is not heard: so Leases are
renewed seldom, and often by those that miss somebody or are missed. Both of two that do not hear each other notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from moorage.announce.wish import State, View
from moorage.model.announcing import MEMBERS_ANNOTATION, Group, members_of
from moorage.model.clock import micro_timestamp
from moorage.model.cluster import Lease, LeaseSpec
from moorage.model.meta import Key, ObjectMeta
from moorage.model.net import Address, parse_address

CALM = 10.0
"""Seconds between two renewals of a Lease while all voters hear each other, as a kubelet has it."""
RENEW = 2.0
"""The same where a voter is missed."""
DURATION = 10.0
"""Seconds after which a speaker that is not heard and whose Lease is not renewed is gone: some renewals in a hurry."""
LOST = 60.0
"""Seconds after which it certainly does not run: the others go on without it even where they are the fewer."""
HEARD = 5.0
"""The API is heard while the own renewals come back as watch events, each not later than this after it is due."""

ADDRESSES_ANNOTATION = "moorage.dev/addresses"
"""Where a speaker is met by the others."""
API_VERSION = "coordination.k8s.io/v1"


def own_lease(group: Group, name: str, addresses: Iterable[Address], now: float, known: Lease | None) -> Lease:
    """The Lease of a speaker that is met at these addresses, renewed at `now` in seconds since the epoch."""
    spec = LeaseSpec(holder_identity=name, lease_duration_seconds=int(LOST), renew_time=micro_timestamp(now))
    return _written(group.lease(name), spec, {ADDRESSES_ANNOTATION: ",".join(map(str, addresses))}, known)


def view_lease(group: Group, name: str, view: View, now: float, known: Lease | None) -> Lease:
    """The view, written by speaker `name`. An update fails where somebody else has written meanwhile."""
    spec = LeaseSpec(holder_identity=name, renew_time=micro_timestamp(now), lease_transitions=view.epoch)
    return _written(group.view, spec, {MEMBERS_ANNOTATION: ",".join(view.members)}, known)


def view_of(lease: Lease | None) -> View:
    """The view that a Lease says, none of all for one that says nothing."""
    members, epoch = members_of(lease), (lease.spec.lease_transitions or 0) if lease is not None else 0
    return View(epoch, members) if members and epoch > 0 else View()


def _written(key: Key, spec: LeaseSpec, annotations: dict[str, str], known: Lease | None) -> Lease:
    meta = ObjectMeta(name=key.name, namespace=key.namespace) if known is None else known.metadata
    meta = replace(meta, annotations={**meta.annotations, **annotations}, managed_fields=None)
    return Lease(api_version=API_VERSION, kind="Lease", metadata=meta, spec=spec)


class Seen(msgspec.Struct):
    """One Lease: what was seen of it, and since when by our clock."""

    version: str
    since: float
    addresses: tuple[str, ...]


class Roll:
    """Which Leases have changed when. `now` is in seconds of any steady clock. Nobody is called gone before the API has
    been heard for as long as that takes.
    """

    def __init__(self, group: Group, name: str) -> None:
        self._group = group
        self._name = name
        self._seen: dict[str, Seen] = {}
        self._beats: dict[str, float] = {}
        self._alarmed_since: float | None = None
        self._heard_since: float | None = None

    def hear(self, state: State, now: float) -> bool:
        """What the speaker says: whom it hears, and whether the Lease is to be renewed in a hurry: a voter is missed, or misses
        this one, or it does not vote itself.
        """
        self._beats |= dict.fromkeys(state.peers, now)
        alarmed = bool(state.missed) or not state.authority or self._name not in state.view.members
        if not alarmed:
            self._alarmed_since = None
        elif self._alarmed_since is None:
            self._alarmed_since = now
        return alarmed

    def look(self, leases: Mapping[Key, Lease], now: float) -> None:
        """A Lease that is away from now on keeps the time when it was last seen."""
        for key, lease in leases.items():
            name = self._group.speaker(key)
            if name is None:
                continue
            seen = self._seen.get(name)
            if seen is None or seen.version != lease.metadata.resource_version:
                told = lease.metadata.annotations.get(ADDRESSES_ANNOTATION, "").split(",")
                self._seen[name] = Seen(lease.metadata.resource_version, now, tuple(filter(parse_address, told)))
        if not self.heard(now):
            self._heard_since = None
        elif self._heard_since is None:
            self._heard_since = now

    def heard(self, now: float) -> bool:
        """Whether the API is: the own Lease has changed of late, for how often it is renewed."""
        own = self._seen.get(self._name)
        if own is None:
            return False
        due = own.since + CALM
        if self._alarmed_since is not None:
            due = min(due, max(own.since, self._alarmed_since))
        return now < due + HEARD

    def peers(self, now: float, members: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Where the speakers are met that are there, or were a while ago, or vote."""
        kept = set(members)
        return {name: each.addresses for name, each in self._seen.items() if name in kept or now < each.since + LOST}

    def silent(self, seconds: float, names: Iterable[str], now: float) -> tuple[str, ...]:
        """Those that have not been heard for so long, and whose Leases have not changed or were never seen."""
        if self._heard_since is None or now < self._heard_since + seconds:
            return ()
        return tuple(sorted(each for each in names if now >= self._known_at(each) + seconds))

    def _known_at(self, name: str) -> float:
        seen = self._seen.get(name)
        return max(self._beats.get(name, 0.0), seen.since if seen is not None else 0.0)
