"""`clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`: whether they fit together, and what may change.

Source: `ValidateServiceClusterIPsRelatedFields` and `validateUpgradeDowngrade*` in `pkg/apis/core/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from moorage.model.errors import FieldError, duplicate, invalid, not_supported, required
from moorage.model.net import Family
from moorage.model.service import EXTERNAL_NAME, HEADLESS, ServiceSpec
from moorage.registry.address_formats import address_errors, parse
from moorage.registry.service_facts import SINGLE_STACK, is_headless

POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
FAMILIES = ("IPv4", "IPv6")
IPS = "spec.clusterIPs"


def validate_addresses(spec: ServiceSpec, known: Sequence[str] = ()) -> list[FieldError]:
    """Nothing for ExternalName, which has no addresses. What the Service had before (`known`) is never malformed."""
    if spec.type == EXTERNAL_NAME:
        return []
    malformed = [*_malformed_addresses(spec, known)]
    errors = [*_first_address(spec), *_families(spec), *malformed]
    if len(spec.cluster_ips) > 2:
        errors.append(invalid(IPS, list(spec.cluster_ips), "may only hold up to 2 values"))
    if malformed:
        return errors
    return [*errors, *_families_of_addresses(spec)]


def _first_address(spec: ServiceSpec) -> Iterator[FieldError]:
    ips = list(spec.cluster_ips)
    if spec.cluster_ip and not ips:
        yield required(IPS)
    elif spec.cluster_ip and ips[0] != spec.cluster_ip:
        yield invalid(IPS, ips, "first value must match `clusterIP`")
    elif ips and not spec.cluster_ip:
        yield invalid(IPS, ips, "must be empty when `clusterIP` is not specified")


def _families(spec: ServiceSpec) -> Iterator[FieldError]:
    for index, family in enumerate(spec.ip_families):
        if family not in FAMILIES:
            yield not_supported(f"spec.ipFamilies[{index}]", family, FAMILIES)
        if family in spec.ip_families[:index]:
            yield duplicate(f"spec.ipFamilies[{index}]", family)
    if spec.ip_family_policy is not None and spec.ip_family_policy not in POLICIES:
        yield not_supported("spec.ipFamilyPolicy", spec.ip_family_policy, POLICIES)


def _malformed_addresses(spec: ServiceSpec, known: Sequence[str]) -> Iterator[FieldError]:
    for index, text in enumerate(spec.cluster_ips):
        if index == 0 and text == HEADLESS:
            if len(spec.cluster_ips) > 1:
                yield invalid(IPS, list(spec.cluster_ips), "'None' must be the first and only value")
        else:
            yield from (invalid(f"{IPS}[{index}]", text, each) for each in address_errors(text, known))


def _families_of_addresses(spec: ServiceSpec) -> Iterator[FieldError]:
    if is_headless(spec):
        return
    found = [Family.of(parsed.address).value for text in spec.cluster_ips if (parsed := parse(text)) is not None]
    if len(found) > 1 and len(set(found)) < len(found):
        yield invalid(IPS, list(spec.cluster_ips), "may specify no more than one IP for each IP family")
    for index, (family, wanted) in enumerate(zip(found, spec.ip_families, strict=False)):
        if wanted in FAMILIES and family != wanted:
            detail = f"expected an {wanted} value as indicated by `ipFamilies[{index}]`"
            yield invalid(f"{IPS}[{index}]", spec.cluster_ips[index], detail)


def validate_address_changes(before: ServiceSpec, after: ServiceSpec) -> list[FieldError]:
    """The first address and family never change while the Service keeps having them; a second may come and go."""
    if EXTERNAL_NAME in (before.type, after.type):
        return []
    errors: list[FieldError] = []
    if not (is_headless(before) and is_headless(after)):
        errors += _changed_addresses(before, after)
    if not is_headless(before) and not is_headless(after):
        errors += _changed_families(before, after)
    return errors


def _changed_addresses(before: ServiceSpec, after: ServiceSpec) -> Iterator[FieldError]:
    old, new = before.cluster_ips, after.cluster_ips
    if old and not new:
        yield invalid(f"{IPS}[0]", [], "primary clusterIP can not be unset")
    kept = range(len(old)) if len(old) == len(new) else range(min(len(old), len(new), 1))
    yield from (invalid(f"{IPS}[{each}]", list(new), "may not change once set") for each in kept if old[each] != new[each])
    if len(old) > len(new) == 1 and after.ip_family_policy != SINGLE_STACK:
        detail = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        yield invalid("spec.ipFamilyPolicy", after.ip_family_policy, detail)


def _changed_families(before: ServiceSpec, after: ServiceSpec) -> Iterator[FieldError]:
    old, new = before.ip_families, after.ip_families
    if len(old) == len(new):
        changed = sum(one != other for one, other in zip(old, new, strict=True))
        yield from [invalid("spec.ipFamilies[0]", list(new), "may not change once set")] * changed
    elif old and new and old[0] != new[0]:
        yield invalid("spec.ipFamilies[0]", list(after.cluster_ips), "may not change once set")  # the addresses: as upstream
    if len(old) > len(new) == 1 and after.ip_family_policy != SINGLE_STACK:
        detail = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        yield invalid("spec.ipFamilyPolicy", after.ip_family_policy, detail)
