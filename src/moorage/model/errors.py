"""Errors by blame. `ApiError` is what the API answers (a Kubernetes Status); `HostError` is the machine's fault;
`UserError` is the caller's, found before anything was sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with a manifest. Source: apimachinery `util/validation/field.Error`.

    `type` is the upstream cause reason: FieldValueInvalid, FieldValueRequired, FieldValueDuplicate, FieldValueNotSupported,
    FieldValueForbidden, FieldValueTooLong, FieldValueTooMany, FieldValueNotFound. `field` is a path: `spec.ports[0].port`.
    """

    type: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def _value(value: object) -> str:
    """A bad value as upstream prints it: strings quoted, other values as compact JSON."""
    return json.dumps(value, default=msgspec.to_builtins, ensure_ascii=False, separators=(",", ":"))


def invalid(field: str, value: object, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", field, f"Invalid value: {_value(value)}: {detail}")


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, "Required value" + (f": {detail}" if detail else ""))


def duplicate(field: str, value: object) -> FieldError:
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {_value(value)}")


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, f"Forbidden: {detail}")


def not_supported(field: str, value: object, valid: Sequence[str]) -> FieldError:
    listed = ", ".join(json.dumps(each) for each in valid)
    return FieldError("FieldValueNotSupported", field, f"Unsupported value: {_value(value)}: supported values: {listed}")


def too_long(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


class ApiError(Exception):
    """A refusal as the API words it: HTTP `code`, machine-readable `reason`, `message`, `details`, `metadata` of a Status."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.metadata: dict[str, str] = {}

    @property
    def retry_after(self) -> float:
        """The seconds that the server asks to be left alone (`details.retryAfterSeconds` of a 429 or 503), at most a minute."""
        asked = self.details.get("retryAfterSeconds", 0)
        return min(60.0, float(asked)) if isinstance(asked, int) else 0.0


def not_found(plural: str, group: str, name: str) -> ApiError:
    full = f"{plural}.{group}" if group else plural
    return ApiError(404, "NotFound", f'{full} "{name}" not found', {"name": name, "group": group, "kind": plural})


def already_exists(plural: str, group: str, name: str) -> ApiError:
    full = f"{plural}.{group}" if group else plural
    return ApiError(409, "AlreadyExists", f'{full} "{name}" already exists', {"name": name, "group": group, "kind": plural})


def conflict(plural: str, group: str, name: str, message: str) -> ApiError:
    full = f"{plural}.{group}" if group else plural
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {full} "{name}": {message}',
        {"name": name, "group": group, "kind": plural},
    )


def unprocessable(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422 with one cause per field error, worded as apimachinery `errors.NewInvalid` words it."""
    full = f"{kind}.{group}" if group else kind
    listed = ", ".join(str(each) for each in errors)
    text = listed if len(errors) == 1 else f"[{listed}]"
    causes = [{"reason": each.type, "message": each.message, "field": each.field} for each in errors]
    details: dict[str, Any] = {"name": name, "group": group, "kind": kind, "causes": causes}
    return ApiError(422, "Invalid", f'{full} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def gone(message: str) -> ApiError:
    """410: the asked-for revision is no longer in the history; list again."""
    return ApiError(410, "Expired", message)


class UserError(Exception):
    """The person at the keyboard can mend it: the message is one line that says what to do."""


class HostError(Exception):
    """The kernel, the network or the disk refused: the message says what was tried and keeps the output."""
