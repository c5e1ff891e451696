from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.dns.question import (
    Apex,
    Branch,
    EndpointName,
    Name,
    NameServer,
    NamespaceName,
    Nothing,
    Outside,
    PodName,
    PortName,
    Reverse,
    ServiceName,
    Version,
    dashed,
    dashed_address,
    labels_of,
    parse_name,
)
from moorage.model.meta import Key

WEB = Key("default", "web")

SHAPES: dict[str, Name] = {
    "cluster.local": Apex(),
    "dns-version.cluster.local": Version(),
    "svc.cluster.local": Branch(),
    "pod.cluster.local": Branch(),
    "dns.cluster.local": Branch(),
    "ns.dns.cluster.local": NameServer(),
    "default.svc.cluster.local": NamespaceName("default"),
    "default.pod.cluster.local": NamespaceName("default"),
    "web.default.svc.cluster.local.": ServiceName(WEB),
    "Web.DEFAULT.svc.Cluster.Local": ServiceName(WEB),
    "svc.svc.svc.cluster.local": ServiceName(Key("svc", "svc")),
    "web-0.web.default.svc.cluster.local": EndpointName(WEB, "web-0"),
    "_tcp.web.default.svc.cluster.local": PortName(WEB, "TCP"),
    "_http._tcp.web.default.svc.cluster.local": PortName(WEB, "TCP", "http"),
    "http._tcp.web.default.svc.cluster.local": Nothing(),
    "_._tcp.web.default.svc.cluster.local": Nothing(),
    "x._http._tcp.web.default.svc.cluster.local": Nothing(),
    "10-244-1-7.default.pod.cluster.local": PodName("default", ip_address("10.244.1.7")),
    "fd00--7.default.pod.cluster.local": PodName("default", ip_address("fd00::7")),
    "web.default.pod.cluster.local": Nothing(),
    "x.10-244-1-7.default.pod.cluster.local": Nothing(),
    "elsewhere.cluster.local": Nothing(),
    "a.b.cluster.local": Nothing(),
    "7.1.244.10.in-addr.arpa": Reverse(ip_address("10.244.1.7")),
    "1.244.10.in-addr.arpa": Outside(),
    "x.1.244.10.in-addr.arpa": Outside(),
    "in-addr.arpa": Outside(),
    "ip6.arpa": Outside(),
    "1.ip6.arpa": Outside(),
    "local": Outside(),
    "": Outside(),
    "cluster.local.example.com": Outside(),
    "notcluster.local": Outside(),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name: str) -> None:
    assert parse_name(labels_of(name), labels_of("Cluster.Local")) == SHAPES[name]


@given(st.ip_addresses())
def test_addresses_have_labels_and_reverse_names(text: object) -> None:
    address = ip_address(str(text))
    assert dashed_address(dashed(address)) == address
    assert parse_name(labels_of(address.reverse_pointer), ("cluster", "local")) == Reverse(address)


def test_another_zone() -> None:
    assert parse_name(labels_of("web.default.svc.example"), ("example",)) == ServiceName(WEB)
    assert parse_name(labels_of("web.default.svc.cluster.local"), ("example",)) == Outside()
