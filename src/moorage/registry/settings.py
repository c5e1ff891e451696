"""What an operator sets about allocation. The defaults are those of kube-apiserver and kubeadm."""

from __future__ import annotations

import msgspec

from moorage.allocate.addresses import AddressRange
from moorage.allocate.ports import PortRange


class RegistrySettings(msgspec.Struct, frozen=True):
    """`service_cidr` is where ClusterIPs come from; `node_port_range` is first and last port, both included."""

    service_cidr: str = "10.96.0.0/16"
    node_port_range: tuple[int, int] = (30000, 32767)

    def addresses(self) -> tuple[AddressRange, ...]:
        """One range per configured family, the default family first. Raises ValueError for a malformed prefix."""
        return (AddressRange.parse(self.service_cidr),)

    def ports(self) -> PortRange:
        return PortRange(*self.node_port_range)
