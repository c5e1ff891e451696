"""The legal shapes of a name, numbered: labels -> what is asked about. Source: kubernetes/dns `docs/specification.md` 1.1.

Below the zone (cluster.local):
   1. (nothing)                        the zone itself
   2. dns-version                      the version of this schema
   3. svc | pod | dns                  branches: they exist and hold nothing
   4. NAMESPACE.svc | NAMESPACE.pod    a namespace: exists while the Namespace does
   5. SERVICE.NAMESPACE.svc            a Service
   6. HOSTNAME.SERVICE.NAMESPACE.svc   one endpoint of it
   7. _PROTOCOL.SERVICE.NAMESPACE.svc  a branch above 8
   8. _PORT._PROTOCOL.SERVICE.NAMESPACE.svc
   9. A-B-C-D.NAMESPACE.pod            a Pod by its address
  10. ns.dns                           the name server of the zone
Elsewhere:
  11. D.C.B.A.in-addr.arpa, NIBBLES.ip6.arpa   an address
  12. anything else
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

import msgspec

from moorage.model.meta import Key
from moorage.model.net import Address, parse_address


class Apex(msgspec.Struct, frozen=True):
    """Shape 1."""


class Version(msgspec.Struct, frozen=True):
    """Shape 2."""


class Branch(msgspec.Struct, frozen=True):
    """Shape 3."""


class NamespaceName(msgspec.Struct, frozen=True):
    """Shape 4."""

    namespace: str


class ServiceName(msgspec.Struct, frozen=True):
    """Shape 5."""

    service: Key


class EndpointName(msgspec.Struct, frozen=True):
    """Shape 6."""

    service: Key
    hostname: str


class PortName(msgspec.Struct, frozen=True):
    """Shapes 7 and 8, without underscores; `port` is empty in 7. `protocol` is in capitals, as in a Service."""

    service: Key
    protocol: str
    port: str = ""


class PodName(msgspec.Struct, frozen=True):
    """Shape 9."""

    namespace: str
    address: Address


class NameServer(msgspec.Struct, frozen=True):
    """Shape 10."""


class Reverse(msgspec.Struct, frozen=True):
    """Shape 11."""

    address: Address


class Outside(msgspec.Struct, frozen=True):
    """Shape 12: not ours."""


class Nothing(msgspec.Struct, frozen=True):
    """Inside the zone, and of no legal shape: no such name."""


Name = (
    Apex
    | Version
    | Branch
    | NamespaceName
    | ServiceName
    | EndpointName
    | PortName
    | PodName
    | NameServer
    | Reverse
    | Outside
    | Nothing
)

Labels = tuple[str, ...]
"""The labels of a name from left to right, without the root, in lower case."""


def labels_of(text: str) -> Labels:
    """`Web.default.svc.` -> ("web", "default", "svc")."""
    return tuple(text.lower().rstrip(".").split(".")) if text.rstrip(".") else ()


def parse_name(labels: Labels, zone: Labels) -> Name:
    """What a name is about. `zone` is in lower case too: comparison ignores case, as the specification asks."""
    if labels[-2:] == ("in-addr", "arpa") or labels[-2:] == ("ip6", "arpa"):
        address = _reversed_address(labels)
        return Reverse(address) if address is not None else Outside()
    if len(labels) < len(zone) or labels[len(labels) - len(zone) :] != zone:
        return Outside()
    match labels[: len(labels) - len(zone)]:
        case ():
            return Apex()
        case ("dns-version",):
            return Version()
        case ("svc" | "pod" | "dns",):
            return Branch()
        case ("ns", "dns"):
            return NameServer()
        case (namespace, "svc" | "pod"):
            return NamespaceName(namespace)
        case (dashed, namespace, "pod"):
            address = dashed_address(dashed)
            return PodName(namespace, address) if address is not None else Nothing()
        case (*below, name, namespace, "svc"):
            return _below_service(below, Key(namespace, name))
    return Nothing()


def _below_service(labels: Sequence[str], service: Key) -> Name:
    match labels:
        case []:
            return ServiceName(service)
        case [label]:
            return PortName(service, label[1:].upper()) if label.startswith("_") else EndpointName(service, label)
        case [port, protocol] if len(port) > 1 and port.startswith("_") and protocol.startswith("_"):
            return PortName(service, protocol[1:].upper(), port[1:])
    return Nothing()


def dashed(address: Address) -> str:
    """The label that stands for an address: 10-244-1-7, or 2001-db8--7."""
    return str(address).replace("." if address.version == 4 else ":", "-")


def dashed_address(label: str) -> Address | None:
    """The inverse of `dashed`."""
    return parse_address(label.replace("-", ".")) or parse_address(label.replace("-", ":"))


def _reversed_address(labels: Labels) -> Address | None:
    """RFC 1035 section 3.5 and RFC 3596 section 2.5: whole addresses only."""
    parts = labels[-3::-1]
    if labels[-2] == "in-addr":
        address = parse_address(".".join(parts)) if len(parts) == 4 else None
        return address if isinstance(address, IPv4Address) else None
    if len(parts) != 32 or any(len(each) != 1 for each in parts):
        return None
    digits = "".join(parts)
    address = parse_address(":".join(digits[start : start + 4] for start in range(0, 32, 4)))
    return address if isinstance(address, IPv6Address) else None
