"""What a role's settings say of the API server -> `Access`."""

from __future__ import annotations

from moorage.client.kubeconfig import Access
from moorage.client.kubeconfig_io import in_cluster, load, through_proxy
from moorage.model.errors import UserError
from moorage.settings.roles import RoleSettings


def access_of(settings: RoleSettings) -> Access:
    """Of the kubeconfig that is named, or the service account of the Pod that this runs in.

    Through the proxy that the environment names, unless the kubeconfig names one. Raises UserError where neither can be had.
    `$KUBECONFIG` and `~/.kube/config` are a person's: no role takes them.
    """
    if settings.kubeconfig:
        return through_proxy(load(settings.kubeconfig, settings.context))
    if settings.context:
        raise UserError("--context names a context of a kubeconfig: give --kubeconfig too")
    return through_proxy(in_cluster())
