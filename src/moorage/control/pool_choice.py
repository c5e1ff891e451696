"""Which address a LoadBalancer Service gets: Service + pools + who holds what -> addresses, or the reason why there is none.

The rules are MetalLB's (`controller/service.go`, `internal/allocator`): an address that is asked for, else the one the Service
has, else the first free one of the pools it may draw from. Addresses are not shared between Services.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from moorage.allocate.pools import Pool
from moorage.control.endpoints import families
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key
from moorage.model.net import Address, Family, parse_address
from moorage.model.reason import Reason
from moorage.model.selectors import Operator, Requirement, Selector
from moorage.model.service import Service
from moorage.model.wire import Tree

ADDRESSES_ANNOTATIONS = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
POOL_ANNOTATIONS = ("metallb.io/address-pool", "metallb.universe.tf/address-pool")

Owner = Callable[[Address], Key | None]
"""Who holds an address."""


class Decision(msgspec.Struct, frozen=True):
    """`addresses` is empty where `reason` says why; an empty `reason` means: keep what the Service has."""

    addresses: tuple[Address, ...] = ()
    reason: Reason | None = None
    message: str = ""


class Draw(msgspec.Struct, frozen=True):
    """One Service's view of the pools: those that it may draw from, the first to be asked first."""

    service: Service
    namespace_labels: Mapping[str, str]
    pools: tuple[tuple[IPAddressPool, Pool], ...]
    owner: Owner

    def decide(self, present: Sequence[Address]) -> Decision:
        """`present` is what `status` shows."""
        wanted, error = self._asked_for()
        if error:
            return _refused(Reason.INVALID_OBJECT, error)
        named = _annotation(self.service, POOL_ANNOTATIONS)
        allowed = [pool for obj, pool in self._allowed() if named in ("", pool.key.name)]
        if wanted:
            return self._given(wanted, present, allowed, named)
        if present and all(self._is_mine(each, allowed) for each in present):
            return Decision(tuple(present))
        offered = [pool for pool in allowed if named or pool.auto_assign]
        if not offered:
            return _refused(Reason.NO_POOL, self._no_pool(named))
        return self._drawn(offered)

    def _drawn(self, offered: Sequence[Pool]) -> Decision:
        """An address of each family, all from one pool."""
        wanted = families(self.service)
        for pool in offered:
            picked = [pool.pick(family, self._is_taken) for family in wanted]
            found = tuple(each for each in picked if each is not None)
            if found and (len(found) == len(wanted) or self.service.spec.ip_family_policy == "PreferDualStack"):
                return Decision(found, Reason.IP_ALLOCATED, f"Assigned IP {_listed(found)}")
        names = ", ".join(f'"{pool.key.name}"' for pool in offered)
        kinds = " and ".join(family.value for family in wanted)
        return _refused(
            Reason.POOL_EXHAUSTED,
            f"no free {kinds} address in IPAddressPool {names}: add addresses to it, or delete a LoadBalancer Service",
        )

    def _given(self, wanted: tuple[Address, ...], present: Sequence[Address], allowed: Sequence[Pool], named: str) -> Decision:
        """The addresses that were asked for, where a pool has them and nobody else does."""
        for address in wanted:
            if not any(pool.usable(address) for pool in allowed):
                where = f'the IPAddressPool "{named}"' if named else "any IPAddressPool that this Service may draw from"
                return _refused(Reason.ADDRESS_OUTSIDE_POOLS, f"the requested address {address} is not in {where}")
            if Family.of(address) not in families(self.service):
                message = f"the requested address {address} is of a family that the Service does not have (spec.ipFamilies)"
                return _refused(Reason.INVALID_OBJECT, message)
            if self._is_taken(address):
                message = f"the requested address {address} belongs to Service {self.owner(address)}"
                return _refused(Reason.ADDRESS_TAKEN, message)
        if set(wanted) == set(present):
            return Decision(tuple(present))
        return Decision(wanted, Reason.IP_ALLOCATED, f"Assigned IP {_listed(wanted)}")

    def _allowed(self) -> list[tuple[IPAddressPool, Pool]]:
        """Pools reserved for this Service first, by priority, 0 being the last; then the others. Pools are in key order."""
        fitting = [each for each in self.pools if self._fits(each[0])]
        return sorted(fitting, key=lambda each: (not _is_reserved(each[0]), _priority(each[0])))

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

    def _is_mine(self, address: Address, allowed: Sequence[Pool]) -> bool:
        fits = Family.of(address) in families(self.service) and not self._is_taken(address)
        return fits and any(pool.usable(address) for pool in allowed)

    def _is_taken(self, address: Address) -> bool:
        return self.owner(address) not in (None, self.service.key)

    def _no_pool(self, named: str) -> str:
        if named:
            return f'no IPAddressPool "{named}" that this Service may draw from'
        if self.pools:
            return "no IPAddressPool gives addresses to this Service: see autoAssign and serviceAllocation of the pools"
        return "there is no IPAddressPool: create one (metallb.io/v1beta1)"


def label_selector(tree: Tree) -> Selector:
    """`metav1.LabelSelector` -> Selector. An operator that is none matches nothing."""
    operators = {"In": Operator.IN, "NotIn": Operator.NOT_IN, "Exists": Operator.EXISTS, "DoesNotExist": Operator.ABSENT}
    terms = [Requirement(key, Operator.IN, (value,)) for key, value in (tree.get("matchLabels") or {}).items()]
    for each in tree.get("matchExpressions") or []:
        operator = operators.get(each.get("operator", ""), Operator.IN)
        terms.append(Requirement(each.get("key", ""), operator, tuple(each.get("values") or ())))
    return Selector(tuple(terms))


def _refused(reason: Reason, message: str) -> Decision:
    return Decision((), reason, message)


def _annotation(service: Service, names: Sequence[str]) -> str:
    return next((service.metadata.annotations[name] for name in names if name in service.metadata.annotations), "")


def _listed(addresses: Sequence[Address]) -> str:
    return "[" + " ".join(f'"{each}"' for each in addresses) + "]"


def _is_reserved(pool: IPAddressPool) -> bool:
    rules = pool.spec.service_allocation
    return rules is not None and bool(rules.namespaces or rules.namespace_selectors or rules.service_selectors)


def _priority(pool: IPAddressPool) -> float:
    rules = pool.spec.service_allocation
    return rules.priority if rules is not None and rules.priority > 0 else float("inf")
