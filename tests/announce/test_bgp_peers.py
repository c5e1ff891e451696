from __future__ import annotations

import base64
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest
from msgspec.structs import replace

from moorage.announce.bfd import BFDSettings
from moorage.announce.bgp_peers import Session, Sessions, peers_of, secret_key, sessions
from moorage.model.cluster import Node, NodeAddress, NodeStatus
from moorage.model.config import Secret
from moorage.model.meta import Key, Object, ObjectMeta
from moorage.model.metallb import BFDProfile, BFDProfileSpec, BGPPeer, BGPPeerSpec, LabelSelector, SecretReference
from moorage.model.net import Family
from moorage.model.reason import Reason
from moorage.model.snapshot import Snapshot
from tests.control.things import node

NAMESPACE = "metallb-system"


def worker(*addresses: str, **labels: str) -> Node:
    made = node("one")
    status = NodeStatus(addresses=tuple(NodeAddress(type="InternalIP", address=each) for each in addresses))
    return replace(made, metadata=replace(made.metadata, labels=labels), status=status)


ONE = worker("198.18.0.11", "2001:db8::11", rack="a")


def peer(name: str = "tor", **spec: object) -> BGPPeer:
    given: dict[str, Any] = {"my_asn": 64512, "peer_asn": 64513, "peer_address": "198.18.0.1", "peer_port": 179, **spec}
    return BGPPeer(metadata=ObjectMeta(name=name, namespace=NAMESPACE), spec=BGPPeerSpec(**given))


def secret(password: str = "s3cret", type_: str = "kubernetes.io/basic-auth") -> Secret:
    data = {"password": base64.b64encode(password.encode()).decode()}
    return Secret(metadata=ObjectMeta(name="tor", namespace=NAMESPACE), type=type_, data=data)


def made(*objects: Object, on: Node = ONE, secrets: Mapping[Key, Secret | None] = {}) -> Sessions:
    return sessions(Snapshot.of(objects), on, secrets)


def session(*objects: Object, on: Node = ONE, secrets: Mapping[Key, Secret | None] = {}) -> Session:
    (only,) = made(*objects, on=on, secrets=secrets).sessions.values()
    return only


def problem(*objects: Object, on: Node = ONE, secrets: Mapping[Key, Secret | None] = {}) -> tuple[Reason, str]:
    """That of the only peer, which has no session."""
    told = made(*objects, on=on, secrets=secrets)
    assert told.sessions == {}
    (only,) = told.problems
    return only.reason, only.message


def test_a_session_has_the_defaults_of_frr() -> None:
    assert session(peer()) == Session(
        peer=Key(NAMESPACE, "tor"),
        address=ip_address("198.18.0.1"),
        port=179,
        source=None,
        local_asn=64512,
        peer_asn=64513,
        router_id="198.18.0.11",
        families=(Family.IPV4,),
        hold=180,
        addresses={Family.IPV4: ip_address("198.18.0.11"), Family.IPV6: ip_address("2001:db8::11")},
    )


def test_a_session_is_as_its_peer_says() -> None:
    told = session(
        peer(
            peer_port=1790,
            source_address="198.18.0.12",
            router_id="10.0.0.1",
            hold_time="30s",
            keepalive_time="10s",
            connect_time="5s",
            password="word",
            ebgp_multi_hop=True,
            enable_graceful_restart=True,
            dual_stack_address_family=True,
            local_asn=65001,
        )
    )
    assert (told.port, told.source, told.router_id) == (1790, ip_address("198.18.0.12"), "10.0.0.1")
    assert (told.hold, told.connect, told.password) == (30, 5.0, "word")
    assert (told.multi_hop, told.graceful, told.families, told.local_asn) == (True, True, tuple(Family), 65001)


def test_peers_are_selected_by_labels_of_the_node() -> None:
    here, elsewhere = (LabelSelector(match_labels={"rack": each}) for each in ("a", "b"))
    snapshot = Snapshot.of(
        [peer("every"), peer("here", node_selectors=(elsewhere, here)), peer("not", node_selectors=(elsewhere,))]
    )
    assert [each.metadata.name for each in peers_of(snapshot, ONE)] == ["every", "here"]


@pytest.mark.parametrize(
    ("spec", "internal", "asn"),
    [
        ({"peer_asn": 64512}, True, 64512),
        ({"peer_asn": 64513}, False, 64513),
        ({"peer_asn": 0, "dynamic_asn": "internal"}, True, 64512),
        ({"peer_asn": 0, "dynamic_asn": "external"}, False, None),
        ({"peer_asn": 64513, "local_asn": 64513}, True, 64513),
    ],
)
def test_a_session_within_an_autonomous_system_is_internal(spec: dict[str, Any], internal: bool, asn: int | None) -> None:
    told = session(peer(**spec))
    assert (told.internal, told.peer_asn) == (internal, asn)


@pytest.mark.parametrize(
    ("spec", "hold"), [({}, 180), ({"hold_time": "90s"}, 90), ({"keepalive_time": "2s"}, 6), ({"hold_time": "0"}, 0)]
)
def test_hold_times(spec: dict[str, Any], hold: int) -> None:
    assert session(peer(**spec)).hold == hold


def test_a_router_id_is_an_ipv4_address() -> None:
    six = worker("2001:db8::11")
    assert session(peer(peer_address="2001:db8::1", router_id="10.0.0.1"), on=six).router_id == "10.0.0.1"
    assert session(peer(source_address="198.18.0.12")).router_id == "198.18.0.12"
    reason, message = problem(peer(peer_address="2001:db8::1"), on=six)
    assert reason is Reason.INVALID_OBJECT
    assert "set spec.routerID" in message


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"interface": "eth1", "peer_address": ""}, Reason.UNSUPPORTED, "unnumbered"),
        ({"vrf": "red"}, Reason.UNSUPPORTED, "default VRF"),
        ({"peer_address": "tor"}, Reason.INVALID_OBJECT, "no address"),
        ({"source_address": "2001:db8::11"}, Reason.INVALID_OBJECT, "different families"),
        ({"router_id": "2001:db8::11"}, Reason.INVALID_OBJECT, "no IPv4 address"),
        ({"hold_time": "2s"}, Reason.INVALID_OBJECT, "from 3 to 65535"),
        ({"password": "p" * 81}, Reason.INVALID_OBJECT, "longer than 80 bytes"),
        ({"bfd_profile": "fast"}, Reason.INVALID_OBJECT, "there is no BFDProfile metallb-system/fast"),
    ],
)
def test_what_cannot_be_is_told_with_its_field(spec: dict[str, Any], reason: Reason, words: str) -> None:
    told, message = problem(peer(**spec))
    assert told is reason
    assert words in message


def test_keepalives_of_another_length_are_told_and_do_not_stop_the_session() -> None:
    told = made(peer(hold_time="90s", keepalive_time="5s"))
    assert [each.hold for each in told.sessions.values()] == [90]
    assert [(each.reason, "every third of the hold time, 30 s" in each.message) for each in told.problems] == [
        (Reason.UNSUPPORTED, True)
    ]


def test_passwords_come_from_secrets_of_basic_authentication() -> None:
    with_secret = peer(password_secret=SecretReference(name="tor"))
    key = secret_key(with_secret)
    assert key == Key(NAMESPACE, "tor")
    assert secret_key(peer(password_secret=SecretReference(name="tor", namespace="other"))) == Key("other", "tor")
    assert session(with_secret, secrets={key: secret()}).password == "s3cret"
    assert made(with_secret) == Sessions()
    for given, words in (
        (None, "is not there, or may not be read"),
        (secret(type_="Opaque"), "is of type Opaque"),
        (replace(secret(), data={}), "no text under password"),
        (replace(secret(), data={"password": "???"}), "no text under password"),
    ):
        reason, message = problem(with_secret, secrets={key: given})
        assert reason is Reason.PASSWORD_MISSING
        assert words in message


def test_one_router_has_one_session() -> None:
    told = made(peer("a"), peer("b"), peer("c", peer_port=1790))
    assert sorted(key.name for key in told.sessions) == ["a", "c"]
    assert [each.message for each in told.problems] == [f"BGPPeer {NAMESPACE}/a already has a session with 198.18.0.1 port 179"]


def test_bfd_is_set_as_the_profile_says() -> None:
    spec = BFDProfileSpec(receive_interval=100, transmit_interval=200, detect_multiplier=5, passive_mode=True, minimum_ttl=250)
    profile = BFDProfile(metadata=ObjectMeta(name="fast", namespace=NAMESPACE), spec=spec)
    assert session(peer(bfd_profile="fast"), profile).bfd == BFDSettings("fast", 100, 200, 5, passive=True, minimum_ttl=250)
