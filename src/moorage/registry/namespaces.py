"""Namespace. Source: `pkg/registry/core/namespace/strategy.go` and the admission plugin NamespaceLifecycle."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.model.cluster import NODE_LEASE_NAMESPACE, Namespace, NamespaceSpec, NamespaceStatus
from moorage.registry.formats import dns_label
from moorage.registry.strategy import Strategy

NAME_LABEL = "kubernetes.io/metadata.name"
PERMANENT = ("default", "kube-system", "kube-public", NODE_LEASE_NAMESPACE)
"""Namespaces that cannot be deleted."""
TERMINATING = "Terminating"


class NamespaceStrategy(Strategy[Namespace]):
    """Its contents go with it, in the same transaction (see `deletion.py`)."""

    name_format = staticmethod(dns_label)
    fields = ("status.phase",)

    def default(self, obj: Namespace) -> Namespace:
        return _labelled(obj)

    def prepare_create(self, obj: Namespace) -> Namespace:
        status = NamespaceStatus(phase="Active")
        return msgspec.structs.replace(obj, spec=NamespaceSpec(finalizers=("kubernetes",)), status=status)

    def prepare_update(self, before: Namespace, after: Namespace) -> Namespace:
        return msgspec.structs.replace(after, spec=before.spec, status=before.status)

    def selectable(self, obj: Namespace) -> Mapping[str, str]:
        return {"status.phase": obj.status.phase}


def _labelled(obj: Namespace) -> Namespace:
    """Every namespace carries its name as a label, so that selectors can name it."""
    labels = {**obj.metadata.labels, NAME_LABEL: obj.metadata.name}
    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, labels=labels))
