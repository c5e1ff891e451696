from __future__ import annotations

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.dns.answer import Ask, Responder
from moorage.dns.settings import DnsSettings
from moorage.model.service import ServiceSpec
from moorage.model.snapshot import Snapshot
from tests.dns.cluster import HTTP, SNAPSHOT, Heard, ask, endpoint, hear, question, service, slice_of, source

NXDOMAIN = Heard("NXDOMAIN", authority=("SOA",))
NODATA = Heard("NOERROR", authority=("SOA",))


def found(*records: str, additional: tuple[str, ...] = ()) -> Heard:
    return Heard("NOERROR", records, additional=additional)


SPECIFICATION = {
    # 2.2 schema version
    "dns-version.cluster.local TXT": found('TXT "1.1.0"'),
    "dns-version.cluster.local A": NODATA,
    # 2.3 ClusterIP
    "web.default.svc.cluster.local A": found("A 10.96.0.20"),
    "WEB.Default.SVC.Cluster.LOCAL A": found("A 10.96.0.20"),
    "web.default.svc.cluster.local AAAA": NODATA,
    "web.default.svc.cluster.local MX": NODATA,
    "web.default.svc.cluster.local ANY": found("A 10.96.0.20"),
    "dual.default.svc.cluster.local A": found("A 10.96.0.21"),
    "dual.default.svc.cluster.local AAAA": found("AAAA fd00::21"),
    "_http._tcp.web.default.svc.cluster.local SRV": found(
        "SRV 0 100 80 web.default.svc.cluster.local.", additional=("A 10.96.0.20",)
    ),
    "_HTTP._TCP.web.default.svc.cluster.local SRV": found(
        "SRV 0 100 80 web.default.svc.cluster.local.", additional=("A 10.96.0.20",)
    ),
    "_http._tcp.web.default.svc.cluster.local A": NODATA,
    "_tcp.web.default.svc.cluster.local SRV": NODATA,
    "_udp.web.default.svc.cluster.local SRV": NXDOMAIN,
    "_http._udp.web.default.svc.cluster.local SRV": NXDOMAIN,
    "_._udp.web.default.svc.cluster.local SRV": NXDOMAIN,
    "20.0.96.10.in-addr.arpa PTR": found("PTR web.default.svc.cluster.local."),
    # 2.4 headless
    "db.default.svc.cluster.local A": found("A 10.244.1.7", "A 10.244.2.7"),
    "db.default.svc.cluster.local AAAA": found("AAAA fd00:1::7"),
    "idle.default.svc.cluster.local A": NXDOMAIN,
    "db-0.db.default.svc.cluster.local A": found("A 10.244.1.7"),
    "db-0.db.default.svc.cluster.local AAAA": found("AAAA fd00:1::7"),
    "10-244-2-7.db.default.svc.cluster.local A": found("A 10.244.2.7"),
    "10-244-1-7.db.default.svc.cluster.local A": NXDOMAIN,
    "10-244-3-7.db.default.svc.cluster.local A": NXDOMAIN,
    "10-244-1-2.web.default.svc.cluster.local A": found("A 10.244.1.2"),
    "_http._tcp.db.default.svc.cluster.local SRV": found(
        "SRV 0 100 8080 db-0.db.default.svc.cluster.local.",
        "SRV 0 100 8080 10-244-2-7.db.default.svc.cluster.local.",
        additional=("A 10.244.1.7", "AAAA fd00:1::7", "A 10.244.2.7"),
    ),
    "_tcp.db.default.svc.cluster.local A": NODATA,
    "_http._tcp.idle.default.svc.cluster.local SRV": NXDOMAIN,
    "7.1.244.10.in-addr.arpa PTR": found("PTR db-0.db.default.svc.cluster.local."),
    # 2.5 ExternalName
    "docs.default.svc.cluster.local A": found("CNAME www.example.com."),
    "docs.default.svc.cluster.local CNAME": found("CNAME www.example.com."),
    "alias.default.svc.cluster.local A": found("CNAME web.default.svc.cluster.local.", "A 10.96.0.20"),
    "alias.default.svc.cluster.local AAAA": Heard("NOERROR", ("CNAME web.default.svc.cluster.local.",), ("SOA",)),
    "dangling.default.svc.cluster.local A": Heard("NXDOMAIN", ("CNAME gone.default.svc.cluster.local.",), ("SOA",)),
    "numeric.default.svc.cluster.local A": NXDOMAIN,
    # 2.6 Pods
    "10-244-9-9.default.pod.cluster.local A": found("A 10.244.9.9"),
    "fd00-1--7.default.pod.cluster.local AAAA": found("AAAA fd00:1::7"),
    "10-244-9-9.nowhere.pod.cluster.local A": NXDOMAIN,
    "mypod.default.pod.cluster.local A": NXDOMAIN,
    # names that hold nothing, and names that are none
    "cluster.local SOA": found("SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"),
    "cluster.local NS": found("NS ns.dns.cluster.local."),
    "cluster.local A": NODATA,
    "ns.dns.cluster.local A": found("A 10.96.0.10"),
    "svc.cluster.local A": NODATA,
    "default.svc.cluster.local A": NODATA,
    "empty.svc.cluster.local A": NODATA,
    "nowhere.svc.cluster.local A": NXDOMAIN,
    "web.cluster.local A": NXDOMAIN,
    "web.empty.svc.cluster.local A": NXDOMAIN,
    "gone.default.svc.cluster.local A": NXDOMAIN,
    "a.b.c.web.default.svc.cluster.local A": NXDOMAIN,
    "a.b.web.default.svc.cluster.local A": NXDOMAIN,
    # the search list of a Pod: `web.default` and `www.example.com` tried with each suffix
    "www.example.com.default.svc.cluster.local A": NXDOMAIN,
    "www.example.com.svc.cluster.local A": NXDOMAIN,
    "www.example.com.cluster.local A": NXDOMAIN,
    # other people's names, without an upstream server
    "www.example.com A": Heard("NXDOMAIN", authoritative=False),
    "local A": Heard("NXDOMAIN", authoritative=False),
    ". NS": Heard("NXDOMAIN", authoritative=False),
    "9.9.9.9.in-addr.arpa PTR": Heard("NXDOMAIN", authoritative=False),
    "96.10.in-addr.arpa PTR": Heard("NXDOMAIN", authoritative=False),
    "20.0.96.10.in-addr.arpa A": Heard("NOERROR"),
}


@pytest.mark.parametrize("asked", SPECIFICATION)
def test_specification(asked: str) -> None:
    name, type_ = asked.split()
    assert ask(name, type_) == SPECIFICATION[asked]


def test_ipv6_addresses_have_names_too() -> None:
    reverse = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa"
    assert ask(reverse, "PTR") == Heard("NOERROR", ("PTR db-0.db.default.svc.cluster.local.",))


def test_an_alias_to_itself_ends() -> None:
    assert ask("loop.default.svc.cluster.local").rcode == "SERVFAIL"


def test_the_answer_repeats_the_question_as_it_was_asked() -> None:
    packet = Responder(DnsSettings()).answer(question("wEb.default.svc.cluster.LOCAL", id_=4711).pack(), source())
    assert isinstance(packet, bytes)
    message = dnslib.DNSRecord.parse(packet)
    assert (message.header.id, message.header.qr, message.header.rd, message.header.ra) == (4711, 1, 1, 0)
    assert [str(each.qname) for each in message.questions] == ["wEb.default.svc.cluster.LOCAL."]
    assert [(str(each.rname), each.ttl) for each in message.rr] == [("wEb.default.svc.cluster.LOCAL.", 5)]


def test_publish_not_ready_addresses_are_ready_in_the_slice() -> None:
    """The controller writes ready=true for them; an unknown `ready` counts as true."""
    spec = ServiceSpec(type="ClusterIP", cluster_ip="None", publish_not_ready_addresses=True, ports=(HTTP,))
    unknown = endpoint("10.244.1.1")
    snapshot = Snapshot.of([service("x", spec), slice_of("x", (unknown,))])
    assert ask("x.default.svc.cluster.local", snapshot=snapshot).records == ("A 10.244.1.1",)


def test_before_the_api_was_read_only_foreign_names_are_answered() -> None:
    responder = Responder(DnsSettings())
    ours = responder.answer(question("web.default.svc.cluster.local").pack(), None)
    foreign = responder.answer(question("example.com").pack(), None)
    assert isinstance(ours, bytes)
    assert isinstance(foreign, bytes)
    assert hear(ours) == Heard("SERVFAIL", authoritative=False)
    assert hear(foreign) == Heard("NXDOMAIN", authoritative=False)


def test_answers_come_in_the_order_that_the_shuffle_gives() -> None:
    responder = Responder(DnsSettings(), lambda records: records[::-1])
    packet = responder.answer(question("db.default.svc.cluster.local").pack(), source())
    assert isinstance(packet, bytes)
    assert hear(packet).records == ("A 10.244.2.7", "A 10.244.1.7")


# Sizes.

MANY = Snapshot.of(
    [
        service("many", ServiceSpec(type="ClusterIP", cluster_ip="None", ports=(HTTP,))),
        slice_of("many", tuple(endpoint(f"10.244.{n // 250}.{n % 250}") for n in range(300))),
    ]
)


def many(edns: int | None, tcp: bool) -> tuple[int, Heard]:
    asked = question("many.default.svc.cluster.local")
    if edns is not None:
        asked.add_ar(dnslib.EDNS0(udp_len=edns))
    packet = Responder(DnsSettings()).answer(asked.pack(), source(MANY), tcp)
    assert isinstance(packet, bytes)
    return len(packet), hear(packet)


@pytest.mark.parametrize(("edns", "limit"), [(None, 512), (100, 512), (700, 700), (1232, 1232), (65535, 1232)])
def test_an_answer_over_udp_is_cut_to_what_the_client_takes(edns: int | None, limit: int) -> None:
    size, heard = many(edns, tcp=False)
    assert heard.truncated
    assert limit - 16 < size <= limit
    assert len(set(heard.records)) == len(heard.records) > 0


def test_an_answer_over_tcp_is_whole() -> None:
    _, heard = many(None, tcp=True)
    assert not heard.truncated
    assert len(heard.records) == 300


# What is no question.


def refused(packet: bytes) -> str | None:
    answer = Responder(DnsSettings()).answer(packet, source())
    assert not isinstance(answer, Ask)
    return hear(answer).rcode if answer is not None else None


def test_queries_that_are_not_served() -> None:
    good = question("web.default.svc.cluster.local")
    assert refused(b"") is None
    assert refused(good.pack()[:11]) is None
    assert refused(good.reply().pack()) is None, "a response is nobody's question"
    assert refused(good.pack()[:20]) == "FORMERR"
    two = question("a.cluster.local")
    two.add_question(dnslib.DNSQuestion("b.cluster.local"))
    assert refused(two.pack()) == "FORMERR"
    update = question("web.default.svc.cluster.local")
    update.header.opcode = 5
    assert refused(update.pack()) == "NOTIMP"
    chaos = dnslib.DNSRecord(q=dnslib.DNSQuestion("version.bind", 16, 3))
    assert refused(chaos.pack()) == "REFUSED"


def test_edns_of_a_later_version_is_refused_by_name() -> None:
    asked = question("web.default.svc.cluster.local")
    asked.add_ar(dnslib.EDNS0(version=1, udp_len=1232))
    packet = Responder(DnsSettings()).answer(asked.pack(), source())
    assert isinstance(packet, bytes)
    message = dnslib.DNSRecord.parse(packet)
    assert (message.header.rcode, message.ar[0].ttl >> 24) == (0, 1), "BADVERS is 16: 1 in the OPT record, 0 in the header"


def test_names_that_no_name_can_be_are_malformed() -> None:
    too_long = (
        b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x3fx" * 0 + (b"\x3f" + b"x" * 63) * 4 + b"\x00\x00\x01\x00\x01"
    )
    assert refused(too_long) == "FORMERR"
    pointer_to_itself = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"
    assert refused(pointer_to_itself) == "FORMERR"
    chain = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x02"
    first = b"\x00\x00\x01\x00\x01" + b"\x00\x00\x0a\x00\x01\x00\x00\x00\x00\x20\x00"
    links = b"\x00" + b"".join((0xC000 | (28 + 2 * n)).to_bytes(2, "big") for n in range(4095))
    deep = chain + first + links[:8192] + b"\xe0\x1a\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00"
    assert refused(deep) == "FORMERR"


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_no_bytes_raise(packet: bytes, synced: bool, tcp: bool) -> None:
    Responder(DnsSettings()).answer(packet, source() if synced else None, tcp)


HEADERS = st.tuples(st.integers(0, 65535), st.just(0x0100), st.just(1), st.integers(0, 2), st.integers(0, 2), st.integers(0, 3))
LABELS = st.lists(
    st.one_of(st.sampled_from([b"web", b"default", b"svc", b"cluster", b"local"]), st.binary(min_size=1, max_size=70))
)


@given(HEADERS, LABELS, st.integers(0, 300), st.integers(0, 4), st.binary(max_size=60))
def test_no_question_raises(header: tuple[int, ...], labels: list[bytes], type_: int, class_: int, rest: bytes) -> None:
    packet = b"".join(each.to_bytes(2, "big") for each in header)
    packet += b"".join(bytes([len(label)]) + label for label in labels) + b"\x00"
    packet += type_.to_bytes(2, "big") + class_.to_bytes(2, "big") + rest
    answer = Responder(DnsSettings()).answer(packet, source())
    assert isinstance(answer, bytes)
    assert answer[:2] == packet[:2]


# Upstream servers.

ASKING = DnsSettings(upstreams=("192.0.2.53",))


def test_foreign_names_go_upstream_as_they_came() -> None:
    packet = question("www.example.com").pack()
    asked = Responder(ASKING).answer(packet, source())
    assert isinstance(asked, Ask)
    assert asked.packet == packet
    heard = b"whatever the upstream says"
    assert Responder(ASKING).finish(asked, heard) == heard
    assert hear(Responder(ASKING).finish(asked, None)) == Heard("SERVFAIL", authoritative=False)


def test_an_alias_that_leads_out_is_followed_upstream() -> None:
    responder = Responder(ASKING)
    asked = responder.answer(question("docs.default.svc.cluster.local").pack(), source())
    assert isinstance(asked, Ask)
    onward = dnslib.DNSRecord.parse(asked.packet)
    assert (str(onward.q.qname), onward.header.rd) == ("www.example.com.", 1)
    reply = onward.reply()
    reply.add_answer(*dnslib.RR.fromZone("www.example.com. 60 IN A 198.51.100.7"))
    assert hear(responder.finish(asked, reply.pack())) == Heard(
        "NOERROR", ("CNAME www.example.com.", "A 198.51.100.7"), authoritative=False
    )
    assert hear(responder.finish(asked, b"nonsense")).rcode == "SERVFAIL"


def test_names_of_the_cluster_never_go_upstream() -> None:
    for name in ("gone.default.svc.cluster.local", "www.example.com.cluster.local"):
        packet = Responder(ASKING).answer(question(name).pack(), source(SNAPSHOT, ASKING))
        assert isinstance(packet, bytes)
        assert hear(packet) == NXDOMAIN
