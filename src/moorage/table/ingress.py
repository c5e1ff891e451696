"""Which load-balancer addresses a Service has."""

from __future__ import annotations

from moorage.model.net import Address, parse_address
from moorage.model.service import ANNOUNCE, LOAD_BALANCER, Service, provider_of

PROXY_MODE = "Proxy"
"""An `ipMode` (KEP-1860): the load balancer wants to see the traffic, so nodes must not take a short cut around it."""

PROXY_ANNOTATION, PROXY_VERSION = "moorage.dev/proxy-protocol", "v2"
"""Asks the edge to tell the Pods who the client is, with a PROXY protocol header before each TCP connection."""


def ingress_addresses(service: Service, *, short_cut: bool = False) -> tuple[Address, ...]:
    """`status.loadBalancer.ingress[].ip` of a LoadBalancer Service, in order, each once; what cannot be one is left out.

    `short_cut` leaves out the addresses with `ipMode: Proxy`, as nodes must.
    """
    if service.spec.type != LOAD_BALANCER:
        return ()
    wanted = (each for each in service.status.load_balancer.ingress if not (short_cut and each.ip_mode == PROXY_MODE))
    parsed = (parse_address(each.ip) for each in wanted if each.ip)
    return tuple(dict.fromkeys(each for each in parsed if each is not None and servable(each)))


def proxy_protocol(service: Service) -> bool:
    """Whether connections through the load balancer begin with a PROXY header. Those from Pods go that way too."""
    asked = service.metadata.annotations.get(PROXY_ANNOTATION)
    return service.spec.type == LOAD_BALANCER and asked == PROXY_VERSION and provider_of(service) != ANNOUNCE


def servable(address: Address) -> bool:
    """Whether a Service can have the address: not the unspecified one, no loopback address, no group of receivers."""
    number = int(address)
    if address.version == 4:
        return number != 0 and number >> 24 != 127 and number >> 28 != 0xE
    return number > 1 and number >> 120 != 0xFF
