"""LoadBalancer Services + IPAddressPools -> addresses in `status.loadBalancer`, pool counts, and events that say why not.

An address belongs to whoever shows it in `status`, or was handed it in this run and does not show it yet; of two that show the
same one, to the older. Services of another `loadBalancerClass` are not touched, but what they show is taken.

A Service has the finalizer `service.kubernetes.io/load-balancer-cleanup` from before its first address until after its last one
is withdrawn, so that none is forgotten while the controller is away (KEP-980).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from moorage.allocate.pools import Pool
from moorage.control.in_flight import InFlight
from moorage.control.pool_choice import Decision, Draw
from moorage.control.types import Plan
from moorage.model.cluster import Namespace
from moorage.model.lb import IPAddressPool, IPAddressPoolStatus
from moorage.model.meta import Key, Object
from moorage.model.net import Address, Family, parse_address
from moorage.model.reason import Reason
from moorage.model.service import LOAD_BALANCER, LoadBalancerIngress, Service
from moorage.model.snapshot import Changes, Snapshot
from moorage.model.verbs import MergePatch, Note, Verb
from moorage.table.ingress import PROXY_MODE, proxy_protocol

OUR_CLASS = "moorage.dev/edge"
"""The `spec.loadBalancerClass` that asks for this controller; a Service without a class gets it too."""

CLEANUP_FINALIZER = "service.kubernetes.io/load-balancer-cleanup"

NO_PROVIDER = Decision(
    reason=Reason.NO_LOAD_BALANCER,
    message="no load balancer runs here, so the address stays pending: use the Service's NodePort, "
    "or start with `--load-balancer edge`",
)

LARGEST_COUNT = 2**63 - 1
"""What a Kubernetes integer holds: a larger pool counts as 0 available, as with MetalLB."""


class Book:
    """Who holds which address: what Services show, and what was handed out but does not show yet."""

    def __init__(self) -> None:
        self._holders: dict[Address, set[tuple[str, Key]]] = {}
        self._shown: dict[Key, tuple[str, frozenset[Address]]] = {}

    def write(self, service: Service, addresses: Iterable[Address]) -> frozenset[Address]:
        """Replaces what is known of one Service; returns what it gave up. An address' owner is the older Service."""
        old = self.erase(service.key)
        age = service.metadata.creation_timestamp or ""
        self._shown[service.key] = age, frozenset(addresses)
        for address in self._shown[service.key][1]:
            self._holders.setdefault(address, set()).add((age, service.key))
        return old - self._shown[service.key][1]

    def erase(self, key: Key) -> frozenset[Address]:
        """Returns what the Service gave up."""
        age, addresses = self._shown.pop(key, ("", frozenset[Address]()))
        for address in addresses:
            self._holders[address].discard((age, key))
            if not self._holders[address]:
                del self._holders[address]
        return addresses

    def owner(self, address: Address) -> Key | None:
        holders = self._holders.get(address)
        return min(holders)[1] if holders else None

    def count(self, pool: Pool, family: Family) -> int:
        return sum(Family.of(address) is family and pool.usable(address) for address in self._holders)

    def keys(self) -> frozenset[Key]:
        return frozenset(self._shown)


class LoadBalancerController:
    """Looks at Services that changed, at those that wait when an address became free, and at all when a pool changed.

    `provider` "none" means that no load balancer runs: nothing is handed out, and each Service that waits is told so.
    """

    name = "load-balancer-controller"
    wants: tuple[type[Object], ...] = (Service, IPAddressPool, Namespace)

    def __init__(self, provider: str = "edge") -> None:
        self._provider = provider
        self._in_flight = InFlight()
        self._pools_in_flight = InFlight()
        self._book = Book()
        self._due: dict[Key, None] = {}
        self._waiting: dict[Key, None] = {}
        self._handed: dict[Key, Decision] = {}
        self._said: dict[tuple[type[Object], Key], tuple[Reason, str]] = {}
        self._recount = True

    def reconcile(self, snapshot: Snapshot, changes: Changes, now: float) -> Plan:
        """First takes in what every changed Service shows, then hands out: no address is given while it is in use."""
        verbs = self._see(snapshot, changes, now)
        pools, bad = _pools(snapshot)
        for obj, message in bad:
            verbs += self._say(obj, Reason.INVALID_OBJECT, message)
        wakes: list[float] = []
        for key in sorted(self._due, key=lambda each: _age(snapshot, each)):
            until = self._in_flight.blocked_until(key, snapshot, now)
            if until is not None:
                wakes.append(until)
                continue
            del self._due[key]
            service = snapshot.get(Service, key)
            if service is None:
                continue
            if is_over(service):
                verbs += self._clean_up(service, snapshot, now)
            elif is_ours(service) and service.metadata.deletion_timestamp is None:
                verbs += self._plan(service, pools, snapshot, now)
        if self._recount:
            self._recount = False
            for obj, pool in pools:
                verbs += self._count(obj, pool, snapshot, now)
        return Plan(tuple(verbs), min(wakes, default=None))

    def failed(self, verbs: Sequence[Verb]) -> None:
        self._recount |= bool(self._pools_in_flight.failed(verbs))
        for key in self._in_flight.failed(verbs):
            self._handed.pop(key, None)
            self._due[key] = None

    def _see(self, snapshot: Snapshot, changes: Changes, now: float) -> list[Verb]:
        """Writes the book. Returns the good news of addresses that now show."""
        if changes.everything or changes.of(IPAddressPool) or changes.of(Namespace):
            self._due |= dict.fromkeys(key for key, each in snapshot.all(Service).items() if is_ours(each))
            self._recount = True
        news: list[Verb] = []
        given_up: frozenset[Address] = frozenset()
        for key in sorted({*snapshot.all(Service), *self._book.keys()} if changes.everything else changes.of(Service)):
            service = snapshot.get(Service, key)
            if service is None or service.spec.type != LOAD_BALANCER:
                given_up |= self._book.erase(key)
                self._forget(key)
                if service is not None and is_over(service):
                    self._due[key] = None
                continue
            news += self._arrived(service, snapshot, now)
            handed = self._handed.get(key)
            given_up |= self._book.write(service, (*shown_addresses(service), *(handed.addresses if handed else ())))
            self._due[key] = None
            self._recount = True
        if given_up:
            self._due |= self._waiting
            self._recount = True
        return news

    def _arrived(self, service: Service, snapshot: Snapshot, now: float) -> list[Verb]:
        """What was handed out is settled once the snapshot shows a newer version of the Service."""
        handed = self._handed.get(service.key)
        if handed is None or self._in_flight.blocked_until(service.key, snapshot, now) is not None:
            return []
        del self._handed[service.key]
        if handed.reason is None or handed.addresses != shown_addresses(service):
            return []
        return self._say(service, handed.reason, handed.message)

    def _forget(self, key: Key) -> None:
        self._due.pop(key, None)
        self._waiting.pop(key, None)
        self._handed.pop(key, None)
        self._said.pop((Service, key), None)

    def _plan(
        self, service: Service, pools: tuple[tuple[IPAddressPool, Pool], ...], snapshot: Snapshot, now: float
    ) -> list[Verb]:
        shown = shown_addresses(service)
        namespace = snapshot.get(Namespace, Key("", service.metadata.namespace))
        labels = namespace.metadata.labels if namespace is not None else {}
        decision = Draw(service, labels, pools, self._book.owner).decide(shown)
        if self._provider == "none":
            decision = Decision(shown) if shown else NO_PROVIDER
        verbs: list[Verb] = []
        if decision.addresses and self._provider != "none" and CLEANUP_FINALIZER not in service.metadata.finalizers:
            return self._send(
                service, _finalizers_patch(service, (*service.metadata.finalizers, CLEANUP_FINALIZER)), snapshot, now
            )
        if decision.addresses:
            self._waiting.pop(service.key, None)
        else:
            self._waiting[service.key] = None
            assert decision.reason is not None, "no address without a reason"
            verbs += self._say(service, decision.reason, decision.message)
        if decision.addresses != shown or not _mode_is_right(service):
            self._handed[service.key] = decision
            self._book.write(service, (*shown, *decision.addresses))
            self._recount = True
            verbs += self._send(service, _status_patch(service, decision.addresses), snapshot, now)
        return verbs

    def _clean_up(self, service: Service, snapshot: Snapshot, now: float) -> list[Verb]:
        """First the addresses are withdrawn, so that whoever serves them stops; then the Service is let go."""
        if service.status.load_balancer.ingress:
            return self._send(service, _status_patch(service, ()), snapshot, now)
        others = tuple(each for each in service.metadata.finalizers if each != CLEANUP_FINALIZER)
        return self._send(service, _finalizers_patch(service, others), snapshot, now)

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

    def _count(self, obj: IPAddressPool, pool: Pool, snapshot: Snapshot, now: float) -> list[Verb]:
        if self._pools_in_flight.blocked_until(obj.key, snapshot, now) is not None:
            return []
        used = {family: self._book.count(pool, family) for family in Family}
        free = {family: pool.capacity(family) - used[family] for family in Family}
        status = IPAddressPoolStatus(
            assigned_ipv4=used[Family.IPV4],
            assigned_ipv6=used[Family.IPV6],
            available_ipv4=free[Family.IPV4],
            available_ipv6=free[Family.IPV6] if free[Family.IPV6] <= LARGEST_COUNT else 0,
        )
        if status == obj.status:
            return []
        counts = {"assignedIPv4": 0, "assignedIPv6": 0, "availableIPv4": 0, "availableIPv6": 0, **msgspec.to_builtins(status)}
        patch = MergePatch(IPAddressPool, obj.key, {"status": counts}, "status")
        self._pools_in_flight.sent(obj.key, [patch], snapshot, now)
        return [patch]


def is_ours(service: Service) -> bool:
    """LoadBalancer Services without a class, or with ours."""
    return service.spec.type == LOAD_BALANCER and service.spec.load_balancer_class in (None, OUR_CLASS)


def is_over(service: Service) -> bool:
    """Whether the Service has the finalizer and no more use for a load balancer of ours."""
    if CLEANUP_FINALIZER not in service.metadata.finalizers:
        return False
    return service.spec.type != LOAD_BALANCER or (is_ours(service) and service.metadata.deletion_timestamp is not None)


def shown_addresses(service: Service) -> tuple[Address, ...]:
    parsed = (parse_address(each.ip) for each in service.status.load_balancer.ingress if each.ip)
    return tuple(each for each in parsed if each is not None)


def _finalizers_patch(service: Service, finalizers: Sequence[str]) -> MergePatch:
    """Guarded by the version, since the whole list is written. The status of a Service takes its metadata too, so that nobody
    who hands out addresses needs to write the Service itself (upstream: `servicehelper.PatchService`).
    """
    tree = {"metadata": {"resourceVersion": service.metadata.resource_version, "finalizers": list(finalizers) or None}}
    return MergePatch(Service, service.key, tree, "status")


def _mode(service: Service) -> str:
    """`ipMode` (KEP-1860). Connections that begin with a PROXY header all go through the load balancer, which writes it."""
    return PROXY_MODE if proxy_protocol(service) else "VIP"


def _mode_is_right(service: Service) -> bool:
    return all((each.ip_mode or "VIP") == _mode(service) for each in service.status.load_balancer.ingress if each.ip)


def _status_patch(service: Service, addresses: Sequence[Address]) -> MergePatch:
    """Guarded by the version that the decision was made from."""
    ingress = [LoadBalancerIngress(ip=str(each), ip_mode=_mode(service)) for each in addresses]
    tree = {
        "metadata": {"resourceVersion": service.metadata.resource_version},
        "status": {"loadBalancer": {"ingress": msgspec.to_builtins(ingress) or None}},
    }
    return MergePatch(Service, service.key, tree, "status")


def _pools(snapshot: Snapshot) -> tuple[tuple[tuple[IPAddressPool, Pool], ...], list[tuple[IPAddressPool, str]]]:
    """The pools that can be used, in key order, and those that cannot, with the reason."""
    good: list[tuple[IPAddressPool, Pool]] = []
    bad: list[tuple[IPAddressPool, str]] = []
    for _, obj in sorted(snapshot.all(IPAddressPool).items()):
        try:
            good.append((obj, Pool.of(obj)))
        except ValueError as error:
            bad.append((obj, f"spec.addresses: {error}"))
    return tuple(good), bad


def _age(snapshot: Snapshot, key: Key) -> tuple[str, Key]:
    """Who is served first when addresses are short."""
    service = snapshot.get(Service, key)
    return (service.metadata.creation_timestamp or "" if service is not None else "", key)
