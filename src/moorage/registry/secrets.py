"""Secret.

Source: `ValidateSecret`, `ValidateSecretUpdate` in `pkg/apis/core/validation/validation.go`, `pkg/registry/core/secret`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping

import msgspec

from moorage.model.config import SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_TOKEN, Secret
from moorage.model.errors import FieldError, forbidden, invalid, required, too_long
from moorage.registry.config_maps import FROZEN, LIMIT, keys
from moorage.registry.encoded import check_base64, decoded_size
from moorage.registry.strategy import Strategy

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
    """What is written as `stringData` is kept as `data`, and wins over it."""

    fields = ("type",)

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
