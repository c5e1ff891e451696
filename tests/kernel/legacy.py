"""Writes a nat table of ip_tables as `iptables-legacy` would: the built-in chains, and one chain of a name.

Source: `linux/netfilter_ipv4/ip_tables.h` (struct ipt_replace, struct ipt_entry), `linux/netfilter/x_tables.h`.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from pathlib import Path

NAMES = Path("/proc/net/ip_tables_names")

_GET_INFO = _REPLACE = 64
_ENTRY_BYTES, _STANDARD_BYTES, _ERROR_BYTES = 112, 40, 64
_ACCEPT, _RETURN = -2, -5
_HOOKS = (0, 1, 3, 4)
"""Of the nat table: prerouting, input, output, postrouting."""
_libc = ctypes.CDLL(None, use_errno=True)


def _entry(target: bytes) -> bytes:
    sizes = struct.pack("=IHH", 0, _ENTRY_BYTES, _ENTRY_BYTES + len(target))
    return bytes(84) + sizes + bytes(4 + 16) + target


def _standard(verdict: int) -> bytes:
    return _entry(struct.pack("=H29sBi4x", _STANDARD_BYTES, b"", 0, verdict))


def _error(name: str) -> bytes:
    return _entry(struct.pack("=H29sB30s2x", _ERROR_BYTES, b"ERROR", 0, name.encode()))


def add_nat_chain(name: str) -> None:
    """In the network namespace of the calling thread, in place of the nat table that is there."""
    entries = [_standard(_ACCEPT) for _ in _HOOKS] + [_error(name), _standard(_RETURN), _error("ERROR")]
    blob = b"".join(entries)
    places = [0] * 5
    for number, hook in enumerate(_HOOKS):
        places[hook] = number * len(entries[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        info = ctypes.create_string_buffer(b"nat".ljust(84, b"\0"), 84)
        length = ctypes.c_uint32(84)
        _checked(_libc.getsockopt(asking.fileno(), socket.IPPROTO_IP, _GET_INFO, info, ctypes.byref(length)))
        (old,) = struct.unpack_from("=I", info.raw, 76)
        counters = ctypes.create_string_buffer(16 * old)
        sizes = (sum(1 << each for each in _HOOKS), len(entries), len(blob), *places, *places, old)
        head = struct.pack("=32s14IQ", b"nat", *sizes, ctypes.addressof(counters))
        _checked(_libc.setsockopt(asking.fileno(), socket.IPPROTO_IP, _REPLACE, head + blob, len(head + blob)))


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
