"""Credential plugins: what a kubeconfig says of one, what it is told, and what it answers.

Source: `client.authentication.k8s.io/v1` ExecCredential (v1beta1 is the same on the wire), `tools/clientcmd/api/v1` ExecConfig,
and "client-go credential plugins" of the Kubernetes documentation.
"""

from __future__ import annotations

import base64
from pathlib import PurePath
from typing import Any

import msgspec

from moorage.client.decode import without_nulls
from moorage.model.clock import parse_timestamp
from moorage.model.errors import HostError, UserError

V1, V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"
INFO_VARIABLE = "KUBERNETES_EXEC_INFO"
CLUSTER_EXTENSION = "client.authentication.k8s.io/exec"
"""The extension of a cluster in a kubeconfig that is passed on to plugins."""

CA_DATA = "certificate-authority-data"

NEVER, IF_AVAILABLE, ALWAYS = "Never", "IfAvailable", "Always"


class ExecPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """How a plugin is run. `cluster` is what it is told of the cluster, None where it is told nothing."""

    command: str
    api_version: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    install_hint: str = ""
    interactive_mode: str = IF_AVAILABLE
    cluster: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"ExecPlugin(command={self.command!r})"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin gave: a token, a client certificate with its key (PEM), or both. `expires_at` in seconds since the epoch;
    None: as long as the server takes them. The repr tells no secret.
    """

    token: str = ""
    certificate: bytes = b""
    key: bytes = b""
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"Credentials(expires_at={self.expires_at!r})"


class _Variable(msgspec.Struct, frozen=True):
    name: str
    value: str = ""


class _ExecConfig(msgspec.Struct, frozen=True, rename="camel"):
    command: str = ""
    api_version: str = ""
    args: tuple[str, ...] = ()
    env: tuple[_Variable, ...] = ()
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: str = ""


class _ExecCredential(msgspec.Struct, frozen=True, rename="camel"):
    kind: str = ""
    api_version: str = ""
    status: _Status | None = None


def plugin_of(tree: dict[str, Any], who: str, directory: str, cluster: dict[str, Any]) -> ExecPlugin:
    """The plugin that `users[].user.exec` names. A command with a slash is taken from `directory`, the kubeconfig's.

    `cluster` is passed on where the entry asks for it. Raises UserError that begins with `who`.
    """
    try:
        config = msgspec.convert(without_nulls(tree), _ExecConfig)
    except msgspec.ValidationError as error:
        raise UserError(f"{who}: exec: {error}") from error
    if not config.command:
        raise UserError(f"{who}: exec has no command")
    if config.api_version not in (V1, V1BETA1):
        raise UserError(f'{who}: exec: apiVersion is "{config.api_version}", but must be {V1} or {V1BETA1}')
    mode = config.interactive_mode or (IF_AVAILABLE if config.api_version == V1BETA1 else "")
    if mode not in (NEVER, IF_AVAILABLE, ALWAYS):
        raise UserError(f'{who}: exec: interactiveMode is "{mode}", but must be {NEVER}, {IF_AVAILABLE} or {ALWAYS}')
    return ExecPlugin(
        command=str(PurePath(directory, config.command)) if "/" in config.command else config.command,
        api_version=config.api_version,
        arguments=config.args,
        environment=tuple((each.name, each.value) for each in config.env),
        install_hint=config.install_hint,
        interactive_mode=mode,
        cluster=cluster if config.provide_cluster_info else None,
    )


def cluster_info(server: str, ca_data: bytes, settings: dict[str, Any], config: Any) -> dict[str, Any]:
    """`ExecCredential.spec.cluster`: the server, its CA as PEM bytes, further settings by their names there (empty ones are
    left out), and what the kubeconfig's cluster has for plugins.
    """
    data = {CA_DATA: base64.b64encode(ca_data).decode()} if ca_data else {}
    more = {name: value for name, value in settings.items() if value}
    return {"server": server, **more, **data, **({} if config is None else {"config": config})}


def exec_info(plugin: ExecPlugin, interactive: bool) -> str:
    """The JSON that a plugin reads from the variable KUBERNETES_EXEC_INFO."""
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.cluster is not None:
        spec["cluster"] = plugin.cluster
    return msgspec.json.encode({"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": spec}).decode()


def credentials_of(plugin: ExecPlugin, output: bytes) -> Credentials:
    """What a plugin printed. Raises HostError where that is no ExecCredential of its version, or nothing to log in with."""
    what = f"the credential plugin {plugin.command}"
    try:
        printed = msgspec.convert(without_nulls(msgspec.json.decode(output)), _ExecCredential)
    except msgspec.MsgspecError as error:
        raise HostError(f"{what} printed no ExecCredential: {error}") from error
    if (printed.kind, printed.api_version) != ("ExecCredential", plugin.api_version):
        given = f"{printed.api_version or 'no version'} {printed.kind or 'of no kind'}"
        raise HostError(f"{what} printed {given}, but the kubeconfig says ExecCredential of {plugin.api_version}")
    status = printed.status or _Status()
    if bool(status.client_certificate_data) != bool(status.client_key_data):
        raise HostError(f"{what} printed a client certificate or a key, not both")
    if not status.token and not status.client_certificate_data:
        raise HostError(f"{what} printed neither a token nor a client certificate")
    try:
        expires_at = parse_timestamp(status.expiration_timestamp) if status.expiration_timestamp else None
    except ValueError as error:
        raise HostError(f"{what} printed an expirationTimestamp that is no time: {status.expiration_timestamp}") from error
    return Credentials(
        token=status.token,
        certificate=status.client_certificate_data.encode(),
        key=status.client_key_data.encode(),
        expires_at=expires_at,
    )
