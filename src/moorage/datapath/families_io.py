"""Which IP families this kernel has."""

from __future__ import annotations

from pathlib import Path

from moorage.model.net import Family

IPV6 = Path("/proc/sys/net/ipv6")
"""Absent where the kernel is built or started without IPv6 (`ipv6.disable=1`)."""


def families() -> tuple[Family, ...]:
    return tuple(Family) if IPV6.exists() else (Family.IPV4,)
