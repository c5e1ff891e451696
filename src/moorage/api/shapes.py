"""What a type looks like from outside: its fields in Kubernetes' spelling, and how a strategic merge patch treats each list.

Both the strategic merge patch and the OpenAPI documents are made from these shapes, so clients and server agree on merge keys.
Source of the strategies: the `patchStrategy` and `patchMergeKey` tags of the Kubernetes 1.36 API types.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping
from typing import Any

import msgspec

from moorage.model.cluster import NamespaceStatus, NodeSpec, NodeStatus
from moorage.model.kinds import Kind
from moorage.model.meta import ObjectMeta
from moorage.model.pods import Container, PodSpec, PodStatus
from moorage.model.service import ServiceSpec, ServiceStatus
from moorage.model.wire import ApiType, without_none


class Strategy(msgspec.Struct, frozen=True):
    """How a list is merged: items with the same `key` are one item. An empty `key` makes a set of plain values.

    `retain_keys`: the patch lists the keys that an item keeps (`$retainKeys`), as unions of the API need it.
    """

    key: str = ""
    retain_keys: bool = False


STRATEGIES: Mapping[type[ApiType], Mapping[str, Strategy]] = {
    ObjectMeta: {"ownerReferences": Strategy("uid"), "finalizers": Strategy()},
    NamespaceStatus: {"conditions": Strategy("type")},
    NodeSpec: {"podCIDRs": Strategy()},
    NodeStatus: {"conditions": Strategy("type"), "addresses": Strategy("type")},
    PodSpec: {
        "volumes": Strategy("name", retain_keys=True),
        "initContainers": Strategy("name"),
        "containers": Strategy("name"),
        "imagePullSecrets": Strategy("name"),
        "hostAliases": Strategy("ip"),
        "topologySpreadConstraints": Strategy("topologyKey"),
    },
    Container: {
        "ports": Strategy("containerPort"),
        "env": Strategy("name"),
        "volumeMounts": Strategy("mountPath"),
    },
    PodStatus: {"conditions": Strategy("type"), "podIPs": Strategy("ip"), "hostIPs": Strategy("ip")},
    ServiceSpec: {"ports": Strategy("port")},
    ServiceStatus: {"conditions": Strategy("type")},
}
"""A list that is not named here is replaced as a whole."""


class Field(msgspec.Struct, frozen=True):
    """One field of a struct. `hint` is its Python type; `type` is the struct inside it, through lists and options, if any."""

    name: str
    hint: Any
    type: type[ApiType] | None = None
    strategy: Strategy | None = None


@functools.cache
def shape(type_: type[ApiType]) -> Mapping[str, Field]:
    """The fields of an API type by their name on the wire."""
    hints = typing.get_type_hints(type_)
    strategies = STRATEGIES.get(type_, {})
    fields = {}
    for field in msgspec.structs.fields(type_):
        hint = hints[field.name]
        name = field.encode_name
        fields[name] = Field(name, hint, _struct_in(hint), strategies.get(name))
    return fields


def _struct_in(hint: Any) -> type[ApiType] | None:
    alternatives = without_none(hint)
    inner = alternatives[0]
    if typing.get_origin(inner) is tuple:
        inner = typing.get_args(inner)[0]
    return inner if isinstance(inner, type) and issubclass(inner, ApiType) else None


def takes_strategic_patch(kind: Kind) -> bool:
    """Kinds of Kubernetes' own groups do; those that upstream serves from a CustomResourceDefinition do not."""
    return "." not in kind.group or kind.group.endswith(".k8s.io")


@functools.cache
def fully_typed(type_: type[ApiType]) -> bool:
    """Whether every field below is known, so that a client can read every merge strategy from the OpenAPI document."""
    for name, field in shape(type_).items():
        if name == "managedFields":
            continue
        if field.type is not None:
            if not fully_typed(field.type):
                return False
        elif Any in _leaves(field.hint):
            return False
    return True


def _leaves(hint: Any) -> set[Any]:
    arguments = typing.get_args(hint)
    return set().union(*map(_leaves, arguments)) if arguments else {hint}
