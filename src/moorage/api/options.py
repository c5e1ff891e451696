"""Query parameters and DeleteOptions bodies -> typed options of writes. Names and meanings are those of `meta/v1`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import msgspec

from moorage.api.exchange import Request
from moorage.model.errors import (
    FieldError,
    bad_request,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
    unprocessable,
)
from moorage.model.garbage import BACKGROUND, FOREGROUND, ORPHAN
from moorage.model.ports import DeleteOptions, WriteOptions
from moorage.model.wire import ApiType, Tree

_FIELD_VALIDATION = ("Ignore", "Strict", "Warn")
MANAGER_LIMIT = 128
"""Bytes of the name of a field manager."""
_PROPAGATION = (BACKGROUND, FOREGROUND, ORPHAN)


def write_options(query: Mapping[str, str], verb: str, user_agent: str = "", applies: bool = False) -> WriteOptions:
    """`verb` is Create, Update or Patch: it names the options in messages. `applies`: the patch is a server-side apply.

    Without a `fieldManager`, the program that the User-Agent names is the manager. Raises ApiError 422 for unknown values.
    """
    manager = query.get("fieldManager", "")
    if not query and not applies:
        return WriteOptions(manager=manager_of(user_agent))
    errors: list[FieldError] = []
    if applies and not manager:
        errors.append(required("fieldManager", "is required for apply patch"))
    if "force" in query and verb == "Patch" and not applies:
        errors.append(forbidden("force", "may not be specified for non-apply patch"))
    errors += _manager(manager)
    dry_run = _choice(query, "dryRun", ("All",), errors)
    validation = _choice(query, "fieldValidation", _FIELD_VALIDATION, errors)
    if errors:
        raise unprocessable(f"{verb}Options", "meta.k8s.io", "", errors)
    manager = manager or manager_of(user_agent)
    return WriteOptions(bool(dry_run), validation or "Warn", manager, force=flag(query, "force"))


def _manager(name: str) -> Iterator[FieldError]:
    """Source: apimachinery `meta/v1/validation` ValidateFieldManager."""
    if len(name.encode()) > MANAGER_LIMIT:
        yield too_long("fieldManager", MANAGER_LIMIT)
    for index, each in enumerate(name):
        if not each.isprintable():
            where = f"U+{ord(each):04X} (at position {len(name[:index].encode())})"
            yield invalid("fieldManager", name, f"invalid character {where}")


@lru_cache
def manager_of(user_agent: str) -> str:
    """The part of a User-Agent before the first slash, without what cannot be printed, cut to MANAGER_LIMIT bytes."""
    printable = "".join(each for each in user_agent.partition("/")[0] if each.isprintable())
    return printable.encode()[:MANAGER_LIMIT].decode(errors="ignore")


class Preconditions(ApiType, frozen=True):
    uid: str | None = None
    resource_version: str | None = None


class DeleteBody(ApiType, frozen=True):
    """`meta/v1` DeleteOptions, as a request carries it."""

    grace_period_seconds: int | None = None
    preconditions: Preconditions | None = None
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    dry_run: tuple[str, ...] | None = None


def delete_options(request: Request, body: Tree) -> DeleteOptions:
    """From the body where there is one, else from the query. Raises ApiError 400 or 422."""
    query = request.query
    try:
        given = msgspec.convert(body, DeleteBody)
    except msgspec.ValidationError as error:
        raise bad_request(f"error decoding DeleteOptions: {error}") from error
    errors: list[FieldError] = []
    if body:
        query = {"dryRun": (given.dry_run or ("",))[0], "propagationPolicy": given.propagation_policy or ""}
    grace = given.grace_period_seconds if body else number(query, "gracePeriodSeconds")
    dry_run = _choice(query, "dryRun", ("All",), errors)
    propagation = _choice(query, "propagationPolicy", _PROPAGATION, errors)
    if grace is not None and grace < 0:
        errors.append(invalid("gracePeriodSeconds", grace, "must be greater than or equal to 0"))
    orphan = given.orphan_dependents if body else _optional_flag(query, "orphanDependents")
    if orphan is not None and propagation:
        text = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(invalid("propagationPolicy", propagation, text))
    if errors:
        raise unprocessable("DeleteOptions", "meta.k8s.io", "", errors)
    if orphan is not None:
        propagation = ORPHAN if orphan else BACKGROUND
    conditions = given.preconditions or Preconditions()
    return DeleteOptions(
        grace_seconds=grace,
        uid=conditions.uid or "",
        resource_version=conditions.resource_version or "",
        dry_run=bool(dry_run),
        propagation=propagation,
    )


def flag(query: Mapping[str, str], name: str) -> bool:
    """Go's idea of a true parameter: present, and neither 0 nor false."""
    return query.get(name, "0").lower() not in ("0", "false")


def _optional_flag(query: Mapping[str, str], name: str) -> bool | None:
    return flag(query, name) if name in query else None


def number(query: Mapping[str, str], name: str) -> int | None:
    value = query.get(name)
    if not value:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) < 20):
        raise bad_request(f'{name}: Invalid value: "{value}": not a whole number')
    return int(value)


def _choice(query: Mapping[str, str], name: str, valid: tuple[str, ...], errors: list[FieldError]) -> str:
    value = query.get(name, "")
    if value and value not in valid:
        errors.append(not_supported(name, value, valid))
    return value
