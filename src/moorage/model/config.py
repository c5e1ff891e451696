"""ConfigMap, Secret, ServiceAccount (`core/v1`), and TokenRequest (`authentication.k8s.io/v1`)."""

from __future__ import annotations

from moorage.model.meta import Object, ObjectReference
from moorage.model.wire import ApiType

SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105  the name of a type
"""The type of a Secret that holds a token of the ServiceAccount that `SERVICE_ACCOUNT_NAME` names."""
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"
SERVICE_ACCOUNT_UID = "kubernetes.io/service-account.uid"

ROOT_CA = "kube-root-ca.crt"
"""The ConfigMap that every namespace has: its `ca.crt` is what the API server's certificate is signed with."""
DEFAULT_ACCOUNT = "default"


class ConfigMap(Object, frozen=True):
    """`binary_data` is base64."""

    immutable: bool | None = None
    data: dict[str, str] = {}
    binary_data: dict[str, str] = {}


class Secret(Object, frozen=True):
    """`data` is base64. `string_data` is for writing: the server moves it into `data`."""

    immutable: bool | None = None
    data: dict[str, str] = {}
    string_data: dict[str, str] = {}
    type: str = ""


class LocalObjectReference(ApiType, frozen=True):
    name: str = ""


class ServiceAccount(Object, frozen=True):
    secrets: tuple[ObjectReference, ...] = ()
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    automount_service_account_token: bool | None = None


class BoundObjectReference(ApiType, frozen=True):
    """The Pod, Secret or Node whose end is the end of a token."""

    kind: str = ""
    api_version: str = ""
    name: str = ""
    uid: str = ""


class TokenRequestSpec(ApiType, frozen=True):
    """`expiration_seconds` None means an hour. No audience means that of the API server."""

    audiences: tuple[str, ...] = ()
    expiration_seconds: int | None = None
    bound_object_ref: BoundObjectReference | None = None


class TokenRequestStatus(ApiType, frozen=True):
    token: str = ""
    expiration_timestamp: str | None = None


class TokenRequest(Object, frozen=True):
    """What a POST to `serviceaccounts/NAME/token` says and is answered with; never stored."""

    spec: TokenRequestSpec = TokenRequestSpec()
    status: TokenRequestStatus = TokenRequestStatus()
