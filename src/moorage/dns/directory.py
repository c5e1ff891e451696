"""A snapshot with the look-ups that DNS needs beyond "the Service of this name": each is made when it is first asked for.

Snapshots share what did not change, so a directory takes over from the one before whatever rests on the same objects. A query
for a ClusterIP never builds anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from moorage.dns.question import dashed
from moorage.model.cluster import Namespace
from moorage.model.meta import Key
from moorage.model.net import Address, parse_address
from moorage.model.service import HEADLESS, Service
from moorage.model.slices import Endpoint, EndpointSlice
from moorage.model.snapshot import Snapshot

Slices = Mapping[Key, Mapping[Key, EndpointSlice]]
"""By Service."""


class Directory:
    """Answers "what is there?" for one snapshot, without knowing of records."""

    def __init__(self, snapshot: Snapshot, before: Directory | None = None) -> None:
        self.snapshot = snapshot
        self._known: tuple[Mapping[Key, EndpointSlice], Slices] = ({}, {})
        if before is None:
            return
        self._known = before._slices_made if "_slices_made" in before.__dict__ else before._known
        kinds = (Service, EndpointSlice)
        if "_names" in before.__dict__ and all(before.snapshot.all(kind) is snapshot.all(kind) for kind in kinds):
            self._names = before._names

    def service(self, key: Key) -> Service | None:
        return self.snapshot.get(Service, key)

    def has_namespace(self, name: str) -> bool:
        """Where Namespaces are not followed, those that hold a Service are known."""
        if Namespace in self.snapshot.by_type:
            return self.snapshot.get(Namespace, Key("", name)) is not None
        return any(key.namespace == name for key in self.snapshot.all(Service))

    def endpoints(self, service: Key) -> Iterator[tuple[EndpointSlice, Endpoint, Address]]:
        """The ready endpoints of a Service, each with its slice and its address."""
        for each in self._slices_made[1].get(service, {}).values():
            for endpoint in each.endpoints:
                address = parse_address(endpoint.addresses[0]) if endpoint.addresses else None
                if address is not None and endpoint.ready:
                    yield each, endpoint, address

    def names_of(self, address: Address) -> tuple[tuple[str, ...], ...]:
        """The names of an address, as labels below `svc`: (service, namespace) or (hostname, service, namespace)."""
        return self._names.get(address, ())

    @cached_property
    def _slices_made(self) -> tuple[Mapping[Key, EndpointSlice], Slices]:
        """The slices, and the slices by Service: what is known from before, brought up to date."""
        before, known = self._known
        now = self.snapshot.all(EndpointSlice)
        if before is now:
            return self._known
        made = dict(known)
        gone = [(key, old) for key, old in before.items() if now.get(key) is not old]
        come = [(key, new) for key, new in now.items() if before.get(key) is not new]
        for key, old in gone:
            service = Key(key.namespace, old.service_name)
            made[service] = {name: each for name, each in made[service].items() if name != key}
        for key, new in come:
            service = Key(key.namespace, new.service_name)
            made[service] = {**made.get(service, {}), key: new}
        return now, made

    @cached_property
    def _names(self) -> Mapping[Address, tuple[tuple[str, ...], ...]]:
        found: dict[Address, tuple[tuple[str, ...], ...]] = {}
        for key, service in self.snapshot.all(Service).items():
            for address in cluster_addresses(service):
                found[address] = (*found.get(address, ()), (key.name, key.namespace))
            if is_headless(service):
                for _, endpoint, address in self.endpoints(key):
                    found[address] = (*found.get(address, ()), (hostname(endpoint, address), key.name, key.namespace))
        return found


def is_headless(service: Service) -> bool:
    return service.spec.cluster_ip == HEADLESS


def cluster_addresses(service: Service) -> tuple[Address, ...]:
    """The Service's virtual addresses, one of each family."""
    listed = service.spec.cluster_ips or (service.spec.cluster_ip,)
    parsed = (parse_address(each) for each in listed)
    return tuple(each for each in parsed if each is not None)


def hostname(endpoint: Endpoint, address: Address) -> str:
    """The endpoint's own hostname, else its address with dashes, as CoreDNS names it."""
    return endpoint.hostname or dashed(address)
