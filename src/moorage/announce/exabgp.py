"""A BGP session and its routes -> ExaBGP's configuration and commands; its lines -> what happened.

One ExaBGP process keeps one session. It reads commands from a pipe and answers each with a line, `done` or `error`, in order;
lines of JSON in between tell that the session is up or down, and which prefixes have been sent.

Source: ExaBGP 5 (`exabgp --help`, `etc/exabgp/examples`), RFC 4271, RFC 4724 (graceful restart), RFC 2385 (MD5).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

import msgspec

from moorage.announce.bgp_peers import Session
from moorage.announce.bgp_routes import Route
from moorage.model.net import Address, Family, Prefix

RESTART_SECONDS = 120
"""How long the peer keeps our routes while we restart, as FRR's default (RFC 4724 section 3)."""

ENVIRONMENT = {
    "exabgp_api_ack": "true",
    "exabgp_api_cli": "false",
    "exabgp_api_respawn": "false",
    "exabgp_daemon_user": "root",
    "exabgp_log_destination": "stderr",
    "exabgp_log_level": "WARNING",
}
"""The user is the one that starts it."""

_UNKNOWN_ASN = '"peer": None', '"peer": null'
"""What ExaBGP 5 writes where any autonomous system may answer is no JSON."""

_FAMILY = {Family.IPV4: "ipv4 unicast", Family.IPV6: "ipv6 unicast"}


class Opened(msgspec.Struct, frozen=True):
    """The peer has said what its autonomous system is. The session may come up now."""

    peer_asn: int


class Up(msgspec.Struct, frozen=True):
    """The session is established."""


class Down(msgspec.Struct, frozen=True):
    reason: str


class Sent(msgspec.Struct, frozen=True):
    """An UPDATE has gone out."""

    announced: tuple[Prefix, ...] = ()
    withdrawn: tuple[Prefix, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """To the oldest command that has none."""

    done: bool


Told = Opened | Up | Down | Sent | Answer


def configuration(session: Session, source: Address, commands: str, events: str) -> str:
    """The file. `commands` and `events` are the paths of named pipes, from and to us; `source` is the local address.

    End-of-RIB is sent by command: a peer that holds our routes over a restart drops those that have not been announced by then.
    """
    lines = [
        f"router-id {session.router_id};",
        f"local-address {source};",
        f"local-as {session.local_asn};",
        f"peer-as {'auto' if session.peer_asn is None else session.peer_asn};",
        f"hold-time {session.hold};",
        f"connect {session.port};",
        "manual-eor true;",
        "adj-rib-out true;",
        "adj-rib-in false;",
    ]
    if not session.internal and not session.multi_hop:
        lines.append("outgoing-ttl 1;")
    if session.password:
        coded = base64.b64encode(session.password.encode()).decode()
        lines += [f'md5-password "{coded}";', "md5-base64 true;"]
    if session.graceful:
        lines.append(f"capability {{ graceful-restart {RESTART_SECONDS}; }}")
    families = " ".join(f"{_FAMILY[each]};" for each in session.families)
    lines.append(f"family {{ {families} }}")
    lines.append("api { processes [ moorage ]; neighbor-changes; receive { parsed; open; } send { parsed; update; } }")
    body = "\n".join(f"  {each}" for each in lines)
    relay = f"""  run /bin/sh -c "exec 2>/dev/null; cat {commands} & exec cat >{events}";\n  encoder json;"""
    return f"process moorage {{\n{relay}\n}}\nneighbor {session.address} {{\n{body}\n}}\n"


def differences(
    before: Mapping[Prefix, Route], after: Mapping[Prefix, Route], next_hops: Mapping[Family, Address]
) -> tuple[str, ...]:
    """The commands that lead from some routes to others: what is new or altered first, so that traffic has a way throughout."""
    come = (route for prefix, route in after.items() if before.get(prefix) != route)
    gone = (route for prefix, route in before.items() if prefix not in after)
    return (*(_announce(each, next_hops) for each in come), *(f"withdraw route {_target(each, next_hops)}" for each in gone))


def end_of_rib(families: Iterable[Family]) -> tuple[str, ...]:
    """Says that everything has been announced (RFC 4724 section 2); sent after the routes that are waiting."""
    return tuple(f"announce eor {_FAMILY[each]}" for each in families)


def _target(route: Route, next_hops: Mapping[Family, Address]) -> str:
    return f"{route.prefix} next-hop {next_hops[Family.of(route.prefix)]}"


def _announce(route: Route, next_hops: Mapping[Family, Address]) -> str:
    words = [f"announce route {_target(route, next_hops)}"]
    if route.local_pref is not None:
        words.append(f"local-preference {route.local_pref}")
    if route.communities:
        words.append(f"community [ {' '.join(route.communities)} ]")
    if route.large:
        words.append(f"large-community [ {' '.join(route.large)} ]")
    return " ".join(words)


def complaint(lines: Iterable[str]) -> str:
    """What ExaBGP's log says, without its marks and its advice on environment files."""
    parts = (each.split(None, 1) for each in lines)
    said = (words[1] for words in parts if len(words) == 2 and words[0] != "advice" and words[1].strip("-"))
    return "; ".join(dict.fromkeys(each.strip() for each in said))


def read(line: str) -> Told | None:
    """What a line tells; None for what does not matter here."""
    text = line.strip()
    if text in ("done", "error"):
        return Answer(text == "done")
    try:
        told = msgspec.json.decode(text.replace(*_UNKNOWN_ASN), type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    if "answer" in told:
        return Answer(told["answer"] == "done") if told["answer"] in ("done", "error") else None
    neighbor = told.get("neighbor") or {}
    if told.get("type") == "state":
        return _state(neighbor)
    if told.get("type") == "open" and neighbor.get("direction") == "receive":
        return Opened(_asn(neighbor["open"]))
    update = (neighbor.get("message") or {}).get("update")
    if told.get("type") == "update" and neighbor.get("direction") == "send" and update:
        return Sent(tuple(_announced(update)), tuple(_withdrawn(update)))
    return None


def _asn(opened: Mapping[str, Any]) -> int:
    """That of the four-octet capability (RFC 6793), else of the message itself."""
    for each in opened["capabilities"].values():
        if each.get("name") == "asn4":
            return int(each["asn4"])
    return int(opened["asn"])


def _state(neighbor: Mapping[str, Any]) -> Told | None:
    if neighbor.get("state") == "up":
        return Up()
    if neighbor.get("state") == "down":
        return Down(str(neighbor.get("reason", "")))
    return None


def _announced(update: Mapping[str, Any]) -> Iterator[Prefix]:
    for by_next_hop in (update.get("announce") or {}).values():
        for entries in by_next_hop.values():
            yield from (ip_network(each["nlri"]) for each in entries if "nlri" in each)


def _withdrawn(update: Mapping[str, Any]) -> Iterator[Prefix]:
    for entries in (update.get("withdraw") or {}).values():
        yield from (ip_network(each["nlri"]) for each in entries if "nlri" in each)
