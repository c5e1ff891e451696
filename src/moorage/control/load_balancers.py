"""LoadBalancer Services + IPAddressPools -> addresses in `status.loadBalancer`, a condition and events that say why not, and
what pools count and remember.

An address belongs to whoever shows it in `status`, or was handed it in this run and does not show it yet; of two that show the
same one and do not share it, to the older. Services of another `loadBalancerClass` keep what they show; one that waits long for
its address is told that it is not ours to give.

Together with its addresses a Service gets annotations: who serves them (`moorage.dev/load-balancer`, where its class does not
say so), and which pool they are from (`metallb.io/ip-allocated-from-pool`).

A Service has the finalizer `service.kubernetes.io/load-balancer-cleanup` from before its first address until after its last one
is withdrawn, so that none is forgotten while the controller is away (KEP-980).
"""

from __future__ import annotations

from collections.abc import Sequence

from moorage.allocate.pools import Pool
from moorage.control.address_book import Book
from moorage.control.address_condition import ADDRESS_ASSIGNED, Verdict, conditions_with
from moorage.control.address_probes import ASK_AGAIN, Neighbourhood, Unprobed
from moorage.control.address_writes import counts_patch, finalizers_patch, marks, mode_is_right, retained_patch, status_patch
from moorage.control.fights import FROM_POOL_ANNOTATION, Fights, rival_of
from moorage.control.in_flight import InFlight
from moorage.control.pool_choice import Decision, Draw, assigned, listed
from moorage.control.retention import KnownPool, KnownPools, Retention
from moorage.control.sharing import claim_of
from moorage.control.types import Plan
from moorage.model.cluster import Namespace
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key, Object
from moorage.model.net import Address, Family, parse_address
from moorage.model.ports import Probes
from moorage.model.reason import Reason
from moorage.model.service import CLASSES, EDGE, LOAD_BALANCER, Service, provider_of
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import MergePatch, Note, Verb

CLEANUP_FINALIZER = "service.kubernetes.io/load-balancer-cleanup"

NONE = "none"
"""The default provider where Services without a class get no address."""

NO_PROVIDER = Decision(
    reason=Reason.NO_LOAD_BALANCER,
    message="no load balancer runs here, so the address stays pending: use the Service's NodePort, "
    "or start with `--load-balancer edge` or `announce`",
)

OTHERS_TIME = 10.0
"""Seconds that another load balancer has for its Services before they are told that ours gives them nothing."""


class LoadBalancerController:
    """Looks at Services that changed, at those that wait when an address became free, and at all when a pool changed.

    `provider` is who serves Services that have neither a class nor the annotation yet: EDGE, ANNOUNCE, or NONE, which hands
    out nothing to them, leaves what they show alone, and tells each that waits. `probes` is asked about an address before it
    is handed out.
    """

    name = "load-balancer-controller"
    wants: tuple[type[Object], ...] = (Service, IPAddressPool, Namespace)

    def __init__(self, provider: str = EDGE, probes: Probes | None = None) -> None:
        self._provider = provider
        self._in_flight = InFlight()
        self._pools_in_flight = InFlight()
        self._known = KnownPools()
        self._book = Book()
        self._network = Neighbourhood(probes or Unprobed())
        self._retention = Retention()
        self._fights = Fights()
        self._due: dict[Key, None] = {}
        self._waiting: dict[Key, None] = {}
        self._handed: dict[Key, Decision] = {}
        self._asked: dict[Key, tuple[Address, ...]] = {}
        self._strangers: dict[Key, float] = {}
        self._said: dict[tuple[type[Object], Key], tuple[Reason, str]] = {}
        self._counted: dict[Key, tuple[object, ...]] = {}
        self._wakes: list[float] = []

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """First takes in what every changed Service shows, then hands out: no address is given while it is in use."""
        self._wakes = []
        verbs: list[Verb] = []
        if self._known.read(snapshot):
            self._due |= dict.fromkeys(key for key, each in snapshot.all(Service).items() if is_ours(each))
        for obj, message in self._known.complaints:
            verbs += self._say(obj, Reason.INVALID_OBJECT, message)
        for key in changes.of(IPAddressPool) - snapshot.all(IPAddressPool).keys():
            self._said.pop((IPAddressPool, key), None)
            self._counted.pop(key, None)
        verbs += self._see(snapshot, changes, now)
        if self._network.expire(now):
            self._due |= self._waiting
        self._retention.settle(self._known.pools, self._book, now)
        for key in sorted(self._due, key=lambda each: _age(snapshot, each)):
            verbs += self._look_at(key, snapshot, now)
        self._retention.settle(self._known.pools, self._book, now)
        for each in self._known.pools:
            verbs += self._write_pool(each, snapshot, now)
        later = (self._network.wake_at() if self._waiting else None, self._retention.wake_at())
        return Plan(tuple(verbs), min((*self._wakes, *(each for each in later if each is not None)), default=None))

    def failed(self, verbs: Sequence[Verb]) -> None:
        self._pools_in_flight.failed(verbs)
        for key in self._in_flight.failed(verbs):
            self._handed.pop(key, None)
            self._due[key] = None

    def _see(self, snapshot: Snapshot, changes: Changes, now: float) -> list[Verb]:
        """Writes the book. Returns the good news of addresses that now show, and the bad news of fights."""
        services = snapshot.all(Service)
        opened = {key.name for key in changes.of(Namespace)}
        self._due |= dict.fromkeys(key for key, each in services.items() if key.namespace in opened and is_ours(each))
        news: list[Verb] = []
        for key in sorted({*services, *self._book.keys()} if changes.everything else changes.of(Service)):
            service, before = snapshot.get(Service, key), self._book.claim(key)
            if service is None or service.spec.type != LOAD_BALANCER:
                given_up = self._book.erase(key)
                self._forget(key)
                if service is not None and is_over(service):
                    self._due[key] = None
            else:
                news += self._compare(service, snapshot, now)
                handed = self._handed.get(key)
                held = (*shown_addresses(service), *(handed.addresses if handed else ()), *self._asked.get(key, ()))
                given_up = self._book.write(service, claim_of(service, self._provider_of(service)), held)
                self._due[key] = None
            if before.provider and given_up:
                self._network.released(given_up, now)
                if service is None or service.spec.type != LOAD_BALANCER or service.metadata.deletion_timestamp is not None:
                    self._retention.retire(key, given_up, self._known.pools, now)
            if given_up or before != self._book.claim(key):
                self._due |= self._waiting
        return news

    def _compare(self, service: Service, snapshot: Snapshot, now: float) -> list[Verb]:
        """What was handed out is settled once the snapshot shows a newer version of the Service. What shows then is ours, or
        somebody has overwritten it.
        """
        key, shown = service.key, shown_addresses(service)
        if self._in_flight.blocked_until(key, snapshot, now) is not None or not is_ours(service):
            return []
        handed = self._handed.pop(key, None)
        news: list[Verb] = []
        if handed is not None:
            if handed.addresses == shown or rival_of(service):
                self._fights.wrote(key, handed.addresses)
            if handed.reason is not None and handed.addresses == shown:
                news = self._say(service, handed.reason, handed.message)
        fight = self._fights.seen(service, shown, now)
        return self._say(service, Reason.ADDRESS_DISPUTED, fight) if fight else news

    def _forget(self, key: Key) -> None:
        for each in (self._due, self._waiting, self._handed, self._asked, self._strangers):
            each.pop(key, None)
        self._said.pop((Service, key), None)
        self._fights.forget(key)

    def _look_at(self, key: Key, snapshot: Snapshot, now: float) -> list[Verb]:
        until = self._in_flight.blocked_until(key, snapshot, now)
        if until is not None:
            self._wakes.append(until)
            return []
        del self._due[key]
        service = snapshot.get(Service, key)
        if service is None:
            return []
        if is_over(service):
            return self._clean_up(service, snapshot, now)
        if service.spec.type != LOAD_BALANCER or service.metadata.deletion_timestamp is not None or self._fights.is_left(key):
            return []
        return self._plan(service, snapshot, now) if is_ours(service) else self._tell(service, snapshot, now)

    def _plan(self, service: Service, snapshot: Snapshot, now: float) -> list[Verb]:
        key, shown, provider = service.key, shown_addresses(service), self._provider_of(service)
        if not provider:
            decision: Decision | None = Decision(shown) if shown else NO_PROVIDER
        else:
            decision = self._decide(service, snapshot, now)
        if decision is None:
            self._due[key] = None
            self._wakes.append(now + ASK_AGAIN)
            return self._in_use_news()
        verbs = self._in_use_news()
        if self._book.write(service, self._book.claim(key), (*shown, *decision.addresses)):
            self._due |= self._waiting
            self._wakes.append(now)
        if provider and decision.addresses and CLEANUP_FINALIZER not in service.metadata.finalizers:
            self._asked[key] = decision.addresses
            patch = finalizers_patch(service, (*service.metadata.finalizers, CLEANUP_FINALIZER))
            return [*verbs, *self._send(service, patch, snapshot, now)]
        if decision.addresses:
            self._waiting.pop(key, None)
            verdict: Verdict | None = Verdict(True, Reason.IP_ALLOCATED, assigned(decision.addresses)) if provider else None
        else:
            self._waiting[key] = None
            assert decision.reason is not None, "no address without a reason"
            verdict = Verdict(False, decision.reason, decision.message)
        moved = decision.addresses != shown or not mode_is_right(service)
        if moved:
            self._handed[key] = decision
        elif provider and shown:
            self._fights.wrote(key, shown)
        changed = marks(service, provider, self._known.name_of(decision.addresses)) if provider else {}
        conditions = conditions_with(service, verdict, now)
        if moved or changed or conditions is not None:
            patch = status_patch(service, decision.addresses if moved else None, conditions, changed)
            verbs += self._send(service, patch, snapshot, now)
        if moved and decision.lost:
            verbs += self._say(service, Reason.ADDRESS_REVOKED, f"Took back IP {listed(shown)}: {decision.lost}")
        if verdict is not None and not verdict.assigned:
            verbs += self._say(service, verdict.reason, verdict.message)
        return verbs

    def _decide(self, service: Service, snapshot: Snapshot, now: float) -> Decision | None:
        """What the Service gets, once the network has been asked about it; None where the answer is not there yet. What it is
        asked for counts as held until then.
        """
        key, shown = service.key, shown_addresses(service)
        namespace = snapshot.get(Namespace, Key("", service.metadata.namespace))
        claim = self._book.claim(key)
        draw = Draw(
            service,
            namespace.metadata.labels if namespace is not None else {},
            self._known.pools,
            lambda address: self._book.hindrance(address, key, claim),
            self._network.mac,
            self._retention.by_address(),
            self._asked.pop(key, ()),
            self._book.leading if not (claim.sharing or shown) else _from_the_first,
        )
        while True:
            decision = draw.decide(shown)
            new = [each for each in decision.addresses if each not in shown and not self._others_show(each, key)]
            states = [self._network.state(each, now) for each in new]
            if any(each.mac for each in states):
                continue
            if not any(each.asking for each in states):
                return decision
            self._asked[key] = decision.addresses
            self._book.write(service, claim, (*shown, *decision.addresses))
            return None

    def _others_show(self, address: Address, key: Key) -> bool:
        """An address that is shared with a Service that has it already is used on the network, by us."""
        others = self._book.holders(address) - {key}
        return any(address not in self._asked.get(each, ()) for each in others)

    def _in_use_news(self) -> list[Verb]:
        """Addresses that turned out to be somebody else's, as events of their pools."""
        news: list[Verb] = []
        for address, mac in self._network.news().items():
            pool = self._known.pool_of(address)
            if pool is not None:
                message = f"{address} is used by a machine with the MAC address {mac}: it is passed over for a minute"
                news.append(Note(pool.obj, Reason.ADDRESS_IN_USE, message, warning=True))
        return news

    def _tell(self, service: Service, snapshot: Snapshot, now: float) -> list[Verb]:
        """A Service of another class that has waited for long learns that it waits for somebody else."""
        verdict = None
        if not service.status.load_balancer.ingress:
            due = self._strangers.setdefault(service.key, now) + OTHERS_TIME
            if now < due:
                self._due[service.key] = None
                self._wakes.append(due)
                return []
            asked, ours = service.spec.load_balancer_class, " and ".join(CLASSES)
            message = f'spec.loadBalancerClass: "{asked}" is another load balancer\'s, which gives no address; ours are {ours}'
            verdict = Verdict(False, Reason.OTHER_CLASS, message)
        else:
            self._strangers.pop(service.key, None)
        conditions = conditions_with(service, verdict, now)
        if conditions is None:
            return []
        verbs = self._send(service, status_patch(service, None, conditions), snapshot, now)
        return verbs + (self._say(service, verdict.reason, verdict.message) if verdict else [])

    def _clean_up(self, service: Service, snapshot: Snapshot, now: float) -> list[Verb]:
        """First the addresses are withdrawn, so that whoever serves them stops; then the Service is let go."""
        shows = bool(service.status.load_balancer.ingress) and not self._fights.is_left(service.key)
        conditions = conditions_with(service, None, now)
        if shows or conditions is not None:
            patch = status_patch(service, () if shows else None, conditions, {FROM_POOL_ANNOTATION: None})
            return self._send(service, patch, snapshot, now)
        others = tuple(each for each in service.metadata.finalizers if each != CLEANUP_FINALIZER)
        return self._send(service, finalizers_patch(service, others), snapshot, now)

    def _write_pool(self, known: KnownPool, snapshot: Snapshot, now: float) -> list[Verb]:
        """What the pool remembers, then what it counts: one write at a time."""
        text = self._retention.text(known.obj.key)
        looked_at = (known.obj.metadata.uid, known.obj.metadata.resource_version, self._book.revision, text)
        if self._counted.get(known.obj.key) == looked_at:
            return []
        until = self._pools_in_flight.blocked_until(known.obj.key, snapshot, now)
        if until is not None:
            self._wakes.append(until)
            return []
        patch = retained_patch(known.obj, text) or counts_patch(known.obj, known.pool, self._book)
        if patch is None:
            self._counted[known.obj.key] = looked_at
            return []
        self._pools_in_flight.sent(known.obj.key, [patch], snapshot, now)
        return [patch]

    def _send(self, service: Service, patch: MergePatch, snapshot: Snapshot, now: float) -> list[Verb]:
        self._in_flight.sent(service.key, [patch], snapshot, now)
        return [patch]

    def _say(self, about: Object, reason: Reason, message: str) -> list[Verb]:
        """An event, unless it is the one that was said last."""
        subject = (type(about), about.key)
        if self._said.get(subject) == (reason, message):
            return []
        self._said[subject] = reason, message
        return [Note(about, reason, message, warning=reason is not Reason.IP_ALLOCATED)]

    def _provider_of(self, service: Service) -> str:
        """Who serves it, or is going to; empty for nobody of ours."""
        default = self._provider if is_ours(service) and not service.spec.load_balancer_class else ""
        return provider_of(service) or (default if default != NONE else "")


def is_ours(service: Service) -> bool:
    """LoadBalancer Services without a class, or with one of ours."""
    asked = service.spec.load_balancer_class
    return service.spec.type == LOAD_BALANCER and (not asked or asked in CLASSES)


def is_over(service: Service) -> bool:
    """Whether the Service has something of ours and no more use for a load balancer of ours."""
    guarded = CLEANUP_FINALIZER in service.metadata.finalizers
    if service.spec.type != LOAD_BALANCER:
        return guarded or any(each.type == ADDRESS_ASSIGNED for each in service.status.conditions)
    return guarded and is_ours(service) and service.metadata.deletion_timestamp is not None


def shown_addresses(service: Service) -> tuple[Address, ...]:
    parsed = (parse_address(each.ip) for each in service.status.load_balancer.ingress if each.ip)
    return tuple(each for each in parsed if each is not None)


def _from_the_first(pool: Pool, family: Family) -> int:
    return 0


def _age(snapshot: Snapshot, key: Key) -> tuple[str, Key]:
    """Who is served first when addresses are short."""
    service = snapshot.get(Service, key)
    return (service.metadata.creation_timestamp or "" if service is not None else "", key)
