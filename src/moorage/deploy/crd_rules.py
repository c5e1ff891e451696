"""What the types of MetalLB's kinds do not say of their fields: bounds, defaults, what is required, rules between fields.

Source: MetalLB's CustomResourceDefinitions and its validating webhooks. `registry/pools.py` and `registry/metallb.py` judge the
same for the embedded API server, with words of their own; what a schema cannot say (overlaps, repeated items) is theirs alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.lb import IPAddressPool, IPAddressPoolSpec, ServiceAllocation
from moorage.model.metallb import (
    BFDProfile,
    BFDProfileSpec,
    BGPAdvertisement,
    BGPAdvertisementSpec,
    BGPPeer,
    BGPPeerSpec,
    CommunityAlias,
    L2Advertisement,
    LabelRequirement,
    ServiceBGPStatus,
    ServiceL2Status,
)
from moorage.model.wire import ApiType, Tree


def _range(low: int, high: int) -> Tree:
    return {"minimum": low, "maximum": high}


_ASN = 2**32 - 1
_INTERVAL = _range(10, 60000)
_DURATION = {"pattern": r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$"}

BOUNDS: Mapping[type[ApiType], Mapping[str, Tree]] = {
    IPAddressPoolSpec: {"addresses": {"minItems": 1}, "autoAssign": {"default": True}, "avoidBuggyIPs": {"default": False}},
    ServiceAllocation: {"priority": {"minimum": 0}},
    LabelRequirement: {"operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]}},
    BGPAdvertisementSpec: {
        "aggregationLength": {"default": 32, **_range(1, 32)},
        "aggregationLengthV6": {"default": 128, **_range(1, 128)},
        "localPref": _range(0, 2**32 - 1),
    },
    CommunityAlias: {"value": {"pattern": "^([0-9]+:[0-9]+|large:[0-9]+:[0-9]+:[0-9]+)$"}},
    BFDProfileSpec: {
        "detectMultiplier": _range(2, 255),
        "receiveInterval": _INTERVAL,
        "transmitInterval": _INTERVAL,
        "echoInterval": _INTERVAL,
        "minimumTtl": _range(1, 254),
    },
    BGPPeerSpec: {
        "myASN": _range(1, _ASN),
        "peerASN": _range(0, _ASN),
        "localASN": _range(1, _ASN),
        "dynamicASN": {"enum": ["internal", "external"]},
        "peerPort": {"default": 179, **_range(1, 16384)},
        "holdTime": _DURATION,
        "keepaliveTime": _DURATION,
        "connectTime": _DURATION,
    },
}
"""By type and key: what is added to the schema of the field."""

REQUIRED: Mapping[type[ApiType], tuple[str, ...]] = {
    IPAddressPool: ("spec",),
    IPAddressPoolSpec: ("addresses",),
    LabelRequirement: ("key", "operator"),
    BGPPeer: ("spec",),
    BGPPeerSpec: ("myASN",),
}

_PLAIN_LENGTHS = (
    "(!has(self.aggregationLength) || self.aggregationLength == 32) && "
    "(!has(self.aggregationLengthV6) || self.aggregationLengthV6 == 128)"
)

RULES: Mapping[type[ApiType], tuple[tuple[str, str], ...]] = {
    BGPAdvertisementSpec: (
        (
            f"!has(self.serviceSelectors) || self.serviceSelectors.size() == 0 || ({_PLAIN_LENGTHS})",
            "serviceSelectors go with single addresses only: aggregationLength 32, aggregationLengthV6 128",
        ),
    ),
    BGPPeerSpec: (
        (
            "(has(self.peerASN) && self.peerASN != 0) != has(self.dynamicASN)",
            "one of peerASN and dynamicASN must be given, and not both",
        ),
        (
            "(has(self.peerAddress) && self.peerAddress != '') != (has(self.interface) && self.interface != '')",
            "one of peerAddress and interface must be given, and not both",
        ),
        (
            "(has(self.enableGracefulRestart) && self.enableGracefulRestart) == "
            "(has(oldSelf.enableGracefulRestart) && oldSelf.enableGracefulRestart)",
            "enableGracefulRestart cannot be changed after creation",
        ),
    ),
}
"""By type: rules in CEL (`x-kubernetes-validations`, Kubernetes 1.29) and what is said where one is broken."""


_SELECTORS = (
    ("IPAddressPools", ".spec.ipAddressPools", "string", 0),
    ("IPAddressPool Selectors", ".spec.ipAddressPoolSelectors", "string", 0),
)
_NODES = ("Node Selectors", ".spec.nodeSelectors", "string", 10)
_SERVICE = (
    ("Service Name", ".status.serviceName", "string", 0),
    ("Service Namespace", ".status.serviceNamespace", "string", 0),
)

COLUMNS: Mapping[type[ApiType], tuple[tuple[str, str, str, int], ...]] = {
    IPAddressPool: (
        ("Auto Assign", ".spec.autoAssign", "boolean", 0),
        ("Avoid Buggy IPs", ".spec.avoidBuggyIPs", "boolean", 0),
        ("Addresses", ".spec.addresses", "string", 0),
    ),
    L2Advertisement: (*_SELECTORS, ("Interfaces", ".spec.interfaces", "string", 0), _NODES),
    BGPAdvertisement: (*_SELECTORS, ("Peers", ".spec.peers", "string", 0), _NODES),
    BFDProfile: (
        ("Passive Mode", ".spec.passiveMode", "boolean", 0),
        ("Transmit Interval", ".spec.transmitInterval", "integer", 0),
        ("Receive Interval", ".spec.receiveInterval", "integer", 0),
        ("Multiplier", ".spec.detectMultiplier", "integer", 0),
    ),
    BGPPeer: (
        ("Address", ".spec.peerAddress", "string", 0),
        ("ASN", ".spec.peerASN", "string", 0),
        ("BFD Profile", ".spec.bfdProfile", "string", 0),
        ("Multi Hops", ".spec.ebgpMultiHop", "string", 0),
    ),
    ServiceL2Status: (("Allocated Node", ".status.node", "string", 0), *_SERVICE),
    ServiceBGPStatus: (("Node", ".status.node", "string", 0), *_SERVICE),
}
"""By kind: name, path, type and priority of each column of `kubectl get`; a kind that is not here has its age."""
