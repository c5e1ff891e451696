"""Notes on the kinds of MetalLB."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.lb import IPAddressPool, IPAddressPoolSpec, IPAddressPoolStatus, ServiceAllocation
from moorage.model.metallb import BGPAdvertisement, BGPPeer, L2Advertisement, L2AdvertisementSpec
from moorage.model.wire import ApiType

NOTES: Mapping[type[ApiType], str] = {
    IPAddressPool: "Addresses for Services of type LoadBalancer.",
    IPAddressPoolSpec: """
The addresses, and who gets one.
addresses!: Prefixes, or ranges such as 192.0.2.10-192.0.2.20.
autoAssign: Whether Services get an address without naming the pool; true unless said otherwise.
avoidBuggyIPs: Whether addresses that end in .0 and .255 are left out.
serviceAllocation: Which Services may have an address, and which pool goes first.
""",
    ServiceAllocation: """
Which Services may have an address of a pool.
priority: The pool with the lowest number goes first; 0 stands for no priority and goes last.
namespaces: Namespaces of the Services.
namespaceSelectors: Labels of the namespaces.
serviceSelectors: Labels of the Services.
""",
    IPAddressPoolStatus: """
How full a pool is.
assignedIPv4: IPv4 addresses in use.
assignedIPv6: IPv6 addresses in use.
availableIPv4: IPv4 addresses that are free.
availableIPv6: IPv6 addresses that are free.
""",
    L2Advertisement: "Announces addresses of pools by ARP and neighbour discovery.",
    L2AdvertisementSpec: """
What is announced, and where.
ipAddressPools: Pools whose addresses are announced.
ipAddressPoolSelectors: Labels of further pools.
nodeSelectors: Labels of the nodes that may announce.
interfaces: Network interfaces on which it is announced; empty for all.
serviceSelectors: Labels of the Services that are announced.
""",
    BGPAdvertisement: "Announces addresses of pools by BGP.",
    BGPPeer: "A router to which addresses are announced.",
}
