"""Names of new objects, made here as the API server would make them, so that a write can be recognised when it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from moorage.model.slices import EndpointSlice

if TYPE_CHECKING:
    from random import Random

_LONGEST = 63
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
"""The letters of generated names: no vowels, nothing that is easily misread. Source: apimachinery `util/rand`."""


def named(slice_: EndpointSlice, random: Random) -> EndpointSlice:
    """With a name made from its `generateName`."""
    suffix = "".join(random.choices(_SUFFIX, k=5))
    name = slice_.metadata.generate_name[: _LONGEST - len(suffix)] + suffix
    return replace(slice_, metadata=replace(slice_.metadata, name=name))
