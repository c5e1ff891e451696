"""A small cluster for DNS tests: one Service of each sort, and a client of few words."""

from __future__ import annotations

import dnslib
import msgspec

from moorage.dns.answer import Responder
from moorage.dns.directory import Directory
from moorage.dns.records import Source
from moorage.dns.settings import DnsSettings
from moorage.model.cluster import Namespace
from moorage.model.meta import ObjectMeta
from moorage.model.service import Service, ServicePort, ServiceSpec
from moorage.model.slices import SERVICE_NAME_LABEL, Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from moorage.model.snapshot import Snapshot

ZONE = "cluster.local"


def service(name: str, spec: ServiceSpec, namespace: str = "default") -> Service:
    return Service(metadata=ObjectMeta(name=name, namespace=namespace), spec=spec)


def slice_of(service: str, endpoints: tuple[Endpoint, ...], name: str = "", family: str = "IPv4") -> EndpointSlice:
    labels = {SERVICE_NAME_LABEL: service}
    return EndpointSlice(
        metadata=ObjectMeta(name=name or f"{service}-1", namespace="default", labels=labels),
        address_type=family,
        endpoints=endpoints,
        ports=(EndpointPort(name="http", protocol="TCP", port=8080), EndpointPort(protocol="UDP", port=9000)),
    )


def endpoint(address: str, ready: bool = True, hostname: str | None = None) -> Endpoint:
    return Endpoint(addresses=(address,), conditions=EndpointConditions(ready=ready), hostname=hostname)


HTTP = ServicePort(name="http", protocol="TCP", port=80)
UNNAMED = ServicePort(protocol="UDP", port=53)

SNAPSHOT = Snapshot.of(
    [
        Namespace(metadata=ObjectMeta(name="default")),
        Namespace(metadata=ObjectMeta(name="empty")),
        service("web", ServiceSpec(type="ClusterIP", cluster_ip="10.96.0.20", ports=(HTTP, UNNAMED))),
        service(
            "dual",
            ServiceSpec(type="ClusterIP", cluster_ip="10.96.0.21", cluster_ips=("10.96.0.21", "fd00::21"), ports=(HTTP,)),
        ),
        service("db", ServiceSpec(type="ClusterIP", cluster_ip="None", ports=(HTTP, UNNAMED))),
        service("idle", ServiceSpec(type="ClusterIP", cluster_ip="None", ports=(HTTP,))),
        service("docs", ServiceSpec(type="ExternalName", external_name="www.example.com")),
        service("alias", ServiceSpec(type="ExternalName", external_name="web.default.svc.cluster.local")),
        service("dangling", ServiceSpec(type="ExternalName", external_name="gone.default.svc.cluster.local.")),
        service("numeric", ServiceSpec(type="ExternalName", external_name="192.0.2.7")),
        service("loop", ServiceSpec(type="ExternalName", external_name="loop.default.svc.cluster.local")),
        service("kube-dns", ServiceSpec(type="ClusterIP", cluster_ip="10.96.0.10"), namespace="kube-system"),
        slice_of("web", (endpoint("10.244.1.2"),)),
        slice_of("db", (endpoint("10.244.1.7", hostname="db-0"), endpoint("10.244.2.7"), endpoint("10.244.3.7", ready=False))),
        slice_of("db", (endpoint("fd00:1::7", hostname="db-0"),), name="db-6", family="IPv6"),
        slice_of("idle", (endpoint("10.244.1.9", ready=False),)),
    ]
)


class Heard(msgspec.Struct, frozen=True):
    """An answer in words: `records` are "TYPE data", in the message's order."""

    rcode: str
    records: tuple[str, ...] = ()
    authority: tuple[str, ...] = ()
    additional: tuple[str, ...] = ()
    authoritative: bool = True
    truncated: bool = False


def question(name: str, type_: str = "A", id_: int = 7) -> dnslib.DNSRecord:
    record = dnslib.DNSRecord.question(name, type_)
    record.header.id = id_
    return record


def hear(packet: bytes) -> Heard:
    message = dnslib.DNSRecord.parse(packet)

    def words(resources: list[dnslib.RR]) -> tuple[str, ...]:
        return tuple(f"{dnslib.QTYPE[each.rtype]} {each.rdata}" for each in resources if each.rtype != dnslib.QTYPE.OPT)

    return Heard(
        dnslib.RCODE[message.header.rcode],
        words(message.rr),
        tuple(dnslib.QTYPE[each.rtype] for each in message.auth),
        words(message.ar),
        bool(message.header.aa),
        bool(message.header.tc),
    )


def source(snapshot: Snapshot = SNAPSHOT, settings: DnsSettings = DnsSettings()) -> Source:  # noqa: B008
    return Source(Directory(snapshot), settings)


def ask(name: str, type_: str = "A", snapshot: Snapshot = SNAPSHOT) -> Heard:
    """One question to a responder without upstream servers."""
    answer = Responder(DnsSettings()).answer(question(name, type_).pack(), source(snapshot))
    assert isinstance(answer, bytes)
    return hear(answer)
