"""DNS messages: bytes -> Query, and Reply -> bytes. The only module that knows dnslib. Source: RFC 1035, RFC 6891 (EDNS)."""

from __future__ import annotations

import enum
from typing import Any

import dnslib
import msgspec
from dnslib.buffer import BufferError as DnslibBufferError
from dnslib.label import DNSBuffer, DNSLabel

from moorage.dns.question import Labels, labels_of
from moorage.dns.records import Alias, Authority, Data, Pointer, Server, Text
from moorage.dns.settings import DnsSettings

PLAIN_SIZE = 512
"""Bytes that fit into a UDP answer without EDNS (RFC 1035)."""

EDNS_SIZE = 1232
"""Bytes of the largest UDP answer with EDNS: it fits into the smallest IPv6 MTU without fragments (DNS flag day 2020)."""

LARGEST = 65535
"""Bytes of the largest message over TCP."""

HEADER_SIZE = 12
MAX_RECORDS = 16
"""Records in a query; a client sends one (OPT), rarely two."""

INTERNET = 1


class Type(enum.IntEnum):
    """Record types that are answered or recognised. Source: IANA DNS parameters."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    TXT = 16
    AAAA = 28
    SRV = 33
    OPT = 41
    ANY = 255


class Rcode(enum.IntEnum):
    """Response codes (RFC 1035, BADVERS from RFC 6891)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class Query(msgspec.Struct, frozen=True):
    """A question. `asked` holds the labels as they came, for the answer repeats their case; `labels` are in lower case.

    `size` is the largest UDP answer that the client takes; `edns` says whether it sent an OPT record.
    """

    id: int
    asked: tuple[bytes, ...] = ()
    labels: Labels = ()
    type: int = 0
    class_: int = INTERNET
    opcode: int = 0
    recursion: bool = False
    edns: bool = False
    edns_version: int = 0
    size: int = PLAIN_SIZE


class Record(msgspec.Struct, frozen=True):
    """`owner` None means the name that was asked about."""

    data: Data
    owner: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """`negative` puts the zone's SOA into the authority section, by which clients keep the denial (RFC 2308).

    `foreign` are records of an upstream server as dnslib holds them; they follow the others.
    """

    rcode: Rcode = Rcode.NOERROR
    answers: tuple[Record, ...] = ()
    foreign: tuple[Any, ...] = ()
    additional: tuple[Record, ...] = ()
    authoritative: bool = True
    negative: bool = False


class Malformed(msgspec.Struct, frozen=True):
    """Bytes that are no query. `query` is what could be read of it, None where nobody waits for an answer."""

    query: Query | None


def parse_query(packet: bytes) -> Query | Malformed:
    """Never raises. Responses, and less than a header, are Malformed without an answer."""
    if len(packet) < HEADER_SIZE:
        return Malformed(None)
    buffer = DNSBuffer(packet)
    header = dnslib.DNSHeader.parse(buffer)
    if header.qr:
        return Malformed(None)
    start = Query(header.id, opcode=header.opcode, recursion=bool(header.rd))
    if header.opcode != 0:
        return start
    others = header.a + header.auth + header.ar
    if header.q != 1 or others > MAX_RECORDS:
        return Malformed(start)
    try:
        question = dnslib.DNSQuestion.parse(buffer)
        options = [each for each in (dnslib.RR.parse(buffer) for _ in range(others)) if each.rtype == Type.OPT]
    except (dnslib.DNSError, DnslibBufferError, ValueError, RecursionError):
        return Malformed(start)
    asked = tuple(question.qname.label)
    if len(options) > 1 or sum(len(label) + 1 for label in asked) > 254 or any(len(label) > 63 for label in asked):
        return Malformed(start)
    query = msgspec.structs.replace(
        start,
        asked=asked,
        labels=tuple(label.decode("utf-8", "replace").lower() for label in asked),
        type=question.qtype,
        class_=question.qclass,
    )
    if not options:
        return query
    size = min(max(options[0].rclass, PLAIN_SIZE), EDNS_SIZE)
    return msgspec.structs.replace(query, edns=True, edns_version=options[0].ttl >> 16 & 0xFF, size=size)


def pack_question(id_: int, name: str, type_: int) -> bytes:
    """A question to another server."""
    header = dnslib.DNSHeader(id=id_, bitmap=0, rd=1)
    return bytes(dnslib.DNSRecord(header, q=dnslib.DNSQuestion(_label(name), type_)).pack())


def continued(begun: tuple[Record, ...], heard: bytes) -> Reply:
    """Records that lead to another server's name, and that server's answer about it; SERVFAIL where that is no answer."""
    try:
        message = dnslib.DNSRecord.parse(heard)
        return Reply(Rcode(message.header.rcode), begun, tuple(message.rr), authoritative=False)
    except (dnslib.DNSError, ValueError, RecursionError):
        return Reply(Rcode.SERVFAIL, begun, authoritative=False)


def pack_reply(query: Query, reply: Reply, settings: DnsSettings, limit: int) -> bytes:
    """At most `limit` bytes: what does not fit is left out, and TC tells the client to come back over TCP."""
    message = _message(query, reply, settings)
    packed = bytes(message.pack())
    if len(packed) <= limit:
        return packed
    message.header.tc = 1
    message.ar = [each for each in message.ar if each.rtype == Type.OPT]
    message.auth = []
    answers, fitting, too_many = message.rr, 0, len(message.rr) + 1
    while too_many - fitting > 1:  # how many answers fit: some clients never use TCP and take what they get
        middle = (fitting + too_many) // 2
        message.rr = answers[:middle]
        fitting, too_many = (middle, too_many) if len(message.pack()) <= limit else (fitting, middle)
    message.rr = answers[:fitting]
    return bytes(message.pack())


def _message(query: Query, reply: Reply, settings: DnsSettings) -> dnslib.DNSRecord:
    header = dnslib.DNSHeader(
        id=query.id,
        bitmap=0,
        qr=1,
        opcode=query.opcode,
        aa=int(reply.authoritative),
        rd=int(query.recursion),
        ra=int(bool(settings.upstreams)),
        rcode=int(reply.rcode) & 0xF,
    )
    question = [dnslib.DNSQuestion(DNSLabel(query.asked), query.type, query.class_)] if query.type else []
    message = dnslib.DNSRecord(header, questions=question)
    for each in reply.answers:
        message.add_answer(_resource(query, each, settings))
    message.add_answer(*reply.foreign)
    if reply.negative:
        message.add_auth(_resource(query, Record(Authority(), settings.zone), settings))
    for each in reply.additional:
        message.add_ar(_resource(query, each, settings))
    if query.edns:
        message.add_ar(dnslib.EDNS0(udp_len=EDNS_SIZE, ext_rcode=int(reply.rcode) >> 4))
    return message


def _resource(query: Query, record: Record, settings: DnsSettings) -> dnslib.RR:
    owner = DNSLabel(query.asked) if record.owner is None else _label(record.owner)
    match record.data:
        case Alias(target):
            type_, data = Type.CNAME, dnslib.CNAME(_label(target))
        case Pointer(target):
            type_, data = Type.PTR, dnslib.PTR(_label(target))
        case Server(target, port):
            type_, data = Type.SRV, dnslib.SRV(0, 100, port, _label(target))
        case Text(text):
            type_, data = Type.TXT, dnslib.TXT(text)
        case Authority() if query.type == Type.NS:
            type_, data = Type.NS, dnslib.NS(_label(f"ns.dns.{settings.zone}"))
        case Authority():
            times = (1, 7200, 1800, 86400, settings.ttl)
            type_, data = Type.SOA, dnslib.SOA(_label(f"ns.dns.{settings.zone}"), _label(f"hostmaster.{settings.zone}"), times)
        case address:
            made = dnslib.A(str(address)) if address.version == 4 else dnslib.AAAA(str(address))
            type_, data = (Type.A if address.version == 4 else Type.AAAA), made
    return dnslib.RR(owner, int(type_), ttl=settings.ttl, rdata=data)


def _label(name: str) -> DNSLabel:
    return DNSLabel([label.encode() for label in labels_of(name)])
