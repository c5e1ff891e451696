"""The body of a server-side apply (KEP-555): YAML, of which JSON is a part -> the tree of a configuration."""

from __future__ import annotations

from moorage.api.bodies import parse
from moorage.api.exchange import YAML
from moorage.manifest.body import Body
from moorage.model.errors import ApiError, bad_request

APPLY_PATCH = "application/apply-patch+yaml"


def read_configuration(data: bytes) -> Body:
    """Raises ApiError 400 where the bytes are not one object."""
    try:
        return parse(data, YAML)
    except ApiError as error:
        raise bad_request(f"error decoding YAML: {error.message}") from error
