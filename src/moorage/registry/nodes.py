"""Node. Source: `ValidateNode`, `ValidateNodeUpdate` in `pkg/apis/core/validation/validation.go`, `pkg/registry/core/node`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

import msgspec

from moorage.model.cluster import Node, NodeSpec, Taint
from moorage.model.errors import FieldError, duplicate, forbidden, invalid, not_supported
from moorage.registry import formats
from moorage.registry.strategy import Strategy

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class NodeStrategy(Strategy[Node]):
    """A kubelet registers its Node with a status: a create keeps it, unlike that of other kinds."""

    fields = ("spec.unschedulable",)

    def default(self, obj: Node) -> Node:
        """`podCIDR` and the first of `podCIDRs` are one."""
        spec = obj.spec
        if spec.pod_cidr and not spec.pod_cidrs:
            return msgspec.structs.replace(obj, spec=msgspec.structs.replace(spec, pod_cidrs=(spec.pod_cidr,)))
        if spec.pod_cidrs and not spec.pod_cidr:
            return msgspec.structs.replace(obj, spec=msgspec.structs.replace(spec, pod_cidr=spec.pod_cidrs[0]))
        return obj

    def validate(self, obj: Node) -> list[FieldError]:
        return [*_pod_cidrs(obj.spec), *_taints(obj.spec.taints), *_addresses(obj)]

    def validate_update(self, before: Node, after: Node) -> list[FieldError]:
        errors = []
        if before.spec.pod_cidrs and before.spec.pod_cidrs != after.spec.pod_cidrs:
            errors.append(forbidden("spec.podCIDR", 'node updates may not change podCIDR except from "" to valid'))
        if before.spec.provider_id and before.spec.provider_id != after.spec.provider_id:
            errors.append(forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'))
        return errors

    def validate_status(self, before: Node, after: Node) -> list[FieldError]:
        return list(_addresses(after))

    def selectable(self, obj: Node) -> Mapping[str, str]:
        return {"spec.unschedulable": "true" if obj.spec.unschedulable else "false"}


def _pod_cidrs(spec: NodeSpec) -> Iterator[FieldError]:
    versions = []
    for index, text in enumerate(spec.pod_cidrs):
        texts = formats.prefix(text)
        yield from (invalid(f"spec.podCIDRs[{index}]", text, each) for each in texts)
        if not texts:
            versions.append(ip_network(text, strict=False).version)
    if spec.pod_cidrs and spec.pod_cidrs[0] != spec.pod_cidr:
        yield invalid("spec.podCIDRs", list(spec.pod_cidrs), "first value must match `podCIDR`")
    if len(spec.pod_cidrs) > 2 or len(set(versions)) < len(versions):
        yield invalid("spec.podCIDRs", list(spec.pod_cidrs), "may specify no more than one CIDR for each IP family")


def _taints(taints: tuple[Taint, ...]) -> Iterator[FieldError]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path = f"spec.taints[{index}]"
        yield from (invalid(f"{path}.key", taint.key, each) for each in formats.qualified_name(taint.key))
        yield from (invalid(f"{path}.value", taint.value, each) for each in formats.label_value(taint.value))
        if taint.effect not in EFFECTS:
            yield not_supported(f"{path}.effect", taint.effect, EFFECTS)
        if (taint.key, taint.effect) in seen:
            yield duplicate(path, taint)
        seen.add((taint.key, taint.effect))


def _addresses(node: Node) -> Iterator[FieldError]:
    seen = set()
    for index, each in enumerate(node.status.addresses):
        if (each.type, each.address) in seen:
            yield duplicate(f"status.addresses[{index}]", each)
        seen.add((each.type, each.address))
