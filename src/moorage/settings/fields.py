"""What a settings type says of itself: each field with its key in a file, its flag, its bounds and a sentence.

The type is the one source: files, flags, error messages and the reference page are made from what `fields` gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, get_args, get_type_hints

import msgspec

from moorage.model.errors import FieldError

API_VERSION = "moorage.dev/v1alpha1"

_INITIALISMS = {"Cidrs": "CIDRs", "Dns": "DNS"}


def camel(name: str) -> str:
    """A field's key in a file, as Kubernetes spells its own: `cluster_cidrs` -> `clusterCIDRs`."""
    first, *others = name.split("_")
    return first + "".join(_INITIALISMS.get(each.capitalize(), each.capitalize()) for each in others)


class Settings(msgspec.Struct, frozen=True, kw_only=True, rename=camel):
    """Settings of one role. `KIND` is the `kind` of their files."""

    KIND: ClassVar[str] = ""

    def wrong(self) -> Iterator[FieldError]:
        """What no type can say: values that are no prefix or no address, and those that do not fit together."""
        yield from ()


class Field(msgspec.Struct, frozen=True):
    """`key` is the name in files. `type` is the annotation. `default` is `msgspec.NODEFAULT` where a value is required."""

    name: str
    key: str
    flag: str
    type: Any
    default: Any
    about: str

    @property
    def required(self) -> bool:
        return self.default is msgspec.NODEFAULT


def setting(about: str, flag: str = "", **bounds: Any) -> msgspec.Meta:
    """For `Annotated`. `flag` is needed where it is not the field's name with dashes; `bounds` are those of `msgspec.Meta`."""
    return msgspec.Meta(description=about, extra={"flag": flag}, **bounds)


def fields(type_: type[Settings]) -> tuple[Field, ...]:
    """In the order in which they are declared."""
    hints = get_type_hints(type_, include_extras=True)
    return tuple(_field(each, hints[each.name]) for each in msgspec.structs.fields(type_))


def written(settings: Settings) -> dict[str, Any]:
    """The tree of a file that says these settings: what differs from the defaults, and what has none."""
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(settings))
    said = {each.key: values[each.key] for each in fields(type(settings)) if getattr(settings, each.name) != each.default}
    return {"apiVersion": API_VERSION, "kind": settings.KIND, **said}


def _field(info: msgspec.structs.FieldInfo, hint: Any) -> Field:
    meta: msgspec.Meta = next(each for each in get_args(hint)[1:] if isinstance(each, msgspec.Meta))
    return Field(
        name=info.name,
        key=info.encode_name,
        flag=(meta.extra or {}).get("flag") or "--" + re.sub("_", "-", info.name),
        type=hint,
        default=info.default,
        about=meta.description or "",
    )


def shown(value: Any) -> str:
    """A default as a person writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or "empty"
