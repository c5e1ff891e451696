"""ConfigMap. Source: `ValidateConfigMap`, `ValidateConfigMapUpdate` in `pkg/apis/core/validation/validation.go`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from moorage.model.config import ConfigMap
from moorage.model.errors import FieldError, forbidden, invalid, too_long
from moorage.registry import formats
from moorage.registry.encoded import check_base64, decoded_size
from moorage.registry.strategy import Strategy

LIMIT = 1024 * 1024
"""Bytes of all values of one ConfigMap or Secret."""
FROZEN = "field is immutable when `immutable` is set"


class ConfigMapStrategy(Strategy[ConfigMap]):
    def default(self, obj: ConfigMap) -> ConfigMap:
        check_base64("ConfigMap", obj.binary_data)
        return obj

    def validate(self, obj: ConfigMap) -> list[FieldError]:
        errors = [*keys("data", obj.data), *keys("binaryData", obj.binary_data)]
        errors += [
            invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in obj.data if key in obj.binary_data
        ]
        if sum(len(each.encode()) for each in obj.data.values()) + decoded_size(obj.binary_data) > LIMIT:
            errors.append(too_long("", LIMIT))
        return errors

    def validate_update(self, before: ConfigMap, after: ConfigMap) -> list[FieldError]:
        if not before.immutable:
            return []
        changed = {
            "immutable": not after.immutable,
            "data": after.data != before.data,
            "binaryData": after.binary_data != before.binary_data,
        }
        return [forbidden(name, FROZEN) for name, differs in changed.items() if differs]


def keys(path: str, names: Iterable[str]) -> Iterator[FieldError]:
    for name in names:
        yield from (invalid(f"{path}[{name}]", name, each) for each in formats.config_key(name))
