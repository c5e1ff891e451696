"""Leases and statuses of those who announce no more -> deletions: nodes and edges that are gone for good tell nobody.

    announce-node-NAME, announce-edge-NAME, applied-edge-NAME    silent for SILENCE, and none of those who vote
    applied-node-NAME                                            silent, and its Node is gone: an idle cluster renews none
    ServiceL2Status                                              its node's Lease is silent or away, or its Node is gone
    ServiceBGPStatus                                             its Node is gone, or neither kubelet nor agent say anything

A Lease tells where a speaker is met. The Lease of one that votes is never taken away, however long it is silent: it may be cut
off from the API alone and hold addresses, and an agent that starts then must be able to hear it, else it takes it for lost
(`docs/decisions/0010-a-majority-grants-addresses.md`). One that does not vote holds nothing, and after `announce.roll.LOST`
nobody looks at its Lease. Views are not taken away at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from moorage.control.hearing import Hearing
from moorage.control.in_flight import InFlight
from moorage.control.types import Plan
from moorage.model.announcing import EDGES, NODES, bgp_status_node, l2_status_node, members_of
from moorage.model.cluster import SYSTEM_NAMESPACE, Lease, Node
from moorage.model.meta import Key, Object, condition
from moorage.model.metallb import ServiceBGPStatus, ServiceL2Status
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import Collect, Verb
from moorage.model.withdrawal import NODE, applied_lease_key, whose

SILENCE = 600.0
"""Seconds. Ten times as long as a speaker's Lease counts for anything."""
LOOK = 30.0
"""Seconds between two looks: a cluster renews Leases all the time, and none of it is urgent."""
OWN_LEASE = Key(SYSTEM_NAMESPACE, "moorage-announcements-controller")


class AnnouncementsController:
    """Silence is measured on this clock, while what others write could be heard. A deletion is guarded by the version that was
    silent: who speaks meanwhile keeps what is its own.
    """

    name = "announcements-controller"
    wants: tuple[type[Object], ...] = (Lease, Node, ServiceL2Status, ServiceBGPStatus)
    ours: tuple[type[Object], ...] = (Lease, ServiceL2Status)
    """Those of which only what is in SYSTEM_NAMESPACE is looked at."""

    def __init__(self, silence: float = SILENCE, look: float = LOOK) -> None:
        self._hearing = Hearing(silence, OWN_LEASE)
        self._look = look
        self._look_at: float | None = None
        self._in_flight = InFlight()

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """At a look, every such object; in between nothing."""
        if self._look_at is not None and now < self._look_at and not changes.everything:
            return Plan(wake_at=self._look_at)
        self._look_at = now + self._look
        things = {f"{type(each).__name__} {each.key}": each for each in _things(snapshot)}
        signs = {name: _sign(each, snapshot, now) for name, each in things.items()}
        heard = self._hearing.listen(signs, snapshot, now)
        verbs: list[Verb] = list(heard.verbs)
        for name, each in sorted(things.items()):
            if not _is_left_over(each, name in heard.silent, snapshot):
                continue
            if self._in_flight.blocked_until(each.key, snapshot, now) is None:
                meta = each.metadata
                planned = Collect(type(each), each.key, meta.uid, meta.resource_version)
                self._in_flight.sent(each.key, (planned,), snapshot, now)
                verbs.append(planned)
        return Plan(tuple(verbs), self._look_at)

    def failed(self, verbs: Sequence[Verb]) -> None:
        if self._in_flight.failed(verbs):
            self._look_at = None


def _things(snapshot: Snapshot) -> Iterator[Lease | ServiceL2Status | ServiceBGPStatus]:
    """What this is about: none of others that have such kinds, and no view."""
    for lease in snapshot.all(Lease).values():
        if NODES.speaker(lease.key) or EDGES.speaker(lease.key) or whose(lease):
            yield lease
    yield from (each for key, each in snapshot.all(ServiceL2Status).items() if l2_status_node(key))
    yield from (each for key, each in snapshot.all(ServiceBGPStatus).items() if bgp_status_node(key.name))


def _sign(thing: Lease | ServiceL2Status | ServiceBGPStatus, snapshot: Snapshot, now: float) -> Any:
    """What changes whenever somebody speaks who stands behind it. A status that is written anew is one, too."""
    version = thing.metadata.resource_version
    if isinstance(thing, Lease):
        return version
    if isinstance(thing, ServiceL2Status):
        return version, _renewed(snapshot, NODES.lease(l2_status_node(thing.key)))
    name = bgp_status_node(thing.key.name)
    node = snapshot.get(Node, Key("", name))
    ready = condition(node.status.conditions, "Ready") if node is not None else None
    kubelet = now if ready is not None and ready.status != "Unknown" else None
    agent = _renewed(snapshot, NODES.lease(name)), _renewed(snapshot, applied_lease_key(NODE, name))
    return version, kubelet, agent


def _renewed(snapshot: Snapshot, key: Key) -> str | None:
    lease = snapshot.get(Lease, key)
    return lease.spec.renew_time if lease is not None else None


def _is_left_over(thing: Lease | ServiceL2Status | ServiceBGPStatus, silent: bool, snapshot: Snapshot) -> bool:
    if isinstance(thing, ServiceL2Status):
        return silent or _is_gone(snapshot, l2_status_node(thing.key))
    if isinstance(thing, ServiceBGPStatus):
        return silent or _is_gone(snapshot, bgp_status_node(thing.key.name))
    applied = whose(thing)
    if applied is not None:
        role, name = applied
        return silent and (role != NODE or _is_gone(snapshot, name))
    return silent and not _may_vote(thing.key, snapshot)


def _is_gone(snapshot: Snapshot, node: str) -> bool:
    return snapshot.get(Node, Key("", node)) is None


def _may_vote(lease: Key, snapshot: Snapshot) -> bool:
    """Whether its speaker is in the view. Without a view nobody knows who is."""
    group = NODES if NODES.speaker(lease) else EDGES
    members = members_of(snapshot.get(Lease, group.view))
    return not members or group.speaker(lease) in members
