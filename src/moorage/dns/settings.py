"""What a DNS server of the cluster is told."""

from __future__ import annotations

import msgspec

from moorage.model.meta import Key


class DnsSettings(msgspec.Struct, frozen=True):
    """`zone` is the cluster domain. `upstreams` ("192.0.2.1" or "192.0.2.1:5353", IPv6 in brackets) answer for all other names;
    without any, other names do not exist. `ttl`, `upstream_timeout` and `idle_timeout` are seconds. `dns_service` is the
    Service behind which the servers stand: it gives the name server of the zone its address.
    """

    zone: str = "cluster.local"
    ttl: int = 5
    upstreams: tuple[str, ...] = ()
    upstream_timeout: float = 2.0
    max_forwards: int = 256
    max_connections: int = 100
    idle_timeout: float = 10.0
    dns_service: Key = Key("kube-system", "kube-dns")


DEFAULTS = DnsSettings()
