"""What becomes of fields that a body should not have: unknown ones and those given twice (KEP-2885)."""

from __future__ import annotations

from moorage.manifest.convert import Decoded
from moorage.model.errors import bad_request
from moorage.model.kinds import Kind
from moorage.model.ports import WriteOptions


def field_warnings(kind: Kind, decoded: Decoded, options: WriteOptions) -> tuple[str, ...]:
    """Warnings for unknown and repeated fields; none where they are ignored. Raises ApiError 400 where they are forbidden."""
    if options.field_validation == "Ignore":
        return ()
    found = tuple(
        f'{what} field "{path}"'
        for what, paths in (("unknown", decoded.unknown_fields), ("duplicate", options.duplicate_fields))
        for path in paths
    )
    if found and options.field_validation == "Strict":
        version = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
        raise bad_request(f"{version}: strict decoding error: {', '.join(found)}")
    return found
