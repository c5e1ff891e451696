"""Whatever an API server delivers, old, foreign or out of its mind: nothing fails, and a broken object affects only itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.datapath.fake import FakeDatapath
from moorage.datapath.nft.ledger import Ledger, nothing
from moorage.datapath.nft.messages import Table
from moorage.datapath.nft.packing import element_messages
from moorage.datapath.nft.rules import chain_messages
from moorage.model.cluster import Node
from moorage.model.meta import Key, Object
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.model.service_cidrs import ServiceCIDR
from moorage.model.slices import SERVICE_NAME_LABEL, EndpointSlice
from moorage.model.snapshot import Changes, Snapshot
from moorage.table.compile import Compiler, compile_table
from moorage.table.facts import node_facts
from moorage.table.lean import lean
from moorage.table.types import ForwardingTable, NodeFacts
from tests.table.objects import FACTS, endpoint, node, service, slice_

WEB = Key("default", "web")
GOOD = (service("web", "10.96.0.1"), slice_(endpoint("10.244.0.1"), of="web"))

ENDPOINTS = [
    slice_(endpoint("10.244.0.1"), of=name, name=f"{name}-{port}", port_name=port)
    for name in ("web", "api")
    for port in ("", "http")
]
"""So that Services have backends now and then."""

DIGITS = "9" * 5000
ADDRESSES = [
    "10.96.0.1", "10.96.0.2", "fd00:96::1", "192.168.0.1", "", "None", "0.0.0.0", "::", "127.0.0.1", "::1", "fe80::1%eth0",
    "fe80::1%a%b", "::ffff:10.96.0.1", "10.96.0.01", "256.1.1.1", "1.2.3", "10.96.0.1/24", " 10.96.0.1", "255.255.255.255",
    "224.0.0.1", "ff02::1", "\x00", "\u0661\u0660.96.0.1", DIGITS, "host.example",
]  # fmt: skip
PREFIXES = [
    "10.0.0.0/8",
    "10.244.1.5/24",
    "::/0",
    "0.0.0.0/0",
    "fd00::/64",
    "1/2/3",
    "/",
    "10.0.0.0/33",
    "fe80::%a/64",
    *ADDRESSES,
]
NUMBERS = [0, 1, 80, 8080, 30080, 65535, 65536, 70000, -1, -(2**31), 2**31, 2**63 - 1]
WORDS = ["", "http", "node-1", "\x00"]
TYPES = ["", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "Ingress"]
ANNOTATIONS = {
    "moorage.dev/weight": ["0", "1", "1000", "1001", "-1", "1.5", "", "½", "१", DIGITS],
    "moorage.dev/port-ranges": ["80-90", "80-90/udp", "8080-1", "80-99999", "80", "", "80-90,80-91/tcp", "१-९", f"1-{DIGITS}"],
}

MISSING = object()


def mostly(good: list[Any], odd: list[Any]) -> st.SearchStrategy[Any]:
    """Three of four are good, so that what is odd is not alone."""
    return st.integers(0, 3).flatmap(lambda number: st.sampled_from(good if number else odd))


address = mostly(["10.96.0.1", "10.96.0.2", "fd00:96::1", "203.0.113.1"], ADDRESSES)
prefix = mostly(["10.244.0.0/24", "fd00:244::/64", "192.0.2.0/24"], PREFIXES)
number = mostly([80, 8080, 30080], NUMBERS)
word, policy = st.sampled_from(WORDS), st.sampled_from(["Local", "Cluster", ""])
protocol = mostly(["TCP", "UDP", ""], ["SCTP", "tcp", "QUIC"])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object in JSON's spelling. Every field may be missing, one of four is."""
    maybe = {name: st.one_of(each, each, each, st.just(MISSING)) for name, each in fields.items()}
    return st.fixed_dictionaries(maybe).map(lambda tree: {name: each for name, each in tree.items() if each is not MISSING})


def few(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, max_size=3)


def meta(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    labels = some(
        **{
            SERVICE_NAME_LABEL: st.sampled_from(["web", "api", "", "nobody"]),
            "topology.kubernetes.io/zone": word,
        }
    )
    annotations = some(**{name: st.sampled_from(values) for name, values in ANNOTATIONS.items()})
    created = st.sampled_from([None, "", "2026-01-01T00:00:00Z", "yesterday"])
    given_ = some(labels=labels, annotations=annotations, creationTimestamp=created)
    return st.tuples(st.sampled_from(names), given_).map(lambda drawn: {"name": drawn[0], "namespace": "default", **drawn[1]})


def kind(type_: type[Object], metadata: st.SearchStrategy[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    return st.tuples(metadata, some(**fields)).map(lambda drawn: msgspec.convert({"metadata": drawn[0], **drawn[1]}, type_))


services = kind(
    Service,
    meta("web", "api"),
    spec=some(
        type=st.sampled_from(TYPES),
        clusterIP=address,
        clusterIPs=few(address),
        externalIPs=few(address),
        ipFamilies=few(st.sampled_from(["IPv4", "IPv6", ""])),
        ports=few(some(name=word, protocol=protocol, port=number, nodePort=number, targetPort=number | word)),
        sessionAffinity=st.sampled_from(["ClientIP", "None", ""]),
        sessionAffinityConfig=some(clientIP=some(timeoutSeconds=number)),
        loadBalancerSourceRanges=few(prefix),
        externalTrafficPolicy=policy,
        internalTrafficPolicy=policy,
        healthCheckNodePort=number,
    ),
    status=some(loadBalancer=some(ingress=few(some(ip=address, hostname=word, ipMode=word)))),
)
slices = kind(
    EndpointSlice,
    meta("one", "two"),
    addressType=st.sampled_from(["IPv4", "IPv6", "FQDN", ""]),
    ports=few(some(name=word, protocol=protocol, port=number)),
    endpoints=few(
        some(
            addresses=few(address),
            nodeName=word,
            conditions=some(ready=st.booleans(), serving=st.booleans(), terminating=st.booleans()),
            hints=some(forZones=few(some(name=word)), forNodes=few(some(name=word))),
        )
    ),
)
nodes = kind(
    Node,
    meta("node-1", "node-2").map(lambda each: {**each, "namespace": ""}),
    spec=some(podCIDR=prefix, podCIDRs=few(prefix)),
    status=some(addresses=few(some(type=st.sampled_from(["InternalIP", "Hostname", ""]), address=address))),
)
cidrs = kind(ServiceCIDR, st.just({"name": "kubernetes"}), spec=some(cidrs=few(prefix)))


def carried_out(ledger: Ledger, table: ForwardingTable) -> None:
    """As far as the bytes of every message."""
    plan = ledger.plan(table)
    for family, wanted in plan.families.items():
        into = Table(family, "moorage")
        for name in wanted.chains:
            chain_messages(into, name)
        for stage in wanted.elements.stages():
            element_messages(into, stage)
    ledger.commit(plan)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(services, slices, nodes, cidrs), max_size=10))
def test_nothing_that_is_delivered_makes_a_node_fail(objects: list[Object]) -> None:
    compiler, snapshot = Compiler(), Snapshot.of(ENDPOINTS)
    compiler.update(snapshot, Changes(everything=True), node_facts("node-1", snapshot))
    ledger, datapath = Ledger(nothing()), FakeDatapath()
    for each in map(lean, objects):
        snapshot = snapshot.with_objects(type(each), {**snapshot.all(type(each)), each.key: each})
        facts = node_facts("node-1", snapshot)
        table = compiler.update(snapshot, Changes({type(each): frozenset({each.key})}), facts)
        assert table == compile_table(snapshot, facts)
        carried_out(ledger, table)
        datapath.apply(table)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(services, slices), max_size=6))
def test_whatever_is_broken_the_good_one_is_served(objects: list[Object]) -> None:
    """As long as nobody else asks for what it has, and the slices are its own."""
    others = [each for each in objects if each.key.name != "web" and getattr(each, "service_name", "") != "web"]
    apart = [each for each in others if "10.96.0.1" not in str(each)]
    table = compile_table(Snapshot.of([*apart, *GOOD]), FACTS)
    assert table.services[WEB] == compile_table(Snapshot.of(GOOD), FACTS).services[WEB]
    assert WEB not in table.notes


BROKEN_SERVICES = [
    (service("bad", "10.96.0.300"), 'spec.clusterIPs: "10.96.0.300" is no IP address'),
    (service("bad", ""), "spec.clusterIP: no address was allocated"),
    (service("bad", "10.96.0.9", ports=[{"port": 0}]), "spec.ports[0].port: 0 is not between 1 and 65535"),
    (service("bad", "10.96.0.9", ports=[{"port": 70000}]), "spec.ports[0].port: 70000 is not between 1 and 65535"),
    (service("bad", "fe80::1%eth0"), 'spec.clusterIPs: "fe80::1%eth0" is no IP address'),
    (service("bad", "10.96.0.9", externalIPs=["0.0.0.0"]), 'spec.externalIPs: "0.0.0.0" is no address that a Service can have'),
    (
        service("bad", "10.96.0.9", type="LoadBalancer", ingress=("127.0.0.1",)),
        'status.loadBalancer.ingress: "127.0.0.1" is no address that a Service can have',
    ),
    (service("bad", "224.0.0.1"), 'spec.clusterIPs: "224.0.0.1" is no address that a Service can have'),
]


@pytest.mark.parametrize(("bad", "said"), BROKEN_SERVICES, ids=[said for _, said in BROKEN_SERVICES])
def test_a_broken_service_is_told_of_and_affects_nobody(bad: Service, said: str) -> None:
    table = compile_table(Snapshot.of([bad, *GOOD]), FACTS)
    assert [note.message for note in table.notes[bad.key]] == [said]
    assert table.verdicts == {bad.key: Reason.INVALID_OBJECT}
    assert table.services[WEB] == compile_table(Snapshot.of(GOOD), FACTS).services[WEB]
    assert all(str(each.match).startswith("10.96.0.9:") for each in table.services.get(bad.key, ()))


BROKEN_SLICES = [
    (slice_(endpoint("10.244.0.300"), name="bad"), 'have no IPv4 address, the first says "10.244.0.300"'),
    (slice_(endpoint("fd00::1"), name="bad"), 'have no IPv4 address, the first says "fd00::1"'),
    (slice_({"addresses": []}, name="bad"), 'have no IPv4 address, the first says ""'),
    (slice_(endpoint("10.244.0.2"), name="bad", port=0), 'its port "" has port 0, which is not between 1 and 65535'),
    (slice_(endpoint("10.244.0.2"), name="bad", port=70000), 'its port "" has port 70000, which is not between 1 and 65535'),
    (slice_(endpoint("10.244.0.2"), name="bad", port=None), 'its port "" has no port number'),
]


@pytest.mark.parametrize(("bad", "said"), BROKEN_SLICES, ids=[said for _, said in BROKEN_SLICES])
def test_a_broken_slice_is_told_of_and_the_others_of_its_service_are_used(bad: EndpointSlice, said: str) -> None:
    table = compile_table(Snapshot.of([bad, *GOOD]), FACTS)
    [note] = table.notes[WEB]
    assert note.message.startswith("EndpointSlice default/bad is left out in part: ")
    assert note.message.endswith(said)
    assert table.services == compile_table(Snapshot.of(GOOD), FACTS).services


@pytest.mark.parametrize("family", ["", "FQDN", "IPv5"])
def test_a_slice_of_another_family_or_without_a_service_is_nobodys(family: str) -> None:
    others = [slice_(endpoint("10.244.0.9"), name="a", family=family), slice_(endpoint("10.244.0.9"), of="", name="b")]
    assert compile_table(Snapshot.of([*others, *GOOD]), FACTS) == compile_table(Snapshot.of(GOOD), FACTS)


def test_a_weight_of_any_length_is_noted() -> None:
    bad = slice_(endpoint("10.244.0.1"), of="web")
    heavy = msgspec.structs.replace(bad.metadata, annotations={"moorage.dev/weight": DIGITS})
    table = compile_table(Snapshot.of([GOOD[0], msgspec.structs.replace(bad, metadata=heavy)]), FACTS)
    assert table.verdicts == {WEB: Reason.INVALID_OBJECT}
    assert len(table.services[WEB][0].backends) == 1


@pytest.mark.parametrize("seconds", [86401, 2**63 - 1])
def test_no_client_is_kept_longer_than_the_api_allows(seconds: int) -> None:
    of = service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": seconds}})
    [frontend] = compile_table(Snapshot.of([of]), FACTS).frontends()
    assert frontend.affinity == 86400


@pytest.mark.parametrize("order", [0, 1])
def test_of_two_that_ask_for_one_address_the_older_has_it(order: int) -> None:
    """Both by ClusterIP, which an allocator would keep apart, and by an address outside."""
    old = service("old", "10.96.0.5", created="2026-01-01T00:00:00Z", externalIPs=["203.0.113.1"])
    new = service(
        "new", "10.96.0.5", created="2026-01-02T00:00:00Z", externalIPs=["203.0.113.1"], ports=[{"port": 80}, {"port": 81}]
    )
    table = compile_table(Snapshot.of([new, old] if order else [old, new]), FACTS)
    assert [str(each.match) for each in table.services[old.key]] == ["10.96.0.5:80/tcp", "203.0.113.1:80/tcp"]
    assert [str(each.match) for each in table.services[new.key]] == ["10.96.0.5:81/tcp", "203.0.113.1:81/tcp"]
    assert [(note.reason, note.message) for note in table.notes[new.key]] == [
        (Reason.DUPLICATE_FRONTEND, "10.96.0.5:80/tcp belongs to the older Service default/old"),
        (Reason.DUPLICATE_FRONTEND, "203.0.113.1:80/tcp belongs to the older Service default/old"),
    ]
    assert old.key not in table.notes


def test_a_node_full_of_nonsense_takes_nothing_from_the_others() -> None:
    good = [node("node-1", "192.168.0.1", cidrs=("10.244.0.0/24",)), node("node-2", "192.168.0.2", cidrs=("10.244.1.0/24",))]
    bad = node("bad", *ADDRESSES[4:7], "fe80::1%eth0", DIGITS, cidrs=("nonsense", "10.244.2.0/99", "fe80::%a/64"), podCIDR="x")
    facts = node_facts("node-1", Snapshot.of([*good, bad]))
    expected = node_facts("node-1", Snapshot.of(good))
    unspecified = {each for each in facts.locality.cluster_sources if each not in expected.locality.cluster_sources}
    assert {str(each) for each in unspecified} <= {"0.0.0.0/32"}
    assert msgspec.structs.replace(facts, locality=expected.locality) == expected
    assert isinstance(node_facts("bad", Snapshot.of([*good, bad])), NodeFacts)


def test_a_pod_network_with_host_bits_is_the_network_that_it_is_in() -> None:
    facts = node_facts("node-1", Snapshot.of([node("node-1", "192.168.0.1", cidrs=("10.244.1.5/24",))]))
    assert [str(each) for each in facts.locality.pods_here] == ["10.244.1.0/24"]
