"""Which address a LoadBalancer Service gets: Service + pools + who holds what -> addresses, or the reason why there is none.

The rules are MetalLB's (`controller/service.go`, `internal/allocator`): an address that is asked for, else the one the Service
has, else the first one of the pools it may draw from that is free or that it may share. Before the first free one comes what is
reserved or retained for the Service; what is retained for others comes last. A reservation moves nobody who has an address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from moorage.allocate.pools import Pool
from moorage.control.address_book import Hindrance
from moorage.control.endpoints import families
from moorage.control.retention import KnownPool
from moorage.control.sharing import SHARING_ANNOTATIONS
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key
from moorage.model.metallb import LabelRequirement, LabelSelector
from moorage.model.net import Address, Family, parse_address
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.wire import Tree

ADDRESSES_ANNOTATIONS = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
POOL_ANNOTATIONS = ("metallb.io/address-pool", "metallb.universe.tf/address-pool")


class Decision(msgspec.Struct, frozen=True):
    """`addresses` is empty where `reason` says why; an empty `reason` means: keep what the Service has.

    `lost` is why it does not keep what it has.
    """

    addresses: tuple[Address, ...] = ()
    reason: Reason | None = None
    message: str = ""
    lost: str = ""


class Draw(msgspec.Struct, frozen=True):
    """One Service's view of the pools, which are in key order, and of who is in its way.

    `hindrance` says who else has an address and does not share it, `in_use` which machine of the network answers for it (a MAC
    address, or empty). `retained` maps an address to the Service that it is kept for, and until when. `asked` is what the
    Service is about to get, if nothing changes. `leading` is how many of a pool's first addresses it cannot have.
    """

    service: Service
    namespace_labels: Mapping[str, str]
    pools: tuple[KnownPool, ...]
    hindrance: Callable[[Address], Hindrance | None]
    in_use: Callable[[Address], str] = lambda _: ""
    retained: Mapping[Address, tuple[Key, float]] = {}
    asked: tuple[Address, ...] = ()
    leading: Callable[[Pool, Family], int] = lambda pool, family: 0

    def decide(self, present: Sequence[Address]) -> Decision:
        """`present` is what `status` shows."""
        wanted, error = self._asked_for()
        named = _annotation(self.service, POOL_ANNOTATIONS)
        allowed = [each for each in self._allowed() if named in ("", each.pool.key.name)]
        if error:
            decision = _refused(Reason.INVALID_OBJECT, error)
        elif wanted:
            decision = self._given(wanted, present, allowed, named)
        elif present and not self._lost(present, allowed):
            return Decision(tuple(present))
        else:
            decision = self._drawn(allowed, named)
        if not present or decision.reason is None:
            return decision
        return msgspec.structs.replace(decision, lost=self._lost(present, allowed) or f"{_requested(wanted)}{error}")

    def _drawn(self, allowed: Sequence[KnownPool], named: str) -> Decision:
        """An address of each family, all from one pool; what is retained for others only where nothing else is left."""
        wanted = families(self.service)
        own = [*self.asked, *self._reserved(), *(each for each, (key, _) in self.retained.items() if key == self.service.key)]
        offered = [each for each in allowed if named or each.pool.auto_assign or any(map(each.pool.usable, self._reserved()))]
        offered.sort(key=lambda each: not any(each.pool.usable(one) and self._is_free(one) for one in own))
        if not offered:
            return _refused(Reason.NO_POOL, self._no_pool(named))
        for pick in (self._pick, self._pick_retained):
            for each in offered:
                picked = [pick(each.pool, family, own, bool(named)) for family in wanted]
                found = tuple(one for one in picked if one is not None)
                if found and (len(found) == len(wanted) or self.service.spec.ip_family_policy == "PreferDualStack"):
                    return Decision(found, Reason.IP_ALLOCATED, assigned(found))
        names = ", ".join(f'"{each.pool.key.name}"' for each in offered)
        kinds = " and ".join(family.value for family in wanted)
        return _refused(
            Reason.POOL_EXHAUSTED,
            f"no free {kinds} address in IPAddressPool {names}: add addresses to it, or delete a LoadBalancer Service",
        )

    def _pick(self, pool: Pool, family: Family, own: Sequence[Address], named: bool) -> Address | None:
        """One of its own, else the lowest free one. A pool that gives nothing by itself gives what is reserved."""
        for each in own:
            if Family.of(each) is family and pool.usable(each) and self._is_free(each):
                return each
        if not (pool.auto_assign or named):
            return None
        skip = self.leading(pool, family)
        return pool.pick(family, lambda each: self._is_spared(each) or not self._is_free(each), skip)

    def _pick_retained(self, pool: Pool, family: Family, own: Sequence[Address], named: bool) -> Address | None:
        """As `_pick`, and where nothing is left, what is retained for another Service: the one that is over first."""
        found = self._pick(pool, family, own, named)
        if found is not None or not (pool.auto_assign or named):
            return found
        left = [(until, int(each), each) for each, (_, until) in self.retained.items() if Family.of(each) is family]
        return next((each for _, _, each in sorted(left) if pool.usable(each) and self._is_free(each)), None)

    def _given(
        self, wanted: tuple[Address, ...], present: Sequence[Address], allowed: Sequence[KnownPool], named: str
    ) -> Decision:
        """The addresses that were asked for, where a pool has them and nobody else does."""
        for address in wanted:
            if not any(each.pool.usable(address) for each in allowed):
                where = f'the IPAddressPool "{named}"' if named else "any IPAddressPool that this Service may draw from"
                return _refused(Reason.ADDRESS_OUTSIDE_POOLS, f"the requested address {address} is not in {where}")
            if Family.of(address) not in families(self.service):
                message = f"the requested address {address} is of a family that the Service does not have (spec.ipFamilies)"
                return _refused(Reason.INVALID_OBJECT, message)
            reason, message = self._in_the_way(address, address in present)
            if reason is not None:
                return _refused(reason, f"the requested address {address} {message}")
        if set(wanted) == set(present):
            return Decision(tuple(present))
        return Decision(wanted, Reason.IP_ALLOCATED, assigned(wanted))

    def _in_the_way(self, address: Address, is_present: bool) -> tuple[Reason | None, str]:
        """Who has the address: another Service, by a reservation, or a machine of the network. None for nobody."""
        other = self.hindrance(address)
        if other is not None and _annotation(self.service, SHARING_ANNOTATIONS):
            return Reason.SHARING_REFUSED, f"belongs to Service {other.key} and cannot be shared: {other.why}"
        if other is not None:
            return Reason.ADDRESS_TAKEN, f"belongs to Service {other.key}"
        if is_present:
            return None, ""
        for each in self.pools:
            owners = each.promises.reserved.get(address, frozenset())
            if owners and self.service.key not in owners:
                names = ", ".join(str(owner) for owner in sorted(owners))
                return Reason.ADDRESS_RESERVED, f'is reserved for Service {names} in IPAddressPool "{each.pool.key.name}"'
        mac = self.in_use(address)
        if mac:
            return Reason.ADDRESS_IN_USE, f"is used by another machine, {mac}: it is asked for again every minute"
        return None, ""

    def _is_free(self, address: Address) -> bool:
        return self._in_the_way(address, False)[0] is None

    def _is_spared(self, address: Address) -> bool:
        return address in self.retained and self.retained[address][0] != self.service.key

    def _reserved(self) -> list[Address]:
        """What is reserved for this Service."""
        own = self.service.key
        return [one for each in self.pools for one, owners in each.promises.reserved.items() if own in owners]

    def _lost(self, present: Sequence[Address], allowed: Sequence[KnownPool]) -> str:
        """Why the Service cannot keep what it has; empty where it can."""
        for address in present:
            if Family.of(address) not in families(self.service):
                return f"{address} is of a family that the Service does not have"
            if not any(each.pool.usable(address) for each in allowed):
                there = next((each.pool.key.name for each in self.pools if each.pool.usable(address)), "")
                if there:
                    return f'{address} is in IPAddressPool "{there}", which this Service may not draw from'
                return f"{address} is in no IPAddressPool"
            other = self.hindrance(address)
            if other is not None:
                return f"{address} belongs to Service {other.key}, and is not shared: {other.why}"
        return ""

    def _allowed(self) -> list[KnownPool]:
        """Pools for certain Services first, by priority, 0 being the last; then the others. Pools are in key order."""
        fitting = [each for each in self.pools if self._fits(each.obj)]
        return sorted(fitting, key=lambda each: (not _is_for_some(each.obj), _priority(each.obj)))

    def _fits(self, pool: IPAddressPool) -> bool:
        rules = pool.spec.service_allocation
        if rules is None:
            return True
        if rules.namespaces or rules.namespace_selectors:
            by_label = any(label_selector(each).matches(self.namespace_labels) for each in rules.namespace_selectors)
            if self.service.metadata.namespace not in rules.namespaces and not by_label:
                return False
        labels = self.service.metadata.labels
        return not rules.service_selectors or any(label_selector(each).matches(labels) for each in rules.service_selectors)

    def _asked_for(self) -> tuple[tuple[Address, ...], str]:
        """The addresses that the Service names, and what is wrong with them."""
        listed = _annotation(self.service, ADDRESSES_ANNOTATIONS)
        field = self.service.spec.load_balancer_ip
        if listed and field:
            return (), f"both spec.loadBalancerIP and the annotation {ADDRESSES_ANNOTATIONS[0]} are set: keep one of them"
        texts = [text.strip() for text in (listed or field).split(",")] if listed or field else []
        parsed = {text: parse_address(text) for text in texts}
        bad = [text for text, address in parsed.items() if address is None]
        if bad:
            where = f"the annotation {ADDRESSES_ANNOTATIONS[0]}" if listed else "spec.loadBalancerIP"
            return (), f'{where} holds "{bad[0]}", which is no IP address'
        found = tuple(address for address in parsed.values() if address is not None)
        if len({Family.of(each) for each in found}) < len(found):
            return (), "more than one address of a family is requested: a Service gets one of each"
        return found, ""

    def _no_pool(self, named: str) -> str:
        if named:
            return f'no IPAddressPool "{named}" that this Service may draw from'
        if self.pools:
            return "no IPAddressPool gives addresses to this Service: see autoAssign and serviceAllocation of the pools"
        return "there is no IPAddressPool: create one (metallb.io/v1beta1)"


def label_selector(tree: Tree) -> LabelSelector:
    """`metav1.LabelSelector` as it stands in a pool."""
    terms = [
        LabelRequirement(each.get("key", ""), each.get("operator", ""), tuple(each.get("values") or ()))
        for each in tree.get("matchExpressions") or ()
    ]
    return LabelSelector(tree.get("matchLabels") or {}, tuple(terms))


def _refused(reason: Reason, message: str) -> Decision:
    return Decision((), reason, message)


def _annotation(service: Service, names: Sequence[str]) -> str:
    return next((service.metadata.annotations[name] for name in names if name in service.metadata.annotations), "")


def assigned(addresses: Sequence[Address]) -> str:
    """In MetalLB's words."""
    return f"Assigned IP {listed(addresses)}"


def listed(addresses: Sequence[Address]) -> str:
    return "[" + " ".join(f'"{each}"' for each in addresses) + "]"


def _requested(wanted: Sequence[Address]) -> str:
    return f"the Service asks for {listed(wanted)}" if wanted else ""


def _is_for_some(pool: IPAddressPool) -> bool:
    rules = pool.spec.service_allocation
    return rules is not None and bool(rules.namespaces or rules.namespace_selectors or rules.service_selectors)


def _priority(pool: IPAddressPool) -> float:
    rules = pool.spec.service_allocation
    return rules.priority if rules is not None and rules.priority > 0 else float("inf")
