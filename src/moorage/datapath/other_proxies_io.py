"""Looks for the rules of other proxies: netlink listings and files of /proc, a millisecond where there are none."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from moorage.datapath.netlink_io import Netlink
from moorage.datapath.nft.messages import list_chains, read_all_chains
from moorage.datapath.other_proxies import IPVS_INTERFACE, NAT, SERVICES, OtherProxy, Traces, other_proxies
from moorage.model.net import Family

PROC_NET = Path("/proc/thread-self/net")
"""Of the network namespace of the calling thread."""

_VIRTUAL_SERVERS = ("TCP ", "UDP ", "SCTP ", "FWM ")

_TABLE_NAMES = {Family.IPV4: "ip_tables_names", Family.IPV6: "ip6_tables_names"}
_GET_INFO, _GET_ENTRIES = 64, 65
"""Options of `getsockopt` (`IPT_SO_GET_INFO`, `IPT_SO_GET_ENTRIES`), the same in both families."""
_SOCKETS = {Family.IPV4: (socket.AF_INET, socket.IPPROTO_IP), Family.IPV6: (socket.AF_INET6, socket.IPPROTO_IPV6)}
_NAME = struct.Struct("=32s")
_INFO_BYTES, _SIZE_OFFSET = 84, 80
_LIBC = ctypes.CDLL(None, use_errno=True)


def find_other_proxies(kernel: Netlink, families: Iterable[Family], proc_net: Path = PROC_NET) -> tuple[OtherProxy, ...]:
    """Raises HostError where the kernel does not tell."""
    families = tuple(families)
    chains = {
        (family, table): names
        for family in families
        for table, names in read_all_chains(kernel.dump(list_chains(family))).items()
    }
    legacy = {(family, NAT): _legacy_chains(family, proc_net) for family in families}
    return other_proxies(Traces(chains, legacy, _has_virtual_servers(proc_net), _exists(IPVS_INTERFACE)))


def _has_virtual_servers(proc_net: Path) -> bool:
    """The file is not there where the kernel has no IPVS, or has not used it."""
    try:
        with (proc_net / "ip_vs").open() as lines:
            return any(line.startswith(_VIRTUAL_SERVERS) for line in lines)
    except OSError:
        return False


def _exists(interface: str) -> bool:
    try:
        socket.if_nametoindex(interface)
    except OSError:
        return False
    return True


def _legacy_chains(family: Family, proc_net: Path) -> tuple[str, ...]:
    """KUBE-SERVICES, where the nat table of ip_tables has it. To ask for a table makes it: only what is there is asked for."""
    try:
        if NAT not in (proc_net / _TABLE_NAMES[family]).read_text().split():
            return ()
        kind, level = _SOCKETS[family]
        with socket.socket(kind, socket.SOCK_DGRAM) as asking:
            table = _NAME.pack(NAT.encode())
            info = _getsockopt(asking, level, _GET_INFO, table.ljust(_INFO_BYTES, b"\0"))
            (size,) = struct.unpack_from("=I", info, _SIZE_OFFSET)
            entries = _getsockopt(asking, level, _GET_ENTRIES, table + struct.pack("=II", size, 0) + bytes(size))
    except OSError:
        return ()
    return (SERVICES,) if SERVICES.encode() + b"\0" in entries else ()


def _getsockopt(asking: socket.socket, level: int, option: int, given: bytes) -> bytes:
    """`getsockopt` that also gives the kernel something to read, which Python's cannot."""
    buffer, length = ctypes.create_string_buffer(given, len(given)), ctypes.c_uint32(len(given))
    if _LIBC.getsockopt(asking.fileno(), level, option, buffer, ctypes.byref(length)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return buffer.raw[: length.value]
