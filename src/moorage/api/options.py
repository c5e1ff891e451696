"""Query parameters and DeleteOptions bodies -> typed options of writes. Names and meanings are those of `meta/v1`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.api.exchange import Request
from moorage.model.errors import FieldError, bad_request, invalid, not_supported, unprocessable
from moorage.model.ports import DeleteOptions, WriteOptions
from moorage.model.wire import ApiType, Tree

_FIELD_VALIDATION = ("Ignore", "Strict", "Warn")
_PROPAGATION = ("Background", "Foreground", "Orphan")


def write_options(query: Mapping[str, str], verb: str) -> WriteOptions:
    """`verb` is Create, Update or Patch: it names the options in messages. Raises ApiError 422 for unknown values."""
    if not query:
        return WriteOptions()
    errors: list[FieldError] = []
    dry_run = _choice(query, "dryRun", ("All",), errors)
    validation = _choice(query, "fieldValidation", _FIELD_VALIDATION, errors)
    if errors:
        raise unprocessable(f"{verb}Options", "meta.k8s.io", "", errors)
    return WriteOptions(bool(dry_run), validation or "Warn", query.get("fieldManager", ""))


class _Preconditions(ApiType, frozen=True):
    uid: str | None = None
    resource_version: str | None = None


class _DeleteBody(ApiType, frozen=True):
    grace_period_seconds: int | None = None
    preconditions: _Preconditions | None = None
    propagation_policy: str | None = None
    orphan_dependents: bool | None = None
    dry_run: tuple[str, ...] | None = None


def delete_options(request: Request, body: Tree) -> DeleteOptions:
    """From the body where there is one, else from the query. Raises ApiError 400 or 422."""
    query = request.query
    try:
        given = msgspec.convert(body, _DeleteBody)
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
    if errors:
        raise unprocessable("DeleteOptions", "meta.k8s.io", "", errors)
    if not propagation and (given.orphan_dependents or query.get("orphanDependents") == "true"):
        propagation = "Orphan"
    conditions = given.preconditions or _Preconditions()
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
