"""What the kernel tells of changes to nf_tables -> who changed our table, and what. Counters may be reset by anybody.

Every transaction is told as its changes, and a last message that names the process. Source: `nf_tables_api.c`
(NFNLGRP_NFTABLES, NFT_MSG_NEWGEN).
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

import msgspec

from moorage.datapath import netlink
from moorage.datapath.nft.spaces import OF_THE_KERNEL

_NEW_GENERATION = 15
_GENERATION_PROCESS, _GENERATION_NAME = 2, 3
_TABLE = 1
_NAMES = {3: 3, 5: 3, 6: 2, 8: 2, 9: 2, 11: 2, 12: 2, 14: 2}
"""Message -> the attribute that names the chain or set that it is about."""
_WORDS = {
    0: "added the table", 2: "deleted the table", 3: "added chain", 5: "deleted chain", 6: "added a rule to",
    8: "deleted a rule of", 9: "added set", 11: "deleted set", 12: "added an element to", 14: "deleted an element of",
}  # fmt: skip
_ELEMENTS = {12, 14}
_SHOWN = 3


class Interference(msgspec.Struct, frozen=True):
    """One transaction of somebody else. `process` is 0 where the kernel does not say; `changes` are in words."""

    program: str
    process: int
    changes: tuple[str, ...]

    def __str__(self) -> str:
        who = f"{self.program} (process {self.process})" if self.process else "somebody"
        more = f" and {len(self.changes) - _SHOWN} more changes" if len(self.changes) > _SHOWN else ""
        return f"{who} {', '.join(self.changes[:_SHOWN])}{more}"


class Watcher:
    """Follows the messages of one socket. `ours` are the port ids of our own sockets and of programs we have started."""

    def __init__(self, table: str) -> None:
        self._table = table.encode() + b"\0"
        self._begun: Counter[str] = Counter()

    def read(self, datagrams: Iterable[bytes], ours: Collection[int]) -> Iterator[Interference]:
        for datagram in datagrams:
            for kind, family, port, body in _messages(datagram):
                if kind == _NEW_GENERATION:
                    changes, self._begun = self._begun, Counter()
                    if changes and port not in ours:
                        yield _interference(changes, dict(netlink.attributes(body)))
                elif family in netlink.NFPROTO.values():
                    self._take(kind, dict(netlink.attributes(body)))

    def _take(self, kind: int, fields: dict[int, bytes]) -> None:
        if fields.get(_TABLE) != self._table or kind not in _WORDS:
            return
        name = fields.get(_NAMES.get(kind, 0), b"").rstrip(b"\0").decode()
        if kind in _ELEMENTS and name in OF_THE_KERNEL:
            return
        self._begun[f"{_WORDS[kind]} {name}".rstrip()] += 1


def _messages(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(message of nf_tables, family, port id of the sender, attributes) of each message of a datagram."""
    position = 0
    while position + 20 <= len(datagram):
        length, type_, _, _, port = struct.unpack_from("=IHHII", datagram, position)
        if type_ >> 8 == netlink.SUBSYSTEM_NFTABLES:
            yield type_ & 0xFF, datagram[position + 16], port, datagram[position + 20 : position + length]
        position += max(20, (length + 3) & ~3)


def _interference(changes: Counter[str], about: dict[int, bytes]) -> Interference:
    process = int.from_bytes(about.get(_GENERATION_PROCESS, b""), "big")
    name = about.get(_GENERATION_NAME, b"").rstrip(b"\0").decode(errors="replace")
    words = (text if count == 1 else f"{text} ({count} times)" for text, count in changes.items())
    return Interference(name or "a program", process, tuple(words))
