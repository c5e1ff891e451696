"""Where an object lives on an API server: kind and name -> URL path. Source: Kubernetes API concepts, "Resource URIs"."""

from __future__ import annotations

from moorage.model.errors import UserError
from moorage.model.kinds import Kind
from moorage.model.meta import Key


def collection_path(kind: Kind, namespace: str = "") -> str:
    """`/apis/discovery.k8s.io/v1/namespaces/default/endpointslices`; without a namespace, those of all namespaces."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    if kind.namespaced and namespace:
        return f"{root}/namespaces/{_segment(namespace)}/{kind.plural}"
    return f"{root}/{kind.plural}"


def creation_path(kind: Kind, namespace: str) -> str:
    """Where a new object is posted. Raises UserError where a namespaced object names no namespace."""
    if kind.namespaced and not namespace:
        raise UserError(f"a {kind.kind} lives in a namespace: set metadata.namespace")
    return collection_path(kind, namespace)


def object_path(kind: Kind, key: Key, subresource: str = "") -> str:
    """The path of one object or of its subresource. Raises UserError where a part of the name is missing or no name."""
    if not key.name:
        raise UserError(f"this {kind.kind} has no name: set metadata.name")
    path = f"{creation_path(kind, key.namespace)}/{_segment(key.name)}"
    return f"{path}/{subresource}" if subresource else path


def _segment(name: str) -> str:
    """A name that can stand in a path. Source: apimachinery `api/validation/path` IsValidPathSegmentName."""
    if name in (".", "..") or "/" in name or "%" in name:
        raise UserError(f'"{name}" is no name: it may not be "." or ".." and may not contain "/" or "%"')
    return name
