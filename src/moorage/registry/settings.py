"""What an operator sets about allocation. The defaults are those of kube-apiserver and kubeadm."""

from __future__ import annotations

import msgspec

from moorage.allocate.addresses import AddressRange
from moorage.allocate.ports import PortRange
from moorage.model.ports import TokenIssuer


class RegistrySettings(msgspec.Struct, frozen=True):
    """`service_cidr` is where ClusterIPs come from: one prefix, or a primary and a secondary of the other family with a comma
    between them. `node_port_range` is first and last port, both included. Without `tokens` no ServiceAccount has one.
    """

    service_cidr: str = "10.96.0.0/16"
    node_port_range: tuple[int, int] = (30000, 32767)
    tokens: TokenIssuer | None = None

    def addresses(self) -> tuple[AddressRange, ...]:
        """One range per configured family, the default family first. Raises ValueError for what is no such range."""
        found = tuple(AddressRange.parse(each.strip()) for each in self.service_cidr.split(","))
        if len({each.prefix.version for each in found}) < len(found):
            raise ValueError(f"{self.service_cidr}: a second service range must be of the other address family")
        return found

    def ports(self) -> PortRange:
        return PortRange(*self.node_port_range)
