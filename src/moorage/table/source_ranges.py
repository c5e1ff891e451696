"""`spec.loadBalancerSourceRanges` -> the clients that a load-balancer address lets in.

Source: kube-proxy 1.36 (`pkg/proxy/serviceport.go`): ranges of the other family do not count, and a range of everything lifts
the restriction. Here a range that is none admits nobody, where kube-proxy would let in everybody if there is no other.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from moorage.model.net import Address, Family, Prefix, collapsed, parse_prefix
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.table.types import TableNote

_NOBODY = {Family.IPV4: ipaddress.ip_network("0.0.0.0/32"), Family.IPV6: ipaddress.ip_network("::/128")}
"""A source that no packet on a network has."""


def source_ranges(
    service: Service, address: Address, node_addresses: Collection[Address], notes: list[TableNote]
) -> tuple[Prefix, ...]:
    """Who may use one load-balancer address; empty for everybody. `notes` gets what cannot be used.

    A node within the ranges may also come with the load-balancer address itself as its source: where that is one of the node's
    own addresses, the kernel chooses it.
    """
    texts = [each.strip() for each in service.spec.load_balancer_source_ranges]
    family = Family.of(address)
    parsed = [_parsed(index, text, notes) for index, text in enumerate(texts)]
    good = [each for each in parsed if each is not None and Family.of(each) is family]
    if any(each.prefixlen == 0 for each in good):
        return ()
    if any(_holds(prefix, each) for prefix in good for each in node_addresses):
        good.append(ipaddress.ip_network(address))
    if not good and None in parsed:
        return (_NOBODY[family],)
    return collapsed(good)


def _parsed(index: int, text: str, notes: list[TableNote]) -> Prefix | None:
    prefix = parse_prefix(text)
    if prefix is None:
        notes.append(
            TableNote(Reason.INVALID_OBJECT, f'spec.loadBalancerSourceRanges[{index}]: "{text}" is no range of addresses')
        )
    return prefix


def _holds(prefix: Prefix, address: Address) -> bool:
    return prefix.version == address.version and address in prefix
