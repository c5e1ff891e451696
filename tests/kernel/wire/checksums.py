"""The checksums of the packets: ones' complement sums (RFC 1071) and CRC32c (RFC 9260 appendix A)."""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78
"""Castagnoli's, bits reversed."""


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(_entry(byte) for byte in range(256))


def ones_sum(data: bytes) -> int:
    """The sum of 16-bit words, reduced modulo 0xFFFF: 2^16 is 1 there, so the number's value and the sum of its words agree.
    An odd last byte counts as the upper half of a word.
    """
    return int.from_bytes(data + b"\0" if len(data) & 1 else data, "big") % 0xFFFF


def checksum(total: int) -> int:
    """The field that makes a header right whose other words add up to `total`. Never 0, which means "none" in UDP."""
    return 0xFFFF - total % 0xFFFF


def crc32c(data: bytes) -> int:
    value, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF
