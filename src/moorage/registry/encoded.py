"""Maps of bytes, which travel as base64 (RFC 4648)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from moorage.model.errors import bad_request


def check_base64(kind: str, data: Mapping[str, str]) -> None:
    """Raises ApiError 400 where a value is no base64: upstream finds it when decoding the body."""
    for value in data.values():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            text = f"illegal base64 data at input byte {_first_illegal(value)}"
            raise bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {text}') from error


def decoded_size(data: Mapping[str, str]) -> int:
    """Bytes of all values, given valid base64."""
    return sum(len(each) // 4 * 3 - each[-2:].count("=") for each in data.values())


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _first_illegal(value: str) -> int:
    return next((index for index, each in enumerate(value) if each not in _ALPHABET), len(value) // 4 * 4)
