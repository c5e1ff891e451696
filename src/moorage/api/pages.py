"""A list in pages: every page of one list shows the state at the version of its first page, whatever is written meanwhile.

Source: apiserver `storage/etcd3/store.go` and `errors.go`, `storage/interfaces.go`; KEP-365 (pages), KEP-2340 (versions).
"""

from __future__ import annotations

from moorage.api.forms import Page
from moorage.api.list_options import EXACT, Continue, ListOptions, write_token
from moorage.api.routes import Target
from moorage.model.errors import ApiError, gone
from moorage.model.ports import Part, Resources

_TOO_OLD = "The resourceVersion for the provided list is too old."
_PAGES_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
    "continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with "
    "the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


def list_page(resources: Resources, target: Target, options: ListOptions) -> Page:
    """Raises ApiError 410 where the state that is asked for is no longer known, 504 where it is yet to come."""
    at = _wanted(options)
    limit = 0 if options.since == 0 else options.limit
    part = Part(options.token.after if options.token is not None else None, limit + 1 if limit else 0)
    try:
        records, revision = resources.list(target.kind, target.namespace, options.labels, options.fields, at, part)
    except ApiError as error:
        if error.code != 410:
            raise
        raise _expired(resources, target, options, at) from error
    if options.since is not None:
        check_not_future(options.since, revision)
    if not limit or len(records) <= limit:
        return Page(records, revision)
    selects = options.labels.requirements or options.fields.requirements
    token = write_token(Continue(revision, records[limit - 1].key))
    return Page(records[:limit], revision, token, None if selects else len(records) - limit)


def check_not_future(since: int, revision: int) -> None:
    """Raises ApiError 504 where `since` is beyond the newest version: the client may ask again."""
    if since > revision:
        message = f"Timeout: Too large resource version: {since}, current: {revision}"
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        raise ApiError(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def _wanted(options: ListOptions) -> int:
    """The version whose state must be shown, or 0 where the newest will do. A limit alone makes a version exact."""
    if options.token is not None:
        return max(options.token.revision, 0)
    exact = options.match == EXACT or (not options.match and options.limit)
    return options.since or 0 if exact else 0


def _expired(resources: Resources, target: Target, options: ListOptions, at: int) -> ApiError:
    _, newest = resources.list(target.kind, target.namespace)
    check_not_future(at, newest)
    if options.token is None:
        return gone(_TOO_OLD)
    error = gone(_PAGES_TOO_OLD)
    error.metadata = {"continue": write_token(Continue(-1, options.token.after))}
    return error
