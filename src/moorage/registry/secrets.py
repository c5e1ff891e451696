"""Secret.

Source: `ValidateSecret`, `ValidateSecretUpdate` in `pkg/apis/core/validation/validation.go`, `pkg/registry/core/secret`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from moorage.manifest.convert import load
from moorage.model.config import SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_TOKEN, SERVICE_ACCOUNT_UID, Secret
from moorage.model.errors import FieldError, forbidden, invalid, required, too_long
from moorage.model.kinds import SERVICE_ACCOUNTS
from moorage.model.meta import Key
from moorage.model.ports import TokenIssuer
from moorage.model.tokens import secret_claims
from moorage.registry.config_maps import FROZEN, LIMIT, keys
from moorage.registry.encoded import check_base64, decoded_size
from moorage.registry.strategy import Allocation, ReadView, Strategy

if TYPE_CHECKING:
    from random import Random

OPAQUE = "Opaque"
_NEEDED = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
"""The keys that Secrets of a type must have."""
_JSON = (".dockercfg", ".dockerconfigjson")


class SecretStrategy(Strategy[Secret]):
    """What is written as `stringData` is kept as `data`, and wins over it. `tokens` signs tokens of ServiceAccounts."""

    fields = ("type",)

    def __init__(self, tokens: TokenIssuer | None = None) -> None:
        self._tokens = tokens

    def default(self, obj: Secret) -> Secret:
        check_base64("Secret", obj.data)
        written = {key: base64.b64encode(value.encode()).decode() for key, value in obj.string_data.items()}
        return msgspec.structs.replace(obj, data={**obj.data, **written}, string_data={}, type=obj.type or OPAQUE)

    def validate(self, obj: Secret) -> list[FieldError]:
        errors = list(keys("data", obj.data))
        if decoded_size(obj.data) > LIMIT:
            errors.append(too_long("data", LIMIT))
        return [*errors, *_of_type(obj)]

    def validate_update(self, before: Secret, after: Secret) -> list[FieldError]:
        errors = [invalid("type", after.type, "field is immutable")] if after.type != before.type else []
        if before.immutable and not after.immutable:
            errors.append(forbidden("immutable", FROZEN))
        if before.immutable and after.data != before.data:
            errors.append(forbidden("data", FROZEN))
        return errors

    def allocate(self, before: Secret | None, after: Secret, view: ReadView, random: Random) -> Allocation[Secret]:
        """Fills in the token of the ServiceAccount that an annotation names, where there is such an account."""
        if self._tokens is None or after.type != SERVICE_ACCOUNT_TOKEN or "token" in after.data:
            return Allocation(after)
        meta = after.metadata
        name = meta.annotations[SERVICE_ACCOUNT_NAME]
        record = view.get(SERVICE_ACCOUNTS.resource, Key(meta.namespace, name))
        if record is None:
            return Allocation(after)
        uid = load(SERVICE_ACCOUNTS, record.body).metadata.uid
        token = self._tokens.issue(secret_claims(meta.namespace, meta.name, name, uid))
        texts = {"token": token, "ca.crt": self._tokens.ca, "namespace": meta.namespace}
        data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        meta = msgspec.structs.replace(meta, annotations={**meta.annotations, SERVICE_ACCOUNT_UID: uid})
        return Allocation(msgspec.structs.replace(after, metadata=meta, data={**after.data, **data}))

    def selectable(self, obj: Secret) -> Mapping[str, str]:
        return {"type": obj.type}


def _of_type(obj: Secret) -> Iterator[FieldError]:
    for key in _NEEDED.get(obj.type, ()):
        value = obj.data.get(key)
        if value is None or (key == "ssh-privatekey" and not value):
            yield required(f"data[{key}]")
        elif key in _JSON and not _is_json(value):
            yield invalid(f"data[{key}]", "<secret contents redacted>", "invalid character: not a JSON object")
    if obj.type == SERVICE_ACCOUNT_TOKEN and not obj.metadata.annotations.get(SERVICE_ACCOUNT_NAME):
        yield required(f"metadata.annotations[{SERVICE_ACCOUNT_NAME}]")
    if obj.type == "kubernetes.io/basic-auth" and not {"username", "password"} & obj.data.keys():
        yield required("data[username]")
        yield required("data[password]")


def _is_json(value: str) -> bool:
    try:
        return isinstance(json.loads(base64.b64decode(value)), dict)
    except (ValueError, RecursionError):
        return False
