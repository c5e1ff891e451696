"""One query -> one answer: every rule of serving is a branch here. Bytes in, bytes out; nothing is sent.

    answer(packet, source) -> Answer to send | Ask an upstream server first | None: say nothing
    finish(ask, what the upstream said) -> Answer

Names that are not the cluster's do not exist (NXDOMAIN) unless there are upstream servers. REFUSED would be the truer word,
but with it no search list works: musl ignores such an answer and waits for its timeout, glibc gives up the search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from moorage.dns.question import Outside, Reverse, labels_of, parse_name
from moorage.dns.records import Alias, Authority, Data, Pointer, Server, Source, Text, find
from moorage.dns.settings import DnsSettings
from moorage.dns.wire import (
    INTERNET,
    LARGEST,
    Malformed,
    Query,
    Rcode,
    Record,
    Reply,
    Type,
    continued,
    pack_question,
    pack_reply,
    parse_query,
)

MAX_ALIASES = 8
"""CNAMEs followed for one question."""

Shuffle = Callable[[Sequence[Record]], Sequence[Record]]
"""Puts answers in another order, so that clients that take the first one spread."""


class Ask(msgspec.Struct, frozen=True):
    """Somebody else's name: `packet` is for an upstream server. `begun` are the records that lead there."""

    packet: bytes
    query: Query
    limit: int
    begun: tuple[Record, ...] = ()


class Responder:
    """Knows the settings. `source` None means that the API has not been read yet. Nothing here raises, whatever the bytes."""

    def __init__(self, settings: DnsSettings, shuffle: Shuffle = lambda records: records) -> None:
        self._settings = settings
        self._shuffle = shuffle
        self._zone = labels_of(settings.zone)

    def answer(self, packet: bytes, source: Source | None, tcp: bool = False) -> bytes | Ask | None:
        """What to do about a packet that came by UDP or TCP."""
        query = parse_query(packet)
        if isinstance(query, Malformed):
            refused = Reply(Rcode.FORMERR, authoritative=False)
            return self._pack(query.query, refused, LARGEST) if query.query is not None else None
        limit = LARGEST if tcp else query.size
        if query.opcode != 0:
            return self._pack(query, Reply(Rcode.NOTIMP, authoritative=False), limit)
        if query.edns_version != 0:
            return self._pack(query, Reply(Rcode.BADVERS, authoritative=False), limit)
        if query.class_ != INTERNET:
            return self._pack(query, Reply(Rcode.REFUSED, authoritative=False), limit)
        return self._resolve(query, packet, source, limit)

    def finish(self, ask: Ask, heard: bytes | None) -> bytes:
        """`heard` is the upstream's answer, None where nobody answered."""
        if heard is None:
            return self._pack(ask.query, Reply(Rcode.SERVFAIL, ask.begun, authoritative=False), ask.limit)
        if not ask.begun:
            return heard
        return self._pack(ask.query, continued(ask.begun, heard), ask.limit)

    def _resolve(self, query: Query, packet: bytes, source: Source | None, limit: int) -> bytes | Ask:
        """Follows aliases from the asked name to records, to nothing, or out of the cluster."""
        begun: list[Record] = []
        labels, owner = query.labels, None
        for _ in range(MAX_ALIASES):
            name = parse_name(labels, self._zone)
            if source is None and not isinstance(name, Outside):
                return self._pack(query, Reply(Rcode.SERVFAIL, authoritative=False), limit)
            found = find(name, source) if source is not None else None
            if found is None and isinstance(name, Outside | Reverse):
                return self._foreign(query, packet, begun, owner, limit)
            if found is None:
                return self._pack(query, Reply(Rcode.NXDOMAIN, tuple(begun), negative=True), limit)
            alias = next((each for each in found if isinstance(each, Alias)), None)
            if alias is None or query.type in (Type.CNAME, Type.ANY):
                reply = self._found(query, begun, owner, found, isinstance(name, Reverse))
                return self._pack(query, reply, limit)
            begun.append(Record(alias, owner))
            owner, labels = alias.target, labels_of(alias.target)
        return self._pack(query, Reply(Rcode.SERVFAIL, tuple(begun)), limit)

    def _foreign(self, query: Query, packet: bytes, begun: list[Record], owner: str | None, limit: int) -> bytes | Ask:
        if not self._settings.upstreams:
            rcode = Rcode.NOERROR if begun else Rcode.NXDOMAIN  # an alias leads out, its target is the client's business
            return self._pack(query, Reply(rcode, tuple(begun), authoritative=bool(begun)), limit)
        if owner is None:
            return Ask(packet, query, limit)
        return Ask(pack_question(query.id, owner, query.type), query, limit, tuple(begun))

    def _found(self, query: Query, begun: list[Record], owner: str | None, found: tuple[Data, ...], reverse: bool) -> Reply:
        """The records of the asked type; without any, the name exists and that is all (NODATA). Only our zone has a SOA."""
        wanted = [Record(each, owner) for each in found if query.type == Type.ANY or query.type in _types(each)]
        servers = [each.data for each in wanted if isinstance(each.data, Server)]
        return Reply(
            answers=(*begun, *self._shuffle(wanted)),
            additional=tuple(Record(address, each.target) for each in servers for address in each.addresses),
            negative=not wanted and not reverse,
        )

    def _pack(self, query: Query, reply: Reply, limit: int) -> bytes:
        return pack_reply(query, reply, self._settings, limit)


def _types(data: Data) -> tuple[Type, ...]:
    """The types of question that a record answers."""
    match data:
        case Alias():
            return (Type.CNAME,)
        case Pointer():
            return (Type.PTR,)
        case Server():
            return (Type.SRV,)
        case Text():
            return (Type.TXT,)
        case Authority():
            return (Type.SOA, Type.NS)
        case address:
            return (Type.A if address.version == 4 else Type.AAAA,)
