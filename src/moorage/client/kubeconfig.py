"""Text of a kubeconfig -> `Access`: where an API server is and how to be let in.

Source: client-go `tools/clientcmd/api/v1/types.go`, and `client_config.go` for what overrides what.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, TypeVar

import msgspec
import yaml

from moorage.client.decode import without_nulls
from moorage.client.exec_plugin import CLUSTER_EXTENSION, ExecPlugin, cluster_info, plugin_of
from moorage.client.proxies import checked_proxy
from moorage.model.errors import UserError


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """An API server and one identity. Certificates and keys are PEM, as bytes or as a file's path; the bytes win.

    `token_file` is read again from time to time: cluster tokens are renewed in place. `tls_server_name` is the name that
    the server's certificate is checked against. `plugin` gives credentials where there are no others (client-go: the same).
    `namespace` is the context's, empty for none. With `compress` the server may compress what is large: kube-apiserver does so
    from 128 KiB on. Its repr tells no secret.
    """

    server: str
    ca_data: bytes = b""
    ca_file: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    certificate_data: bytes = b""
    certificate_file: str = ""
    key_data: bytes = b""
    key_file: str = ""
    token: str = ""
    token_file: str = ""
    username: str = ""
    password: str = ""
    plugin: ExecPlugin | None = None
    namespace: str = ""
    compress: bool = False

    @property
    def has_certificate(self) -> bool:
        return bool(self.certificate_data or self.certificate_file)

    def __repr__(self) -> str:
        return f"Access(server={self.server!r}, namespace={self.namespace!r})"


class _Kebab(msgspec.Struct, frozen=True, rename="kebab"):
    """Kubeconfig spells its keys with dashes; unknown keys are ignored, as kubectl does."""


class _Extension(msgspec.Struct, frozen=True):
    name: str
    extension: Any = None


class _Cluster(_Kebab, frozen=True):
    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    proxy_url: str = ""
    extensions: tuple[_Extension, ...] = ()

    def extension(self, name: str) -> Any:
        """None where there is none of that name."""
        return next((each.extension for each in self.extensions if each.name == name), None)


class _User(_Kebab, frozen=True):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    exec: dict[str, Any] | None = None
    auth_provider: dict[str, Any] | None = None
    impersonate: str = msgspec.field(default="", name="as")


class _Context(_Kebab, frozen=True):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _NamedCluster(_Kebab, frozen=True):
    name: str
    cluster: _Cluster = _Cluster()


class _NamedUser(_Kebab, frozen=True):
    name: str
    user: _User = _User()


class _NamedContext(_Kebab, frozen=True):
    name: str
    context: _Context = _Context()


class _Config(_Kebab, frozen=True):
    clusters: tuple[_NamedCluster, ...] = ()
    users: tuple[_NamedUser, ...] = ()
    contexts: tuple[_NamedContext, ...] = ()
    current_context: str = ""


_Named = TypeVar("_Named", _NamedCluster, _NamedUser, _NamedContext)


def parse(text: str, directory: str = "", context: str = "", source: str = "kubeconfig") -> Access:
    """The access that `context` gives, or the file's current-context. Relative paths are taken from `directory`.

    `source` names the text in messages. Raises UserError where the text is no kubeconfig, where what it refers to is
    missing, and where it asks for a way to log in that is not supported.
    """
    config = _config(text, source)
    chosen = context or config.current_context
    if not chosen:
        raise UserError(f"{source}: no current-context is set{_choice(config.contexts)}")
    found = _named(config.contexts, chosen, "context", source).context
    if not found.cluster:
        raise UserError(f'{source}: context "{chosen}" names no cluster')
    cluster = _named(config.clusters, found.cluster, "cluster", source).cluster
    if not cluster.server:
        raise UserError(f'{source}: cluster "{found.cluster}" has no server')
    user = _named(config.users, found.user, "user", source).user if found.user else _User()
    _refuse_unsupported(cluster, user, found, source)
    whose, who = f'cluster "{found.cluster}"', f'user "{found.user}"'
    server = _server(cluster, user)
    ca_data = _decoded(cluster.certificate_authority_data, whose, "certificate-authority-data", source)
    access = Access(
        server=server,
        ca_data=ca_data,
        ca_file=_path(cluster.certificate_authority, directory),
        insecure=cluster.insecure_skip_tls_verify,
        tls_server_name=cluster.tls_server_name,
        proxy_url=checked_proxy(cluster.proxy_url, f"{source}: {whose}: proxy-url") if cluster.proxy_url else "",
        certificate_data=_decoded(user.client_certificate_data, who, "client-certificate-data", source),
        certificate_file=_path(user.client_certificate, directory),
        key_data=_decoded(user.client_key_data, who, "client-key-data", source),
        key_file=_path(user.client_key, directory),
        token=user.token,
        token_file=_path(user.token_file, directory),
        username=user.username,
        password=user.password,
        plugin=None if user.exec is None else _plugin(user.exec, cluster, (server, ca_data), f"{source}: {who}", directory),
        namespace=found.namespace,
    )
    if access.has_certificate != bool(access.key_data or access.key_file):
        raise UserError(f"{source}: {who} needs both a client certificate and a client key, or neither")
    return access


def _plugin(tree: dict[str, Any], cluster: _Cluster, known: tuple[str, bytes], who: str, directory: str) -> ExecPlugin:
    settings = {
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "proxy-url": cluster.proxy_url,
    }
    return plugin_of(tree, who, directory, cluster_info(*known, settings, cluster.extension(CLUSTER_EXTENSION)))


def _config(text: str, source: str) -> _Config:
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{source}: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise UserError(f"{source}: this is no kubeconfig: expected a mapping with clusters, users and contexts")
    try:
        return msgspec.convert(without_nulls(tree), _Config)
    except msgspec.ValidationError as error:
        raise UserError(f"{source}: {error}") from error


def _named(entries: Sequence[_Named], name: str, word: str, source: str) -> _Named:
    """The entry of that name; of several the first, as client-go keeps it."""
    for each in entries:
        if each.name == name:
            return each
    raise UserError(f'{source}: {word} "{name}" does not exist{_choice(entries)}')


def _choice(entries: Sequence[_Named]) -> str:
    names = ", ".join(each.name for each in entries)
    return f"; there are: {names}" if names else "; there is none at all"


def _refuse_unsupported(cluster: _Cluster, user: _User, context: _Context, source: str) -> None:
    who = f'{source}: user "{context.user}"'
    if user.auth_provider is not None:
        raise UserError(
            f"{who} logs in by an auth-provider, which Kubernetes removed in 1.26: use a token or a client certificate"
        )
    if user.impersonate:
        raise UserError(f'{who} acts as "{user.impersonate}": impersonation is not supported')
    if cluster.insecure_skip_tls_verify and (cluster.certificate_authority or cluster.certificate_authority_data):
        raise UserError(f'{source}: cluster "{context.cluster}" has a CA and insecure-skip-tls-verify: remove one of them')


def _server(cluster: _Cluster, user: _User) -> str:
    """The server's URL. Without a scheme it is https where TLS is spoken of, else http, as client-go has it."""
    server = cluster.server.rstrip("/")
    if "://" in server:
        return server
    secure = (
        cluster.certificate_authority
        or cluster.certificate_authority_data
        or cluster.insecure_skip_tls_verify
        or user.client_certificate
        or user.client_certificate_data
    )
    return f"{'https' if secure else 'http'}://{server}"


def _path(path: str, directory: str) -> str:
    return str(PurePath(directory, path)) if path else ""


def _decoded(data: str, owner: str, field: str, source: str) -> bytes:
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except binascii.Error as error:
        raise UserError(f"{source}: {owner}: {field} is not base64: {error}") from error
