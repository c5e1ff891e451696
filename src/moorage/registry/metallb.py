"""How MetalLB's announcements are judged. Source: the schemas of its CustomResourceDefinitions (`api/v1beta1`, `api/v1beta2`),
and its validating webhooks, which parse with `internal/config`.

The webhooks also look at pools, nodes and secrets; those rules are left to whoever announces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from moorage.model.durations import parse_duration
from moorage.model.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from moorage.model.metallb import (
    BFDProfile,
    BGPAdvertisement,
    BGPAdvertisementSpec,
    BGPPeer,
    BGPPeerSpec,
    Community,
    L2Advertisement,
    LabelSelector,
    ServiceBGPStatus,
    ServiceBGPStatusStatus,
    ServiceL2Status,
    ServiceL2StatusStatus,
)
from moorage.registry import formats
from moorage.registry.strategy import O, Strategy

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_ASN = (0, 2**32 - 1)
_BGP_PORT = 179
_BFD_RANGES = {
    "detectMultiplier": (2, 255),
    "receiveInterval": (10, 60000),
    "transmitInterval": (10, 60000),
    "minimumTtl": (1, 254),
    "echoInterval": (10, 60000),
}


class CustomStrategy(Strategy[O]):
    """A custom resource upstream: updates need a version, generations count."""

    unconditional_update = False
    counts_generations = True


class L2AdvertisementStrategy(CustomStrategy[L2Advertisement]):
    def validate(self, obj: L2Advertisement) -> list[FieldError]:
        spec = obj.spec
        return [
            *_repeated("spec.ipAddressPools", spec.ip_address_pools),
            *_selectors("spec.ipAddressPoolSelectors", spec.ip_address_pool_selectors),
            *_selectors("spec.nodeSelectors", spec.node_selectors),
            *_selectors("spec.serviceSelectors", spec.service_selectors),
        ]


class BGPAdvertisementStrategy(CustomStrategy[BGPAdvertisement]):
    def default(self, obj: BGPAdvertisement) -> BGPAdvertisement:
        spec = obj.spec
        lengths = {
            "aggregation_length": 32 if spec.aggregation_length is None else spec.aggregation_length,
            "aggregation_length_v6": 128 if spec.aggregation_length_v6 is None else spec.aggregation_length_v6,
        }
        return msgspec.structs.replace(obj, spec=msgspec.structs.replace(spec, **lengths))

    def validate(self, obj: BGPAdvertisement) -> list[FieldError]:
        spec = obj.spec
        return [
            *_lengths(spec),
            *_in_range("spec.localPref", spec.local_pref, 0, 2**32 - 1),
            *_repeated("spec.ipAddressPools", spec.ip_address_pools),
            *_repeated("spec.communities", spec.communities),
            *_repeated("spec.peers", spec.peers),
            *(error for index, each in enumerate(spec.communities) for error in _community(f"spec.communities[{index}]", each)),
            *_selectors("spec.ipAddressPoolSelectors", spec.ip_address_pool_selectors),
            *_selectors("spec.nodeSelectors", spec.node_selectors),
            *_selectors("spec.serviceSelectors", spec.service_selectors),
        ]


def _lengths(spec: BGPAdvertisementSpec) -> Iterator[FieldError]:
    lengths = (("aggregationLength", spec.aggregation_length, 32, "IPv4"),)
    for name, length, most, family in (*lengths, ("aggregationLengthV6", spec.aggregation_length_v6, 128, "IPv6")):
        if length is None:
            continue
        if not 1 <= length <= most:
            yield invalid(f"spec.{name}", length, f"invalid aggregation length {length} for {family}")
        elif length != most and spec.service_selectors:
            yield forbidden(f"spec.{name}", f"serviceSelectors and {name} are mutually exclusive")


class CommunityStrategy(CustomStrategy[Community]):
    def validate(self, obj: Community) -> list[FieldError]:
        errors = list(_repeated("spec.communities", [each.name for each in obj.spec.communities], ".name"))
        for index, alias in enumerate(obj.spec.communities):
            errors += _community(f"spec.communities[{index}].value", alias.value, by_name=False)
        return errors


def _community(path: str, text: str, by_name: bool = True) -> Iterator[FieldError]:
    """`by_name`: any other text may name an entry of a Community object."""
    parts = text.split(":")
    if len(parts) == 2:
        numbers, most = parts, 2**16 - 1
    elif len(parts) == 4 and parts[0] == "large":
        numbers, most = parts[1:], 2**32 - 1
    elif len(parts) == 4:
        yield invalid(path, text, "invalid marker for large community, expected large:<uint32>:<uint32>:<uint32>")
        return
    else:
        if not by_name:
            yield invalid(path, text, "invalid community format")
        return
    for each in numbers:
        if not (each.isascii() and each.isdecimal() and len(each) < 20 and int(each) <= most):
            yield invalid(path, text, f'invalid section "{each}" of community')


class BFDProfileStrategy(CustomStrategy[BFDProfile]):
    def validate(self, obj: BFDProfile) -> list[FieldError]:
        given = msgspec.to_builtins(obj.spec)
        return [
            error
            for name, (low, high) in _BFD_RANGES.items()
            if name in given
            for error in _in_range(f"spec.{name}", given[name], low, high)
        ]


class BGPPeerStrategy(CustomStrategy[BGPPeer]):
    def default(self, obj: BGPPeer) -> BGPPeer:
        port = obj.spec.peer_port or _BGP_PORT
        return msgspec.structs.replace(obj, spec=msgspec.structs.replace(obj.spec, peer_port=port))

    def validate(self, obj: BGPPeer) -> list[FieldError]:
        spec = obj.spec
        return [
            *_autonomous_systems(spec),
            *_peer_addresses(spec),
            *_in_range("spec.peerPort", spec.peer_port, 1, 16384),
            *_timers(spec),
            *_password(spec),
            *_selectors("spec.nodeSelectors", spec.node_selectors),
        ]

    def validate_update(self, before: BGPPeer, after: BGPPeer) -> list[FieldError]:
        name = "spec.enableGracefulRestart"
        if before.spec.enable_graceful_restart == after.spec.enable_graceful_restart:
            return []
        detail = "EnableGracefulRestart cannot be changed after creation"
        return [invalid(name, after.spec.enable_graceful_restart, detail)]


def _autonomous_systems(spec: BGPPeerSpec) -> Iterator[FieldError]:
    yield from _in_range("spec.myASN", spec.my_asn, *_ASN)
    yield from _in_range("spec.peerASN", spec.peer_asn, *_ASN)
    if spec.my_asn == 0:
        yield required("spec.myASN", "missing local ASN")
    if spec.dynamic_asn and spec.dynamic_asn not in ("internal", "external"):
        yield not_supported("spec.dynamicASN", spec.dynamic_asn, ("internal", "external"))
    if not spec.peer_asn and not spec.dynamic_asn:
        yield required("spec.peerASN", "missing peer ASN and dynamicASN")
    if spec.peer_asn and spec.dynamic_asn:
        yield invalid("spec.dynamicASN", spec.dynamic_asn, "both peer ASN and dynamicASN specified")
    if spec.peer_asn == spec.my_asn and spec.ebgp_multi_hop:
        yield invalid("spec.ebgpMultiHop", True, "invalid ebgp-multihop parameter set for an ibgp peer")


def _peer_addresses(spec: BGPPeerSpec) -> Iterator[FieldError]:
    if not spec.peer_address and not spec.interface:
        yield required("spec.peerAddress", "peer has no Address or Interface specified")
    if spec.peer_address and spec.interface:
        yield invalid("spec.interface", spec.interface, "peer has both Address and Interface specified")
    addresses = {"peerAddress": spec.peer_address, "sourceAddress": spec.source_address, "routerID": spec.router_id}
    for name, value in addresses.items():
        if value:
            yield from (invalid(f"spec.{name}", value, each) for each in formats.address(value))
    for name, value in {"interface": spec.interface, "vrf": spec.vrf}.items():
        if "\n" in value or "\r" in value:
            yield invalid(f"spec.{name}", value, "contains invalid characters")


def _timers(spec: BGPPeerSpec) -> Iterator[FieldError]:
    """RFC 4271 section 4.2: a hold time is 0 or at least three seconds. Each follows from the other."""
    times = {}
    for name, text in {
        "holdTime": spec.hold_time,
        "keepaliveTime": spec.keepalive_time,
        "connectTime": spec.connect_time,
    }.items():
        if text is None:
            continue
        seconds = parse_duration(text)
        if seconds is None:
            yield invalid(f"spec.{name}", text, "must be a duration, such as 90s or 1m30s")
        else:
            times[name] = seconds
    connect = times.get("connectTime", 1.0)
    if not 1 <= connect <= 65535:
        yield invalid("spec.connectTime", spec.connect_time, "connect time should be between 1 seconds to 65535")
    if connect % 1:
        yield invalid("spec.connectTime", spec.connect_time, "connect time should contain a whole number of seconds")
    hold = times.get("holdTime", times.get("keepaliveTime", 30.0) * 3)
    if 1 <= hold < 3:
        yield invalid("spec.holdTime", spec.hold_time, "must be 0 or >=3s")
    if times.get("keepaliveTime", 0.0) > hold:
        yield invalid("spec.keepaliveTime", spec.keepalive_time, "must be lower than holdTime")


def _password(spec: BGPPeerSpec) -> Iterator[FieldError]:
    if spec.password and spec.password_secret.name:
        yield forbidden("spec.passwordSecret", "can not have both password and secret ref set")
    if "\n" in spec.password or "\r" in spec.password:
        yield invalid("spec.password", "<hidden>", "contains invalid characters")


class ServiceL2StatusStrategy(Strategy[ServiceL2Status]):
    def prepare_create(self, obj: ServiceL2Status) -> ServiceL2Status:
        return msgspec.structs.replace(obj, status=ServiceL2StatusStatus())


class ServiceBGPStatusStrategy(Strategy[ServiceBGPStatus]):
    def prepare_create(self, obj: ServiceBGPStatus) -> ServiceBGPStatus:
        return msgspec.structs.replace(obj, status=ServiceBGPStatusStatus())


def _in_range(path: str, value: int, low: int, high: int) -> Iterator[FieldError]:
    if not low <= value <= high:
        yield invalid(path, value, f"must be in {low}-{high} range")


def _repeated(path: str, values: Iterable[object], below: str = "") -> Iterator[FieldError]:
    seen = []
    for index, value in enumerate(values):
        if value in seen:
            yield duplicate(f"{path}[{index}]{below}", value)
        seen.append(value)


def _selectors(path: str, selectors: tuple[LabelSelector, ...]) -> Iterator[FieldError]:
    """Source: apimachinery `pkg/apis/meta/v1/validation`."""
    yield from _repeated(path, selectors)
    for number, selector in enumerate(selectors):
        for key, value in selector.match_labels.items():
            yield from (invalid(f"{path}[{number}].matchLabels", key, each) for each in formats.qualified_name(key))
            yield from (invalid(f"{path}[{number}].matchLabels", value, each) for each in formats.label_value(value))
        for index, term in enumerate(selector.match_expressions):
            here = f"{path}[{number}].matchExpressions[{index}]"
            yield from (invalid(f"{here}.key", term.key, each) for each in formats.qualified_name(term.key))
            yield from _repeated(f"{here}.values", term.values)
            if term.operator not in _OPERATORS:
                yield invalid(f"{here}.operator", term.operator, "not a valid selector operator")
            elif term.operator in ("In", "NotIn") and not term.values:
                yield required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
            elif term.operator in ("Exists", "DoesNotExist") and term.values:
                yield forbidden(f"{here}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
