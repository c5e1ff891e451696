"""BGPPeers + a node -> the BGP sessions that the node keeps, or why not.

Source: MetalLB `api/v1beta2/bgppeer_types.go`, `internal/config` (defaults, passwords), `internal/bgp/frr` (families).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address

import msgspec

from moorage.announce.bfd import BFDSettings, bfd_settings
from moorage.model.cluster import Node
from moorage.model.config import Secret
from moorage.model.durations import parse_duration
from moorage.model.meta import Key, Object
from moorage.model.metallb import BFDProfile, BGPPeer
from moorage.model.net import Address, Family, parse_address
from moorage.model.reason import Reason
from moorage.model.snapshot import Snapshot

BGP_PORT = 179
HOLD_SECONDS = 180
"""As FRR's default, which MetalLB leaves in place."""
BASIC_AUTH = "kubernetes.io/basic-auth"
LONGEST_PASSWORD = 80
"""Bytes of a TCP MD5 key (RFC 2385, Linux TCP_MD5SIG_MAXKEYLEN)."""

DYNAMIC_INTERNAL = "internal"


class Session(msgspec.Struct, frozen=True):
    """One BGP session, from this node. `peer_asn` None takes any; `hold` and `connect` are in seconds.

    `source` None is the address that the kernel would choose. `addresses` are the node's own by family: next hops of prefixes
    of a family that the session's interface has no address of.
    """

    peer: Key
    address: Address
    port: int
    source: Address | None
    local_asn: int
    peer_asn: int | None
    router_id: str
    families: tuple[Family, ...]
    hold: int = HOLD_SECONDS
    connect: float | None = None
    password: str = ""
    internal: bool = False
    multi_hop: bool = False
    graceful: bool = False
    bfd: BFDSettings | None = None
    addresses: Mapping[Family, Address] = {}


class Problem(msgspec.Struct, frozen=True):
    """What an object asks for and does not get."""

    about: Object
    reason: Reason
    message: str


class Sessions(msgspec.Struct, frozen=True):
    sessions: Mapping[Key, Session] = {}
    problems: tuple[Problem, ...] = ()


class _Unusable(Exception):
    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def peers_of(snapshot: Snapshot, node: Node) -> tuple[BGPPeer, ...]:
    """Those whose selectors match the node's labels (no selector: all nodes), in key order."""
    found = (each for _, each in sorted(snapshot.all(BGPPeer).items()))
    return tuple(
        each
        for each in found
        if not each.spec.node_selectors or any(one.matches(node.metadata.labels) for one in each.spec.node_selectors)
    )


def secret_key(peer: BGPPeer) -> Key | None:
    """The Secret with the peer's password; without a namespace it is in the peer's."""
    named = peer.spec.password_secret
    return Key(named.namespace or peer.metadata.namespace, named.name) if named.name else None


def sessions(snapshot: Snapshot, node: Node, secrets: Mapping[Key, Secret | None]) -> Sessions:
    """`secrets` holds those that `secret_key` names; None for one that is not there or may not be read. A peer whose Secret is
    not in it has no session yet.
    """
    made: dict[Key, Session] = {}
    problems = []
    for peer in peers_of(snapshot, node):
        key = secret_key(peer)
        if key is not None and key not in secrets:
            continue
        try:
            session = _session(snapshot, node, peer, secrets)
            _refuse_twin(session, made)
        except _Unusable as error:
            problems.append(Problem(peer, error.reason, str(error)))
            continue
        made[peer.key] = session
        problems += [Problem(peer, Reason.UNSUPPORTED, each) for each in _differences(peer, session)]
    return Sessions(made, tuple(problems))


def _session(snapshot: Snapshot, node: Node, peer: BGPPeer, secrets: Mapping[Key, Secret | None]) -> Session:
    spec = peer.spec
    if spec.interface:
        raise _Unusable(
            Reason.UNSUPPORTED, f"spec.interface {spec.interface}: sessions need spec.peerAddress, unnumbered ones are not made"
        )
    if spec.vrf:
        raise _Unusable(
            Reason.UNSUPPORTED, f"spec.vrf {spec.vrf}: sessions are made in the default VRF only; the peer gets none"
        )
    address = parse_address(spec.peer_address)
    if address is None:
        raise _Unusable(Reason.INVALID_OBJECT, f'spec.peerAddress "{spec.peer_address}" is no address')
    source = parse_address(spec.source_address) if spec.source_address else None
    if source is not None and source.version != address.version:
        raise _Unusable(
            Reason.INVALID_OBJECT, f"spec.sourceAddress {source} and spec.peerAddress {address} are of different families"
        )
    addresses = node_addresses(node)
    local_asn = spec.local_asn or spec.my_asn
    internal = spec.dynamic_asn == DYNAMIC_INTERNAL or spec.peer_asn == local_asn
    family = Family.of(address)
    return Session(
        peer=peer.key,
        address=address,
        port=spec.peer_port or BGP_PORT,
        source=source,
        local_asn=local_asn,
        peer_asn=local_asn if internal else spec.peer_asn or None,
        router_id=_router_id(peer, addresses, source),
        families=tuple(Family) if spec.dual_stack_address_family else (family,),
        hold=_hold(peer),
        connect=parse_duration(spec.connect_time) if spec.connect_time else None,
        password=_password(peer, secrets),
        internal=internal,
        multi_hop=spec.ebgp_multi_hop,
        graceful=spec.enable_graceful_restart,
        bfd=_bfd(snapshot, peer),
        addresses=addresses,
    )


def node_addresses(node: Node) -> Mapping[Family, Address]:
    """The first InternalIP of each family."""
    found: dict[Family, Address] = {}
    for each in node.status.addresses:
        address = parse_address(each.address) if each.type == "InternalIP" else None
        if address is not None:
            found.setdefault(Family.of(address), address)
    return found


def _router_id(peer: BGPPeer, addresses: Mapping[Family, Address], source: Address | None) -> str:
    """`spec.routerID`, else an IPv4 address of the node (RFC 4271: four octets, unique)."""
    if peer.spec.router_id:
        given = parse_address(peer.spec.router_id)
        if not isinstance(given, IPv4Address):
            raise _Unusable(Reason.INVALID_OBJECT, f"spec.routerID {peer.spec.router_id} is no IPv4 address")
        return str(given)
    own = source if isinstance(source, IPv4Address) else addresses.get(Family.IPV4)
    if own is None:
        raise _Unusable(Reason.INVALID_OBJECT, "the node has no IPv4 address to identify itself by: set spec.routerID")
    return str(own)


def _hold(peer: BGPPeer) -> int:
    """Whole seconds. Without a hold time it is three keepalives, as MetalLB has it."""
    hold = parse_duration(peer.spec.hold_time) if peer.spec.hold_time else None
    keepalive = parse_duration(peer.spec.keepalive_time) if peer.spec.keepalive_time else None
    if hold is None:
        hold = HOLD_SECONDS if keepalive is None else 3 * keepalive
    if hold and not 3 <= hold <= 65535:
        raise _Unusable(Reason.INVALID_OBJECT, f"spec.holdTime of {hold:g} s: must be 0 or from 3 to 65535 seconds")
    return int(hold)


def _password(peer: BGPPeer, secrets: Mapping[Key, Secret | None]) -> str:
    key = secret_key(peer)
    password = peer.spec.password if key is None else _from_secret(key, secrets.get(key))
    if len(password.encode()) > LONGEST_PASSWORD:
        raise _Unusable(Reason.INVALID_OBJECT, f"the password is longer than {LONGEST_PASSWORD} bytes")
    return password


def _from_secret(key: Key, secret: Secret | None) -> str:
    if secret is None:
        raise _Unusable(Reason.PASSWORD_MISSING, f"spec.passwordSecret: Secret {key} is not there, or may not be read")
    if secret.type != BASIC_AUTH:
        raise _Unusable(
            Reason.PASSWORD_MISSING, f"spec.passwordSecret: Secret {key} is of type {secret.type}, not {BASIC_AUTH}"
        )
    try:
        return base64.b64decode(secret.data["password"], validate=True).decode()
    except (KeyError, binascii.Error, UnicodeDecodeError) as error:
        raise _Unusable(Reason.PASSWORD_MISSING, f"spec.passwordSecret: Secret {key} has no text under password") from error


def _bfd(snapshot: Snapshot, peer: BGPPeer) -> BFDSettings | None:
    name = peer.spec.bfd_profile
    if not name:
        return None
    profile = snapshot.get(BFDProfile, Key(peer.metadata.namespace, name))
    if profile is None:
        raise _Unusable(Reason.INVALID_OBJECT, f"spec.bfdProfile: there is no BFDProfile {Key(peer.metadata.namespace, name)}")
    return bfd_settings(profile)


def _refuse_twin(session: Session, made: Mapping[Key, Session]) -> None:
    """Two sessions to one address and port would end each other (RFC 4271 section 6.8)."""
    for key, other in made.items():
        if (other.address, other.port) == (session.address, session.port):
            raise _Unusable(
                Reason.INVALID_OBJECT, f"BGPPeer {key} already has a session with {session.address} port {session.port}"
            )


def _differences(peer: BGPPeer, session: Session) -> Iterator[str]:
    """What the session does otherwise than the peer asks."""
    keepalive = parse_duration(peer.spec.keepalive_time) if peer.spec.keepalive_time else None
    if keepalive is not None and int(keepalive) != session.hold // 3:
        every = session.hold // 3
        yield f"spec.keepaliveTime {peer.spec.keepalive_time}: keepalives go out every third of the hold time, {every} s"
