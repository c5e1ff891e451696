"""The one base of every API type: a frozen struct whose JSON is Kubernetes' JSON.

Field names are written in snake case and travel in Kubernetes' spelling (`cluster_ips` is `clusterIPs`). A default is the
Go zero value of the upstream field, and a field at its default is left out, as `omitempty` does.

API values are trees, never cycles, so the cyclic garbage collector need not look at them (`gc=False`): decoding a list of
250,000 endpoints takes a quarter of the time.
"""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec

_ACRONYMS = {"ip": "IP", "ips": "IPs", "cidr": "CIDR", "cidrs": "CIDRs", "id": "ID", "uuid": "UUID", "url": "URL"}
_ACRONYMS |= {"ipv4": "IPv4", "ipv6": "IPv6"}

Tree = dict[str, Any]
"""A decoded JSON object whose shape is not known yet: manifests and patches, before they become typed objects."""


def wire_name(field: str) -> str:
    """`load_balancer_ip` -> `loadBalancerIP`: Kubernetes' spelling of a snake-case field name."""
    first, *rest = field.rstrip("_").split("_")
    return first + "".join(_ACRONYMS.get(word, word.capitalize()) for word in rest)


class ApiType(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=wire_name, gc=False):
    """A value of the Kubernetes API. Unknown fields are dropped on decoding, as kube-apiserver prunes them."""


def without_none(hint: Any) -> tuple[Any, ...]:
    """The alternatives of a type, None left out: `int | str` gives both, `str | None` gives `str`."""
    if isinstance(hint, types.UnionType):
        return tuple(each for each in typing.get_args(hint) if each is not type(None))
    return (hint,)
