"""The query of a list or watch -> typed options, or a refusal. Names, meanings and rules are those of `meta/v1` ListOptions.

Source: apimachinery `apis/meta/internalversion/validation`, apiserver `storage/continue.go` and `storage/interfaces.go`.
"""

from __future__ import annotations

import binascii
import posixpath
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

import msgspec

from moorage.api.options import flag, number
from moorage.model.errors import ApiError, FieldError, bad_request, forbidden, not_supported, unprocessable
from moorage.model.meta import Key
from moorage.model.selectors import EVERYTHING, Selector, parse_field_selector, parse_label_selector

EXACT = "Exact"
NOT_OLDER_THAN = "NotOlderThan"
_TOKEN_VERSION = "meta.k8s.io/v1"  # noqa: S105  (the version of a format)


class Continue(msgspec.Struct, frozen=True):
    """Where a list goes on: behind the object `after`, in the state at `revision`; -1 means the newest state."""

    revision: int
    after: Key


class ListOptions(msgspec.Struct, frozen=True):
    """`since` None: no version was named; 0: any will do. `limit` 0: no bound. `timeout` is in seconds,
    None for the server's own choice. `initial_events` None: not said.
    """

    labels: Selector = EVERYTHING
    fields: Selector = EVERYTHING
    since: int | None = None
    match: str = ""
    limit: int = 0
    token: Continue | None = None
    bookmarks: bool = False
    initial_events: bool | None = None
    timeout: float | None = None


def is_watch(query: Mapping[str, str]) -> bool:
    return flag(query, "watch")


def list_options(query: Mapping[str, str]) -> ListOptions:
    """Raises ApiError 400 for what cannot be read, 422 for options that do not go together."""
    if not query:
        return ListOptions()
    errors = _watch_errors(query) if is_watch(query) else _list_errors(query)
    if errors:
        raise unprocessable("ListOptions", "meta.k8s.io", "", errors)
    labels, fields, token = query.get("labelSelector"), query.get("fieldSelector"), query.get("continue")
    since = number(query, "resourceVersion")
    if token and since:
        raise bad_request("specifying resource version is not allowed when using continue")
    timeout = number(query, "timeoutSeconds")
    return ListOptions(
        labels=parse_label_selector(labels) if labels else EVERYTHING,
        fields=parse_field_selector(fields) if fields else EVERYTHING,
        since=since,
        match=query.get("resourceVersionMatch", ""),
        limit=number(query, "limit") or 0,
        token=read_token(token) if token else None,
        bookmarks=flag(query, "allowWatchBookmarks"),
        initial_events=flag(query, "sendInitialEvents") if query.get("sendInitialEvents") else None,
        timeout=float(timeout) if timeout else None,
    )


def _list_errors(query: Mapping[str, str]) -> list[FieldError]:
    match, version = query.get("resourceVersionMatch"), query.get("resourceVersion")
    errors = []
    if match:
        path = "resourceVersionMatch"
        if not version:
            errors.append(forbidden(path, f"{path} is forbidden unless resourceVersion is provided"))
        if query.get("continue"):
            errors.append(forbidden(path, f"{path} is forbidden when continue is provided"))
        if match not in (EXACT, NOT_OLDER_THAN):
            errors.append(not_supported(path, match, (EXACT, NOT_OLDER_THAN, "")))
        if match == EXACT and version == "0":
            errors.append(forbidden(path, f'{path} "exact" is forbidden for resourceVersion "0"'))
    if query.get("sendInitialEvents"):
        errors.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return errors


def _watch_errors(query: Mapping[str, str]) -> list[FieldError]:
    match, initial = query.get("resourceVersionMatch"), query.get("sendInitialEvents")
    path = "resourceVersionMatch"
    errors = []
    if initial and match != NOT_OLDER_THAN:
        errors.append(forbidden(path, f"sendInitialEvents requires setting {path} to {NOT_OLDER_THAN}"))
    if match and not initial:
        errors.append(forbidden(path, f"{path} is forbidden for watch unless sendInitialEvents is provided"))
    if match and match != NOT_OLDER_THAN:
        errors.append(not_supported(path, match, (NOT_OLDER_THAN,)))
    if match and query.get("continue"):
        errors.append(forbidden(path, f"{path} is forbidden when continue is provided"))
    return errors


class _Token(msgspec.Struct):
    v: str = ""
    rv: int = 0
    start: str = ""


def read_token(text: str) -> Continue:
    """A `continue` token. Raises ApiError 400 where it is none that a server gave."""
    try:
        token = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Token)
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise _no_token(f": {error}") from error
    if token.v != _TOKEN_VERSION:
        raise _no_token(f": server does not recognize this encoded version {token.v}")
    if not token.rv:
        raise _no_token(": incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not token.start:
        raise _no_token(": encoded start key empty (version meta.k8s.io/v1)")
    if posixpath.normpath(f"/{token.start}") != f"/{token.start}":
        raise _no_token(f": {token.start}")
    namespace, _, name = token.start.removesuffix("\0").rpartition("/")
    return Continue(token.rv, Key(namespace, name))


def write_token(place: Continue) -> str:
    start = f"{place.after}\0"
    encoded = msgspec.json.encode(_Token(_TOKEN_VERSION, place.revision, start))
    return urlsafe_b64encode(encoded).rstrip(b"=").decode()


def _no_token(why: str) -> ApiError:
    return bad_request(f"invalid continue token: continue key is not valid{why}")
