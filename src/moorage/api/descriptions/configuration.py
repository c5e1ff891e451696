"""Notes on ConfigMaps, Secrets and ServiceAccounts."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.model.config import ConfigMap, LocalObjectReference, Secret, ServiceAccount
from moorage.model.wire import ApiType

NOTES: Mapping[type[ApiType], str] = {
    ConfigMap: """
Settings for programs.
immutable: Whether the content can no longer be changed.
data: Text by key.
binaryData: Other content by key, in base64. A key is in one of the two.
""",
    Secret: """
Content that not everybody may read.
immutable: Whether the content can no longer be changed.
data: Content by key, in base64.
stringData: Text by key, for writing only; the server moves it into `data`.
type: What the content is, such as Opaque or kubernetes.io/tls. Cannot be changed.
""",
    ServiceAccount: """
Somebody as whom a Pod speaks to the API.
secrets: Secrets that Pods of this account may use.
imagePullSecrets: Secrets with which images are fetched.
automountServiceAccountToken: Whether Pods see a token of this account.
""",
    LocalObjectReference: """
An object in the same namespace.
name: Its name.
""",
}
