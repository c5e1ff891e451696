"""Stories as values: the objects of a file, and what each machine does with which packets.

A story file holds manifests as a user or a controller writes them, and a last document `kind: Story`. Packets are written as

    SOURCE -> ADDRESS:PORT/protocol          an IPv6 destination is in brackets
    SOURCE ping ADDRESS
    process [SOURCE] ...                     sent by the machine itself, from its own address where none is given

and outcomes as `to 10.244.1.5:8080 (kept), ...` with whose address the backend sees, and shares where they differ;
`refused, REASON`, `dropped, REASON`, `answered`, `not a Service's`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from moorage.manifest.convert import decode
from moorage.manifest.read import read_documents
from moorage.model.kinds import KINDS
from moorage.model.meta import Object
from moorage.model.net import Protocol, parse_address
from moorage.table.trace import Action, Delivery, Packet, Verdict, trace
from moorage.table.types import ForwardingTable, NodeFacts

HERE = Path(__file__).parent
STORIES = sorted(path for path in HERE.glob("*.yaml") if path.name != "cluster.yaml")
_PACKET = re.compile(r"(process)?\s*(\S*) (?:-> \[?([0-9a-f.:]+?)\]?:(\d+)/(\w+)|ping ([0-9a-f.:]+))")


class Story(msgspec.Struct, forbid_unknown_fields=True):
    """`nodes`: node -> packet -> outcome, `edge` the same for the load balancer, given the `healthy` nodes.

    `verdicts`: Service -> the reasons that the nodes' tables note for it, in order; Services that are not named have none.
    """

    kind: str
    nodes: dict[str, dict[str, str]] = {}
    edge: dict[str, str] = {}
    healthy: list[str] = []
    verdicts: dict[str, list[str]] = {}


def read_story(path: Path) -> tuple[list[Object], Story]:
    """Its objects, and the Nodes that all stories happen on."""
    objects, (tree,) = _read(path)
    assert isinstance(tree, dict)
    return objects + _read(HERE / "cluster.yaml")[0], msgspec.convert(tree, Story)


def _read(path: Path) -> tuple[list[Object], list[Any]]:
    objects, rest = [], []
    for document in read_documents(path.read_text()):
        kind = next((each for each in KINDS if each.kind == document.tree["kind"]), None)
        if kind is None:
            rest.append(document.tree)
            continue
        decoded = decode(kind, document.tree)
        assert not decoded.unknown_fields, f"{path.name}:{document.line}: {decoded.unknown_fields}"
        objects.append(decoded.obj)
    return objects, rest


def packet(text: str, facts: NodeFacts) -> Packet:
    match = _PACKET.fullmatch(text)
    assert match is not None, f"not a packet: {text}"
    local, given, there, port, protocol, pinged = match.groups()
    destination = parse_address(there or pinged)
    assert destination is not None, text
    own = next((each for each in facts.addresses if each.version == destination.version), None)
    source = parse_address(given) if given else own
    assert source is not None, text
    return Packet(source, destination, Protocol(protocol.upper()) if protocol else None, int(port or 0), bool(local))


def outcome(verdict: Verdict) -> str:
    if verdict.action is Action.FORWARD:
        alike = len({each.share for each in verdict.deliveries}) == 1
        return "to " + ", ".join(_delivery(each) + ("" if alike else f" {each.share:.0%}") for each in verdict.deliveries)
    words = {Action.REJECT: "refused", Action.DROP: "dropped"}
    if verdict.action in words:
        return f"{words[verdict.action]}, {verdict.reason.value}"
    return "answered" if verdict.action is Action.ANSWER else "not a Service's"


def _delivery(delivery: Delivery) -> str:
    return f"{delivery.backend} ({delivery.source.value})"


def answers(table: ForwardingTable, facts: NodeFacts, asked: Mapping[str, str]) -> dict[str, str]:
    return {each: outcome(trace(table, facts, packet(each, facts))) for each in asked}
