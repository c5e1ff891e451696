"""Which addresses of which pools are reserved or retained for a Service, and what is to be remembered for later.

Memory is the API itself: the annotation `moorage.dev/retained` of the pool. What is not written there yet is held here until it
shows. A Service that has an address again is forgotten, as is an address that somebody else has by now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from moorage.allocate.pools import Pool
from moorage.allocate.reservations import (
    MOST_RETAINED,
    RETAINED_ANNOTATION,
    Promises,
    Retained,
    promises_of,
    write_retained,
)
from moorage.control.address_book import Book
from moorage.model.lb import IPAddressPool
from moorage.model.meta import Key
from moorage.model.net import Address
from moorage.model.snapshot import Snapshot


class KnownPool(msgspec.Struct, frozen=True):
    """An IPAddressPool, what its texts mean, and what its annotations promise."""

    obj: IPAddressPool
    pool: Pool
    promises: Promises = Promises()

    @classmethod
    def of(cls, obj: IPAddressPool) -> KnownPool:
        """Raises ValueError where an address text is invalid."""
        pool = Pool.of(obj)
        return cls(obj, pool, promises_of(pool, obj.metadata.annotations))


class KnownPools:
    """The IPAddressPools of the API that can be used. `complaints` is what cannot be read of them."""

    def __init__(self) -> None:
        self.pools: tuple[KnownPool, ...] = ()
        self.complaints: tuple[tuple[IPAddressPool, str], ...] = ()
        self._read: dict[Key, KnownPool | str] = {}
        self._objects: dict[Key, IPAddressPool] = {}
        self._shapes: dict[Key, tuple[object, ...]] = {}

    def read(self, snapshot: Snapshot) -> bool:
        """Whether anything changed by which addresses are handed out; what we write ourselves does not count."""
        objects = dict(sorted(snapshot.all(IPAddressPool).items()))
        for key, obj in objects.items():
            if self._objects.get(key) is not obj:
                self._read[key] = _known(obj)
        self._objects = objects
        read = [(obj, self._read[key]) for key, obj in objects.items()]
        self.pools = tuple(each for _, each in read if isinstance(each, KnownPool))
        broken = [(obj, each) for obj, each in read if isinstance(each, str)]
        unread = [(each.obj, "; ".join(each.promises.errors)) for each in self.pools if each.promises.errors]
        self.complaints = (*broken, *unread)
        shapes = {key: _shape(obj) for key, obj in objects.items()}
        changed, self._shapes = shapes != self._shapes, shapes
        return changed

    def pool_of(self, address: Address) -> KnownPool | None:
        return next((each for each in self.pools if each.pool.usable(address)), None)

    def name_of(self, addresses: Sequence[Address]) -> str:
        """The pool that the first address is from, empty for none."""
        found = self.pool_of(addresses[0]) if addresses else None
        return found.pool.key.name if found is not None else ""


def _known(obj: IPAddressPool) -> KnownPool | str:
    """A text says what is wrong with the pool."""
    try:
        return KnownPool.of(obj)
    except ValueError as error:
        return f"spec.addresses: {error}"


def _shape(obj: IPAddressPool) -> tuple[object, ...]:
    annotations = {name: text for name, text in obj.metadata.annotations.items() if name != RETAINED_ANNOTATION}
    return obj.spec, obj.metadata.labels, annotations


class Retention:
    """`retire` what a Service gave up for good; `settle` says what a pool's annotation should be."""

    def __init__(self) -> None:
        self._new: dict[Key, dict[Key, Retained]] = {}
        self._kept: dict[Key, Mapping[Key, Retained]] = {}
        self._by_address: dict[Address, tuple[Key, float]] = {}

    def retire(self, key: Key, addresses: Iterable[Address], pools: Iterable[KnownPool], now: float) -> None:
        """Addresses of pools without a retention are let go."""
        gone = tuple(addresses)
        for each in pools:
            ours = tuple(sorted((one for one in gone if each.pool.usable(one)), key=lambda one: (one.version, int(one))))
            if ours and each.promises.retention:
                until = float(int(now + each.promises.retention))
                self._new.setdefault(each.pool.key, {})[key] = Retained(ours, until)

    def settle(self, pools: Iterable[KnownPool], book: Book, now: float) -> None:
        """Brings what is retained up to date: what pools say, what is new, without what is over."""
        known: dict[Key, Mapping[Key, Retained]] = {}
        for each in pools:
            new = self._new.get(each.pool.key, {}) if each.promises.retention else {}
            said = each.promises.retained
            new = {key: retained for key, retained in new.items() if said.get(key) != retained}
            current = {key: _current(key, retained, book, now) for key, retained in {**said, **new}.items()}
            kept = {key: retained for key, retained in current.items() if retained.addresses}
            last = sorted(kept, key=lambda key: (-kept[key].until, key))[:MOST_RETAINED]
            known[each.pool.key] = {key: kept[key] for key in sorted(last)}
            self._new[each.pool.key] = {key: retained for key, retained in new.items() if key in last}
        self._kept = known
        self._by_address = {
            address: (key, each.until) for kept in known.values() for key, each in kept.items() for address in each.addresses
        }
        self._new = {key: new for key, new in self._new.items() if new and key in known}

    def text(self, pool: Key) -> str:
        """What the annotation should be; empty for none."""
        return write_retained(self._kept.get(pool, {}))

    def by_address(self) -> Mapping[Address, tuple[Key, float]]:
        """For whom each address is retained, and until when."""
        return self._by_address

    def wake_at(self) -> float | None:
        """When the next one is over."""
        return min((each.until for kept in self._kept.values() for each in kept.values()), default=None)


def _current(key: Key, retained: Retained, book: Book, now: float) -> Retained:
    """Without addresses where it is over."""
    if retained.until <= now or book.held(key):
        return Retained((), retained.until)
    return Retained(tuple(each for each in retained.addresses if not book.is_held(each)), retained.until)
