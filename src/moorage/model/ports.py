"""The boundaries between rooms, as Protocols. Each has a shipped fake and one contract test that fake and real both pass.

HTTP -> api -> Resources (registry) -> Store            the server
API server -> Client -> Snapshot -> controllers, agents   everybody else
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from moorage.model.kinds import Kind
from moorage.model.meta import Key, Object
from moorage.model.net import Address
from moorage.model.selectors import EVERYTHING, Selector
from moorage.model.wire import Tree

T = TypeVar("T")
O = TypeVar("O", bound=Object)

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"
BOOKMARK = "BOOKMARK"


class Record(msgspec.Struct, frozen=True):
    """One stored object. `body` is its JSON, `metadata.resourceVersion` included, which is `revision` in decimal."""

    resource: str
    key: Key
    revision: int
    body: bytes
    labels: Mapping[str, str] = {}


class StoreEvent(msgspec.Struct, frozen=True):
    """One committed change. `record` is the new state, or for DELETED the last state under the deleting revision;
    `previous` is the state before, None for ADDED. Selectors need both: an object can leave a selection without going away.
    """

    type: str
    record: Record
    previous: Record | None = None

    @property
    def revision(self) -> int:
        return self.record.revision


class StoreView(Protocol):
    """The state inside one transaction: what is committed, plus everything written before in the same queue."""

    def get(self, resource: str, key: Key) -> Record | None: ...

    def list(self, resource: str, namespace: str = "") -> Sequence[Record]:
        """In key order; an empty namespace means all."""
        ...

    def put(self, resource: str, key: Key, make: Callable[[int], tuple[bytes, Mapping[str, str]]]) -> Record:
        """Writes one object. `make` gets the new revision and returns the JSON that carries it, and the labels."""
        ...

    def remove(self, resource: str, key: Key, make: Callable[[int], tuple[bytes, Mapping[str, str]]]) -> Record:
        """Removes one object; `make` gives its last state as watchers see it."""
        ...

    def holder(self, pool: str, value: str) -> str | None:
        """Who holds an address or port of a pool, or None."""
        ...

    def held(self, pool: str) -> Mapping[str, str]:
        """All that is held of a pool: value -> holder."""
        ...

    def take(self, pool: str, value: str, holder: str) -> None:
        """Records an allocation. Raises ValueError where another holder has it: the registry asks `holder` first."""
        ...

    def release(self, pool: str, value: str) -> None: ...


class Subscription(Protocol):
    """A watch in progress. `next` waits for one or more events, in revision order, without gap or repetition.

    Raises ApiError 410 when the reader fell so far behind that events were dropped.
    """

    async def next(self, timeout: float | None = None) -> Sequence[StoreEvent]:
        """Events since the last call; empty when `timeout` seconds passed without any."""
        ...

    @property
    def revision(self) -> int:
        """Everything up to here was delivered (bookmarks carry it)."""
        ...

    def close(self) -> None: ...


class Store(Protocol):
    """Versioned objects and allocations, durable and watchable. One revision counter for all kinds, as etcd has it."""

    @property
    def revision(self) -> int:
        """The newest committed revision."""
        ...

    def get(self, resource: str, key: Key) -> Record | None: ...

    def list(self, resource: str, namespace: str = "", at: int = 0) -> tuple[Sequence[Record], int]:
        """Committed records in key order, and the revision they are the state of: the newest, or `at` where that is given.

        Raises ApiError 410 where the history does not reach back to `at`, and where `at` is yet to come.
        """
        ...

    async def transact(self, change: Callable[[StoreView], T]) -> T:
        """Runs `change` alone, commits what it wrote as a whole, and returns its result once that is durable.

        If `change` raises, nothing of it is kept. Raises HostError when the disk refuses.
        """
        ...

    def watch(self, resource: str, since: int) -> Subscription:
        """Events of one kind after revision `since`. Raises ApiError 410 where the history does not reach back so far."""
        ...


class WriteOptions(msgspec.Struct, frozen=True):
    """`field_validation` is Strict, Warn or Ignore (KEP-2885); `manager` names the writer (fieldManager).

    `duplicate_fields` are paths that the body gives twice (`manifest.body` finds them); they count as unknown fields do.
    `force` lets an apply take fields that others own (KEP-555).
    """

    dry_run: bool = False
    field_validation: str = "Warn"
    manager: str = ""
    duplicate_fields: tuple[str, ...] = ()
    force: bool = False


class DeleteOptions(msgspec.Struct, frozen=True):
    grace_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False
    propagation: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What a write did. `warnings` travel as `Warning: 299` headers. `deleted` tells a finished deletion from one begun."""

    record: Record
    warnings: tuple[str, ...] = ()
    created: bool = False
    deleted: bool = False


Admit = Callable[[Tree], None]
"""Judges an object that somebody wants to write. Raises ApiError 403."""


class TokenIssuer(Protocol):
    """Who signs the tokens of ServiceAccounts. `ca` is the certificate of the cluster's authority, PEM."""

    ca: str

    def issue(self, claims: Tree) -> str: ...


class Part(msgspec.Struct, frozen=True):
    """What is asked for of a list in key order: what comes after a key; with selectors, so many at most (0: all)."""

    after: Key | None = None
    most: int = 0


WHOLE = Part()


class Resources(Protocol):
    """The meaning of the verbs: what `api` calls and `registry` implements. All raise ApiError."""

    @property
    def revision(self) -> int:
        """The newest committed revision."""
        ...

    def get(self, kind: Kind, key: Key) -> Record: ...

    def list(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Selector = EVERYTHING,
        fields: Selector = EVERYTHING,
        at: int = 0,
        part: Part = WHOLE,
    ) -> tuple[Sequence[Record], int]:
        """`at` as for `Store.list`."""
        ...

    def watch(
        self, kind: Kind, namespace: str, since: int, labels: Selector = EVERYTHING, fields: Selector = EVERYTHING
    ) -> Subscription:
        """Like Store.watch, seen through the selectors: an object that starts to match is ADDED, one that stops is DELETED."""
        ...

    async def create(
        self, kind: Kind, namespace: str, tree: Tree, options: WriteOptions, name: str = "", subresource: str = ""
    ) -> Outcome:
        """`name` and `subresource` are set for `pods/NAME/binding` only."""
        ...

    async def update(self, kind: Kind, key: Key, tree: Tree, options: WriteOptions, subresource: str = "") -> Outcome: ...

    async def patch(
        self, kind: Kind, key: Key, change: Callable[[Tree], Tree], options: WriteOptions, subresource: str = ""
    ) -> Outcome:
        """`change` maps the current object to the wanted one; it runs inside the transaction, so no update is lost."""
        ...

    async def apply(
        self, kind: Kind, key: Key, tree: Tree, options: WriteOptions, subresource: str = "", admit_new: Admit | None = None
    ) -> Outcome:
        """Server-side apply: `tree` is the configuration of `options.manager`. Makes what does not exist, if `admit_new`
        lets it pass.
        """
        ...

    async def delete(self, kind: Kind, key: Key, options: DeleteOptions) -> Outcome: ...


class WatchEvent(msgspec.Struct, frozen=True):
    """What a client sees. `obj` of a BOOKMARK carries only a kind and a resourceVersion."""

    type: str
    obj: Object


class Page(msgspec.Struct, Generic[O], frozen=True):
    """A part of a list. `objects` are to be read once, before the next page is asked for; reading may raise HostError.
    `version` is the list's resourceVersion, the same on all its pages. `first` begins a list: what came before it, if anything
    did, is void.
    """

    objects: Iterable[O]
    version: str
    first: bool = True


class Client(Protocol):
    """An API server seen from outside, ours or a real one. Raises ApiError for a refusal, HostError when out of reach."""

    async def get(self, type_: type[O], key: Key) -> O: ...

    async def list(self, type_: type[O], namespace: str = "", labels: str = "", fields: str = "") -> tuple[Sequence[O], str]:
        """The objects and the list's resourceVersion: all pages as one."""
        ...

    def pages(
        self, type_: type[O], namespace: str = "", labels: str = "", fields: str = "", cached: bool = False
    ) -> AsyncGenerator[Page[O], None]:
        """A list as it arrives, in key order: at least one page, all of the state at one version. The server is asked for the
        next page before this one is given out. A list whose next page has expired meanwhile (410) begins anew, once.

        With `cached` the server may answer from its memory, with a state that is a little old: older even than one that it has
        shown before, where there are several servers.
        """
        ...

    def watch(
        self, type_: type[Object], since: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        """Ends when the server ends the stream; raises ApiError 410 when `since` is too old.

        The first event is a BOOKMARK of `since`: the server has accepted the watch.
        """
        ...

    async def create(self, obj: O) -> O: ...

    async def update(self, obj: O, subresource: str = "") -> O: ...

    async def merge_patch(self, type_: type[O], key: Key, patch: Tree, subresource: str = "") -> O: ...

    async def delete(
        self,
        type_: type[Object],
        key: Key,
        uid: str = "",
        grace_seconds: int | None = None,
        resource_version: str = "",
        propagation: str = "",
    ) -> None:
        """`uid` and `resource_version` are preconditions; `propagation` is a policy of `model.garbage`."""
        ...

    async def bind(self, pod: Key, uid: str, node: str) -> None: ...


class AddressState(msgspec.Struct, frozen=True):
    """What the network says of an address: nobody answers for it, `mac` does, or it is being asked."""

    mac: str = ""
    asking: bool = False


class Probes(Protocol):
    """Whether a machine of the network uses an address (RFC 5227, RFC 4862 section 5.4)."""

    def state(self, address: Address) -> AddressState:
        """Answers at once. The first call for an address asks the network, and says so until its answer is known; the answer
        holds for a few seconds. An address that cannot be asked for counts as free.
        """
        ...
