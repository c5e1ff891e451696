"""What would become of every LoadBalancer Service's address if the pools were others: the controller itself, against a world in
memory that performs what it plans.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from moorage.allocate.reservations import RETAINED_ANNOTATION
from moorage.client.fake_rules import merge, stamped
from moorage.control.address_condition import ADDRESS_ASSIGNED
from moorage.control.load_balancers import LoadBalancerController, is_ours, shown_addresses
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key, Object
from moorage.model.net import Address
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import MergePatch, Note

MOST_TURNS = 10_000
"""Looks of the controller until it has to be at rest. One Service takes three; one that waits for its address waits as long."""


class Fate(enum.StrEnum):
    KEEPS = "keeps"
    CHANGES = "changes"
    LOSES = "loses"
    GAINS = "gains"
    WAITS = "waits"
    """It has none, neither before nor after."""


class Prospect(msgspec.Struct, frozen=True):
    """One Service. `why` says why it does not keep what it has, and why it has none afterwards."""

    service: Key
    fate: Fate
    before: tuple[Address, ...]
    after: tuple[Address, ...]
    why: str = ""


def simulate(snapshot: Snapshot, pools: Iterable[IPAddressPool], provider: str, now: float) -> tuple[Prospect, ...]:
    """Every Service of ours, in key order. The network is not asked.

    `pools` are all that there would be; what the API says of one that stays (its status, what it has retained) is kept.
    `provider` is the controller's default, `now` seconds since the epoch.
    """
    controller = LoadBalancerController(provider)
    made = [_as_applied(each, snapshot.get(IPAddressPool, each.key)) for each in pools]
    world = _World(snapshot.with_objects(IPAddressPool, {each.key: each for each in made}))
    lost: dict[Key, str] = {}
    for _ in range(MOST_TURNS):
        changes = world.take_changes()
        plan = controller.reconcile(world.snapshot, changes, now)
        world.perform(each for each in plan.verbs if isinstance(each, MergePatch))
        revoked = (each for each in plan.verbs if isinstance(each, Note) and each.reason is Reason.ADDRESS_REVOKED)
        lost |= {each.about.key: each.message for each in revoked}
        if not plan.verbs and (plan.wake_at is None or plan.wake_at > now):
            return tuple(_prospects(snapshot, world.snapshot, lost))
    raise RuntimeError("the controller does not come to rest: please report this with the pools and Services")


class _World:
    """The API as the controller sees it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._changes = Changes(everything=True)
        self._revision = 0
        """Counts down in the versions, so that none is one of the API's."""

    def take_changes(self) -> Changes:
        changes, self._changes = self._changes, Changes()
        return changes

    def perform(self, patches: Iterable[MergePatch]) -> None:
        touched: dict[type[Object], dict[Key, Object]] = {}
        for each in patches:
            old = self.snapshot.all(each.type)[each.key]
            tree = merge(msgspec.json.decode(msgspec.json.encode(old)), each.patch)
            self._revision += 1
            new = stamped(msgspec.json.decode(msgspec.json.encode(tree), type=each.type), -self._revision)
            touched.setdefault(each.type, {})[each.key] = new
        for type_, objects in touched.items():
            self.snapshot = self.snapshot.with_objects(type_, {**self.snapshot.all(type_), **objects})
            self._changes = self._changes.merged(Changes({type_: frozenset(objects)}))


def _as_applied(pool: IPAddressPool, live: IPAddressPool | None) -> IPAddressPool:
    if live is None:
        return pool
    kept = {name: text for name, text in live.metadata.annotations.items() if name == RETAINED_ANNOTATION}
    meta = replace(pool.metadata, annotations={**pool.metadata.annotations, **kept}, uid=live.metadata.uid)
    return replace(pool, metadata=meta, status=live.status)


def _prospects(before: Snapshot, after: Snapshot, lost: Mapping[Key, str]) -> Iterable[Prospect]:
    for key, service in sorted(before.all(Service).items()):
        if not is_ours(service) or service.metadata.deletion_timestamp is not None:
            continue
        end = after.all(Service)[key]
        had, has = shown_addresses(service), shown_addresses(end)
        if had == has:
            fate = Fate.KEEPS if has else Fate.WAITS
        elif not has:
            fate = Fate.LOSES
        else:
            fate = Fate.CHANGES if had else Fate.GAINS
        pending = "" if has else next((each.message for each in end.status.conditions if each.type == ADDRESS_ASSIGNED), "")
        why = "; ".join(each for each in (lost.get(key, "").partition("]: ")[2], pending) if each)
        yield Prospect(key, fate, had, has, why)
