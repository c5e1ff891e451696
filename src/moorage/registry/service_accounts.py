"""ServiceAccount. Source: `pkg/registry/core/serviceaccount`."""

from __future__ import annotations

from moorage.model.config import ServiceAccount
from moorage.registry.strategy import Strategy


class ServiceAccountStrategy(Strategy[ServiceAccount]):
    """Nothing about it is refused but its metadata."""
