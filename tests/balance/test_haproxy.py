from __future__ import annotations

from typing import Any

import msgspec

from moorage.balance.edge import edge_table
from moorage.balance.haproxy import Proxies, commands, divide, render, shape, standings
from moorage.model.meta import Key
from moorage.model.net import Protocol
from moorage.model.reason import Reason
from moorage.model.service import EDGE, PROVIDER_ANNOTATION, Service
from moorage.model.snapshot import Snapshot
from moorage.table.ingress import PROXY_ANNOTATION
from moorage.table.trace import Action, Packet, trace
from moorage.table.types import Backend, ForwardingTable, Frontend, NoBackend
from tests.table.objects import FACTS, ip, net, node, service

NODES = [node("node-1", "192.168.0.1", "fd01::1"), node("node-2", "192.168.0.2")]
TCP, UDP = {"name": "http", "port": 80, "nodePort": 30080}, {"name": "dns", "port": 53, "nodePort": 30053, "protocol": "UDP"}
KEY = Key("default", "web")


def asked(version: str = "v2", ingress: tuple[str, ...] = ("198.18.100.1",), **spec: Any) -> Service:
    made = service("web", ingress=ingress, **{"type": "LoadBalancer", "ports": [TCP], **spec})
    metadata = msgspec.structs.replace(made.metadata, annotations={PROVIDER_ANNOTATION: EDGE, PROXY_ANNOTATION: version})
    return msgspec.structs.replace(made, metadata=metadata)


def divided(*objects: Any, healthy: tuple[str, ...] = ("node-1", "node-2")) -> tuple[ForwardingTable, Proxies]:
    snapshot = Snapshot.of([*NODES, *objects])
    return divide(edge_table(snapshot, frozenset(healthy)), snapshot)


def test_a_frontend_that_asks_for_it_goes_to_haproxy_with_all_nodes() -> None:
    other = service(
        "other", "10.96.0.2", type="LoadBalancer", ingress=("198.18.100.2",), ports=[TCP], loadBalancerClass="moorage.dev/edge"
    )
    table, (proxy,) = divided(asked(), other, healthy=("node-2",))
    left, forwarded = table.services[KEY][0], table.services[Key("default", "other")][0]
    assert (left.reason, left.choice.without_backend, left.backends) == (Reason.PROXIED, NoBackend.LEAVE, ())
    assert forwarded.backends
    assert str(proxy.match) == "198.18.100.1:80/tcp"
    assert proxy.servers == (Backend.at(ip("192.168.0.1"), 30080), Backend.at(ip("192.168.0.2"), 30080))
    assert standings((proxy,)) == {
        "198.18.100.1-80/192.168.0.1-30080": False,
        "198.18.100.1-80/192.168.0.2-30080": True,
    }


def test_the_kernel_still_sees_who_is_let_in() -> None:
    table, _ = divided(asked(loadBalancerSourceRanges=["192.0.2.0/24"]))
    assert only(table).sources == (net("192.0.2.0/24"),)
    sources = ip("192.0.2.7"), ip("198.51.100.7")
    ways = [trace(table, FACTS, Packet(each, ip("198.18.100.1"), Protocol.TCP, 80)) for each in sources]
    assert [(each.action, each.reason) for each in ways] == [
        (Action.ROUTE, Reason.PROXIED),
        (Action.DROP, Reason.SOURCE_NOT_ALLOWED),
    ]


def only(table: ForwardingTable) -> Frontend:
    (frontend,) = table.frontends()
    return frontend


def test_without_a_node_to_use_the_kernel_refuses_before_haproxy_accepts() -> None:
    table, (proxy,) = divided(asked(), healthy=())
    assert [each.reason for each in table.frontends()] == [Reason.NO_HEALTHY_NODE]
    assert proxy.usable == frozenset()


def test_other_protocols_stay_and_that_is_noted() -> None:
    table, proxies = divided(asked(ports=[TCP, UDP]))
    assert [(str(each.match), len(each.backends)) for each in table.frontends()] == [
        ("198.18.100.1:80/tcp", 0),
        ("198.18.100.1:53/udp", 2),
    ]
    assert len(proxies) == 1
    assert [note.message for note in table.notes[KEY]] == [
        'port "dns" (53) is forwarded without a PROXY header, which is for TCP'
    ]


def test_another_version_is_noted_and_forwarded_without() -> None:
    table, proxies = divided(asked("v1"))
    assert (len(table.services), proxies, table.verdicts) == (1, (), {KEY: Reason.UNSUPPORTED})


def test_the_configuration() -> None:
    _, proxies = divided(asked(ingress=("198.18.100.1", "2001:db8::1"), sessionAffinity="ClientIP"), healthy=("node-1",))
    text = render(proxies, "/run/x/socket")
    assert "    stats socket /run/x/socket mode 600 level admin expose-fd listeners\n" in text
    assert (
        text[text.index("\nlisten") :]
        == """
listen 198.18.100.1-80
    bind 198.18.100.1:80 transparent
    balance source
    hash-type consistent
    server 192.168.0.1-30080 192.168.0.1:30080 send-proxy-v2
    server 192.168.0.2-30080 192.168.0.2:30080 send-proxy-v2 disabled

listen 2001:db8::1-80
    bind 2001:db8::1:80 transparent
    balance source
    hash-type consistent
    server fd01::1-30080 fd01::1:30080 send-proxy-v2
"""
    )


def test_a_node_that_fails_is_a_command_and_no_new_configuration() -> None:
    _, before = divided(asked())
    _, after = divided(asked(), healthy=("node-2",))
    assert shape(before) == shape(after)
    assert commands(standings(before), standings(after)) == ["set server 198.18.100.1-80/192.168.0.1-30080 state maint"]
    assert commands(standings(after), standings(before)) == ["set server 198.18.100.1-80/192.168.0.1-30080 state ready"]
    assert commands(standings(after), standings(after)) == []
    _, more = divided(asked(), node("node-3", "192.168.0.3"))
    assert shape(more) != shape(before)


def test_names_of_objects_do_not_get_into_the_configuration() -> None:
    odd = {"name": "x\n    bind *:22", "port": 80, "nodePort": 30080}
    _, proxies = divided(asked(ports=[odd]), node("n\nevil", "192.168.0.9"))
    assert "evil" not in render(proxies, "/s")
    assert "*:22" not in render(proxies, "/s")
