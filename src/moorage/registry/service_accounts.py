"""ServiceAccount, and which token a Secret or a TokenRequest is given.

Source: `pkg/registry/core/serviceaccount`, `pkg/apis/authentication/validation`, and kube-controller-manager's `tokens-controller`.
"""

from __future__ import annotations

from moorage.model.config import ServiceAccount
from moorage.registry.strategy import Strategy


class ServiceAccountStrategy(Strategy[ServiceAccount]):
    """Nothing about it is refused but its metadata."""
