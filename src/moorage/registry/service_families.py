"""`ipFamilyPolicy` and `ipFamilies` of a Service, completed from its addresses and from what the cluster has.

A Service changes between one family and two only where its writer says so: by the policy, or by a second family or address.
Source: `initIPFamilyFields` in `pkg/registry/core/service/storage/alloc.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from moorage.model.errors import FieldError, invalid
from moorage.model.net import Family
from moorage.model.service import EXTERNAL_NAME, HEADLESS, ServiceSpec
from moorage.registry.address_formats import parse
from moorage.registry.service_address_rules import validate_addresses
from moorage.registry.service_facts import (
    PREFER_DUAL_STACK,
    REQUIRE_DUAL_STACK,
    SINGLE_STACK,
    free_of_families,
)

POLICY = "spec.ipFamilyPolicy"
DUAL_NEEDED = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"


class Settled(msgspec.Struct, frozen=True):
    """Where there are errors, `spec` is as it was."""

    spec: ServiceSpec
    errors: tuple[FieldError, ...] = ()


def settle(spec: ServiceSpec, before: ServiceSpec | None, configured: Sequence[Family]) -> Settled:
    """`configured` are the families of the cluster, default first. Settling what is settled changes nothing.

    Errors come in stages, as upstream finds them: the later ones would only repeat the earlier in other words.
    """
    if spec.type == EXTERNAL_NAME or _prefers_what_it_has(spec, before):
        return Settled(spec)
    given = spec
    spec = msgspec.structs.replace(spec, ip_family_policy=_policy(spec, before))
    known = before.cluster_ips if before else ()
    malformed = validate_addresses(spec, known)
    if malformed:
        return Settled(given, tuple(malformed))
    errors = [*_reduced(spec, before)] if before else []
    if before is not None and spec.ip_family_policy == SINGLE_STACK:
        spec = _downgraded(spec, before)
    errors += _too_many(spec)
    spec, uncovered = _with_families_of_addresses(spec, configured)
    errors += uncovered
    if not errors and not free_of_families(spec):
        errors += _not_configured(spec, configured)
    return Settled(given, tuple(errors)) if errors else Settled(_filled(spec, configured))


def _prefers_what_it_has(spec: ServiceSpec, before: ServiceSpec | None) -> bool:
    """PreferDualStack and nothing about it changed: kept as it is, though the cluster may have other families by now."""
    return (
        before is not None
        and spec.type == before.type
        and spec.ip_family_policy == PREFER_DUAL_STACK
        and before.ip_family_policy in (None, PREFER_DUAL_STACK)
        and (spec.cluster_ips, spec.ip_families) == (before.cluster_ips, before.ip_families)
    )


def _policy(spec: ServiceSpec, before: ServiceSpec | None) -> str:
    if spec.ip_family_policy is not None:
        return spec.ip_family_policy
    if before is not None and before.ip_family_policy is not None:
        return before.ip_family_policy
    return REQUIRE_DUAL_STACK if free_of_families(spec) else SINGLE_STACK


def _reduced(spec: ServiceSpec, before: ServiceSpec) -> Iterator[FieldError]:
    """Leaving a second address or family out is no wish to lose it: only the policy says so."""
    if spec.ip_family_policy == SINGLE_STACK:
        return
    if 0 < len(spec.cluster_ips) < len(before.cluster_ips):
        yield invalid(POLICY, spec.ip_family_policy, "must be 'SingleStack' to release the secondary cluster IP")
    if 0 < len(spec.ip_families) < len(before.ip_families):
        yield invalid(POLICY, spec.ip_family_policy, "must be 'SingleStack' to release the secondary IP family")


def _downgraded(spec: ServiceSpec, before: ServiceSpec) -> ServiceSpec:
    """SingleStack drops the second address and family that the writer did not touch."""
    ips, families = spec.cluster_ips, spec.ip_families
    return msgspec.structs.replace(
        spec,
        cluster_ips=ips[:1] if ips == before.cluster_ips else ips,
        ip_families=families[:1] if families == before.ip_families else families,
    )


def _too_many(spec: ServiceSpec) -> Iterator[FieldError]:
    if spec.ip_family_policy != SINGLE_STACK:
        return
    if len(spec.cluster_ips) == 2:
        yield invalid(POLICY, SINGLE_STACK, f"{DUAL_NEEDED} cluster IPs are specified")
    if len(spec.ip_families) == 2:
        yield invalid(POLICY, SINGLE_STACK, f"{DUAL_NEEDED} IP families are specified")


def _with_families_of_addresses(spec: ServiceSpec, configured: Sequence[Family]) -> tuple[ServiceSpec, list[FieldError]]:
    """A family that is not named is that of the address in its place."""
    families, errors = list(spec.ip_families), []
    for index, text in enumerate(spec.cluster_ips):
        parsed = parse(text)
        if text == HEADLESS or parsed is None or index < len(families):
            continue
        family = Family.of(parsed.address)
        if family in configured:
            families.append(family.value)
        else:
            detail = f"{family.value} is not configured on this cluster"
            errors.append(invalid(f"spec.clusterIPs[{index}]", list(spec.cluster_ips), detail))
    return msgspec.structs.replace(spec, ip_families=tuple(families)), errors


def _not_configured(spec: ServiceSpec, configured: Sequence[Family]) -> Iterator[FieldError]:
    known = [each.value for each in configured]
    if spec.ip_family_policy == REQUIRE_DUAL_STACK and len(known) < 2:
        yield invalid(POLICY, REQUIRE_DUAL_STACK, "this cluster is not configured for dual-stack services")
    for index, family in enumerate(spec.ip_families):
        if family not in known:
            yield invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")


def _filled(spec: ServiceSpec, configured: Sequence[Family]) -> ServiceSpec:
    """At least the default family; a second one where the policy asks for it and it can be had."""
    families = list(spec.ip_families) or [configured[0].value]
    may_grow = free_of_families(spec) or len(configured) == 2
    if spec.ip_family_policy != SINGLE_STACK and len(families) == 1 and may_grow:
        families.append(next(each.value for each in Family if each.value != families[0]))
    return msgspec.structs.replace(spec, ip_families=tuple(families))
