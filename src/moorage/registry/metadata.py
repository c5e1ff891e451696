"""`metadata`, the same for every kind: what the server fills in, what an update may not change, what is valid.

Source: apimachinery `api/validation/objectmeta.go` and apiserver `registry/rest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from moorage.model.clock import timestamp
from moorage.model.errors import FieldError, forbidden, invalid, required, too_long
from moorage.model.meta import ObjectMeta, OwnerReference
from moorage.registry.formats import Format, dns_label, label_value, qualified_name

if TYPE_CHECKING:
    from random import Random

ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes of all annotation keys and values of one object."""

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and nothing that looks like another character. Source: apimachinery `util/rand`."""
_SUFFIX = 5
_BASE_LIMIT = 63 - _SUFFIX


def generated_name(base: str, random: Random) -> str:
    """`generateName` plus five characters; a long base is cut so that the whole is a DNS label."""
    return base[:_BASE_LIMIT] + "".join(random.choice(_ALPHABET) for _ in range(_SUFFIX))


def completed(meta: ObjectMeta, now: float, random: Random) -> ObjectMeta:
    """For a new object: name, uid and creation time; what only a server may set is dropped."""
    name = meta.name or (generated_name(meta.generate_name, random) if meta.generate_name else "")
    return msgspec.structs.replace(
        meta,
        name=name,
        uid=str(UUID(int=random.getrandbits(128), version=4)),
        creation_timestamp=timestamp(now),
        deletion_timestamp=None,
        deletion_grace_period_seconds=None,
        generation=0,
    )


def carried(before: ObjectMeta, after: ObjectMeta) -> ObjectMeta:
    """For an update: what was left out of the server's own fields comes from the stored object."""
    return msgspec.structs.replace(
        after,
        uid=after.uid or before.uid,
        namespace=before.namespace,
        generate_name=after.generate_name or before.generate_name,
        resource_version=before.resource_version,
        creation_timestamp=after.creation_timestamp or before.creation_timestamp,
        deletion_timestamp=after.deletion_timestamp or before.deletion_timestamp,
        deletion_grace_period_seconds=(
            before.deletion_grace_period_seconds
            if after.deletion_grace_period_seconds is None
            else after.deletion_grace_period_seconds
        ),
        generation=before.generation,
    )


def validate(meta: ObjectMeta, name_format: Format) -> list[FieldError]:
    """All that is wrong with the metadata of a new or changed object."""
    errors: list[FieldError] = []
    if meta.generate_name:
        errors += [
            invalid("metadata.generateName", meta.generate_name, each)
            for each in name_format(_without_dash(meta.generate_name))
        ]
    if not meta.name:
        errors.append(required("metadata.name", "name or generateName is required"))
    errors += [invalid("metadata.name", meta.name, each) for each in name_format(meta.name) if meta.name]
    errors += [invalid("metadata.namespace", meta.namespace, each) for each in dns_label(meta.namespace) if meta.namespace]
    errors += validate_labels(meta.labels, "metadata.labels")
    errors += _validate_annotations(meta.annotations)
    errors += _validate_owners(meta.owner_references)
    errors += [
        invalid("metadata.finalizers", finalizer, each) for finalizer in meta.finalizers for each in qualified_name(finalizer)
    ]
    return errors


def validate_update(before: ObjectMeta, after: ObjectMeta) -> list[FieldError]:
    """What an update may not do to the metadata."""
    errors: list[FieldError] = []
    added = [each for each in after.finalizers if each not in before.finalizers]
    if before.deletion_timestamp is not None and added:
        listed = ", ".join(f'"{each}"' for each in sorted(added))
        detail = "no new finalizers can be added if the object is being deleted, found new finalizers"
        errors.append(forbidden("metadata.finalizers", f"{detail} []string{{{listed}}}"))
    frozen: dict[str, tuple[Any, Any]] = {
        "name": (before.name, after.name),
        "uid": (before.uid, after.uid),
        "creationTimestamp": (before.creation_timestamp, after.creation_timestamp),
        "deletionTimestamp": (before.deletion_timestamp, after.deletion_timestamp),
        "deletionGracePeriodSeconds": (before.deletion_grace_period_seconds, after.deletion_grace_period_seconds),
    }
    for field, (old, new) in frozen.items():
        if old != new:
            errors.append(invalid(f"metadata.{field}", new, "field is immutable"))
    return errors


def validate_labels(labels: Mapping[str, str], path: str) -> list[FieldError]:
    errors = []
    for key, value in labels.items():
        errors += [invalid(path, key, each) for each in qualified_name(key)]
        errors += [invalid(path, value, each) for each in label_value(value)]
    return errors


def _without_dash(base: str) -> str:
    """A generateName may end in a dash, since something follows: upstream judges it with the dash replaced."""
    return f"{base[:-1]}a" if base.endswith("-") and len(base) > 1 else base


def _validate_annotations(annotations: Mapping[str, str]) -> list[FieldError]:
    errors = [invalid("metadata.annotations", key, each) for key in annotations for each in qualified_name(key.lower())]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        errors.append(too_long("metadata.annotations", ANNOTATIONS_LIMIT))
    return errors


def _validate_owners(owners: tuple[OwnerReference, ...]) -> list[FieldError]:
    path = "metadata.ownerReferences"
    errors = []
    for owner in owners:
        if not owner.api_version:
            errors.append(invalid(f"{path}.apiVersion", owner.api_version, "version must not be empty"))
        for field, value in (("kind", owner.kind), ("name", owner.name), ("uid", owner.uid)):
            if not value:
                errors.append(invalid(f"{path}.{field}", value, "must not be empty"))
        if owner.api_version == "v1" and owner.kind == "Event":
            errors.append(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"))
    controllers = [f"{owner.kind}/{owner.name}" for owner in owners if owner.controller]
    if len(controllers) > 1:
        detail = 'Only one reference can have Controller set to true. Found "true" in references for'
        errors.append(invalid(path, list(owners), f"{detail} {controllers[0]} and {controllers[1]}"))
    return errors
