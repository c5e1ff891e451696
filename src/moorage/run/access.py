"""What a role's settings say of the API server -> `Access`."""

from __future__ import annotations

from msgspec.structs import replace

from moorage.client.kubeconfig import Access
from moorage.client.kubeconfig_io import in_cluster, load, through_proxy
from moorage.model.errors import UserError
from moorage.settings.roles import RoleSettings


def access_of(settings: RoleSettings) -> Access:
    """Of the kubeconfig that is named, or the service account of the Pod that this runs in.

    Through the proxy that the environment names, unless the kubeconfig names one. Raises UserError where neither can be had.
    `$KUBECONFIG` and `~/.kube/config` are a person's: no role takes them.
    """
    if settings.context and not settings.kubeconfig:
        raise UserError("--context names a context of a kubeconfig: give --kubeconfig too")
    access = load(settings.kubeconfig, settings.context) if settings.kubeconfig else in_cluster()
    return replace(through_proxy(access), compress=settings.compress_lists)
