"""What every object has: identity, version, labels, owners. Source: Kubernetes `meta/v1` ObjectMeta."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from moorage.model.wire import ApiType


class Key(NamedTuple):
    """The name of an object among those of its kind. `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class OwnerReference(ApiType, frozen=True):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ManagedFieldsEntry(ApiType, frozen=True):
    """Who owns which fields. `fields_v1` is JSON as it is written; `registry.managed` knows its form."""

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: str | None = None
    fields_type: str = ""
    fields_v1: msgspec.Raw = msgspec.Raw()
    subresource: str = ""


class ObjectMeta(ApiType, frozen=True):
    """`metadata`. Times are RFC 3339 in UTC with second precision, as `metav1.Time` is written.

    `managed_fields` None: nothing is said of owners; empty: they are to be forgotten.
    """

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[ManagedFieldsEntry, ...] | None = None

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)


class Condition(ApiType, frozen=True):
    """`metav1.Condition`; also the shape of Pod and Node conditions, which add the two heartbeat times."""

    type: str = ""
    status: str = ""
    observed_generation: int = 0
    last_heartbeat_time: str | None = None
    last_probe_time: str | None = None
    last_transition_time: str | None = None
    reason: str = ""
    message: str = ""


class Object(ApiType, frozen=True):
    """Any API object: a kind, a version and metadata."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()

    @property
    def key(self) -> Key:
        return self.metadata.key


class ObjectReference(ApiType, frozen=True):
    """`core/v1` ObjectReference: what an Event is about, which Pod an endpoint is."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    field_path: str = ""


def condition(conditions: Sequence[Condition], type_: str) -> Condition | None:
    """The condition of that type, if the object has one."""
    return next((each for each in conditions if each.type == type_), None)


def is_true(conditions: Sequence[Condition], type_: str) -> bool:
    found = condition(conditions, type_)
    return found is not None and found.status == "True"
