"""Credentials on disk -> `Access`: a kubeconfig file, or the service account that a Pod is given."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from moorage.client.exec_plugin import CA_DATA
from moorage.client.kubeconfig import Access, parse
from moorage.client.proxies import environment_proxy
from moorage.model.errors import UserError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a Pod finds its token, the cluster's CA and its namespace (Kubernetes: "Accessing the API from a Pod")."""


def load(path: str | Path, context: str = "") -> Access:
    """The access that a kubeconfig file gives, through its current-context unless another is named.

    Raises UserError where the file cannot be read or used, or names credential files that are not there.
    """
    file = Path(path)
    access = parse(_read(file), str(file.parent), context, str(file))
    for each in (access.ca_file, access.certificate_file, access.key_file, access.token_file):
        if each and not Path(each).is_file():
            raise UserError(f"{file} refers to {each}, which is no file")
    plugin = access.plugin
    if plugin is not None and plugin.cluster is not None and access.ca_file and not access.ca_data:
        plugin = replace(
            plugin, cluster={**plugin.cluster, CA_DATA: base64.b64encode(_read(Path(access.ca_file)).encode()).decode()}
        )
    return replace(access, plugin=plugin)


def through_proxy(access: Access, environ: Mapping[str, str] | None = None) -> Access:
    """The same access through the proxy that the environment names, unless the kubeconfig names one. Raises UserError."""
    proxy = access.proxy_url or environment_proxy(access.server, os.environ if environ is None else environ)
    return replace(access, proxy_url=proxy)


def in_cluster(directory: Path | None = None, environ: Mapping[str, str] | None = None) -> Access:
    """The access of the Pod that this process runs in. Raises UserError outside of a cluster."""
    variables = os.environ if environ is None else environ
    host, port = variables.get("KUBERNETES_SERVICE_HOST", ""), variables.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise UserError("this is no Pod of a cluster (KUBERNETES_SERVICE_HOST is not set): name a kubeconfig")
    directory = directory or SERVICE_ACCOUNT
    token, ca = directory / "token", directory / "ca.crt"
    for each in (token, ca):
        if not each.is_file():
            raise UserError(f"{each} is missing: does the Pod mount its service account token?")
    namespace = directory / "namespace"
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_file=str(ca),
        token_file=str(token),
        namespace=_read(namespace).strip() if namespace.is_file() else "",
    )


def authority(access: Access) -> str:
    """The certificate of the authority that the server is trusted by, PEM; empty where the system's are. Raises UserError."""
    if access.ca_data:
        return access.ca_data.decode("ascii")
    return _read(Path(access.ca_file)) if access.ca_file else ""


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"cannot read {file}: {reason}") from error
