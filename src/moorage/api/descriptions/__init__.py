"""What each type and field of the API is for, in a sentence: read by `kubectl explain` through the OpenAPI documents.

A note of a type is text. Lines of the form `field: sentence` are about a field, `field!: sentence` about one that is required;
a line that is indented goes on with the one before. What stands before the first field is about the type itself.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping

import msgspec

from moorage.api.descriptions import cluster, configuration, endpoints, meta, metallb, networking, pods, service
from moorage.model.wire import ApiType

NOTES: Mapping[type[ApiType], str] = {
    **meta.NOTES,
    **cluster.NOTES,
    **pods.NOTES,
    **service.NOTES,
    **endpoints.NOTES,
    **networking.NOTES,
    **configuration.NOTES,
    **metallb.NOTES,
}

_COMMON: Mapping[str, str] = {
    "apiVersion": "Group and version of the API that this object is written for, such as v1.",
    "kind": "What the object is, such as Service.",
    "metadata": "Name, namespace, labels and what else every object has.",
    "spec": "What is wanted.",
    "status": "What is, as controllers and agents observe it.",
}


class Description(msgspec.Struct, frozen=True):
    text: str = ""
    fields: Mapping[str, str] = {}
    required: tuple[str, ...] = ()


@functools.cache
def describe(type_: type[ApiType]) -> Description:
    """What is known of a type. Where nothing is written down, its docstring must do."""
    text, fields, required = "", {}, []
    for line in re.sub(r"\n +", " ", NOTES.get(type_, "")).splitlines():
        match = re.fullmatch(r"(\w+)(!?): (.+)", line)
        if match is None:
            text = f"{text} {line}".strip()
            continue
        fields[match[1]] = match[3]
        if match[2]:
            required.append(match[1])
    docstring = " ".join((inspect.getdoc(type_) or type_.__name__).split())
    common = {name: said for name, said in _COMMON.items() if name not in fields}
    return Description(text or docstring, {**common, **fields}, tuple(required))
