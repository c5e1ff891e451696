"""What a kind means: its defaults, its rules, what it takes. One class per kind; every method is a pure function of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from moorage.model.errors import FieldError
from moorage.model.meta import Key, Object
from moorage.model.ports import Record
from moorage.registry.formats import Format, dns_subdomain

if TYPE_CHECKING:
    from random import Random

O = TypeVar("O", bound=Object)


class ReadView(Protocol):
    """The part of `StoreView` that a rule may read."""

    def get(self, resource: str, key: Key) -> Record | None: ...

    def list(self, resource: str, namespace: str = "") -> Sequence[Record]: ...

    def holder(self, pool: str, value: str) -> str | None: ...

    def held(self, pool: str) -> Mapping[str, str]: ...


class Held(msgspec.Struct, frozen=True, order=True):
    """One address or port of a pool (`clusterip`, `nodeport`)."""

    pool: str
    value: str


class Allocation(msgspec.Struct, Generic[O], frozen=True):
    """The object with what it was given filled in, and the difference to what it held before."""

    obj: O
    takes: frozenset[Held] = frozenset()
    releases: frozenset[Held] = frozenset()


class Strategy(Generic[O]):
    """The rules of one kind; this base is a kind without any of its own.

    A create runs default, prepare_create, validate, validate_among, allocate; an update default, prepare_update (or
    prepare_status), validate, validate_update, validate_among, allocate. Rules return all errors, never the first.
    """

    name_format: Format = staticmethod(dns_subdomain)
    create_on_update = False
    """Whether PUT makes an object that does not exist."""
    unconditional_update = True
    """Whether PUT without `metadata.resourceVersion` is accepted."""
    counts_generations = False
    """Whether `metadata.generation` counts changes of what is wanted."""
    fields: tuple[str, ...] = ()
    """Field selectors besides `metadata.name` and `metadata.namespace`."""

    def default(self, obj: O) -> O:
        """Fills in what was left out and does not depend on anything else."""
        return obj

    def prepare_create(self, obj: O) -> O:
        """Drops what a creator may not set."""
        return obj

    def prepare_update(self, before: O, after: O) -> O:
        """Keeps what an update of the main resource may not touch: the status, and values that the server allocated."""
        return _replaced(after, status=_status(before)) if _status(before) is not None else after

    def prepare_status(self, before: O, after: O) -> O:
        """Keeps all but status and metadata."""
        return _replaced(before, metadata=after.metadata, status=_status(after))

    def warnings(self, obj: O) -> tuple[str, ...]:
        """What the writer should know, though the object is accepted (upstream: WarningsOnCreate, WarningsOnUpdate)."""
        return ()

    def status_warnings(self, obj: O) -> tuple[str, ...]:
        """The same for a write of the status."""
        return ()

    def validate(self, obj: O) -> list[FieldError]:
        """What is wrong with the object by itself."""
        return []

    def validate_update(self, before: O, after: O) -> list[FieldError]:
        """What may not change."""
        return []

    def judge_update(self, before: O, after: O) -> list[FieldError]:
        """Everything that is wrong with an update. A kind overrides it where an update is judged otherwise than a create."""
        return [*self.validate(after), *self.validate_update(before, after)]

    def validate_status(self, before: O, after: O) -> list[FieldError]:
        """What is wrong with a new status."""
        return []

    def validate_among(self, obj: O, view: ReadView) -> list[FieldError]:
        """What is wrong with the object beside the others of its kind."""
        return []

    def wants_same(self, before: O, after: O) -> bool:
        """Whether nothing but metadata and status differs: the generation stays."""
        unlike = {"metadata": after.metadata}
        if _status(after) is not None:
            unlike["status"] = _status(after)
        return _replaced(before, **unlike) == after

    def allocate(self, before: O | None, after: O, view: ReadView, random: Random) -> Allocation[O]:
        """Chooses what was left open and checks what was asked for. Raises ApiError 422 where a wish cannot be granted,
        500 where a range is full.
        """
        return Allocation(after)

    def held(self, obj: O) -> frozenset[Held]:
        """What the object holds: released when it goes."""
        return frozenset()

    def grace_seconds(self, obj: O, asked: int | None) -> int:
        """How long the object stays after a delete; 0 means it goes at once."""
        return 0

    def selectable(self, obj: O) -> Mapping[str, str]:
        """The values of `fields`."""
        return {}


def _status(obj: Object) -> Any:
    return getattr(obj, "status", None)


def _replaced(obj: O, **changes: Any) -> O:
    return msgspec.structs.replace(obj, **changes)
