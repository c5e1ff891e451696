from __future__ import annotations

import msgspec
import pytest

from moorage.model.net import Protocol
from moorage.table.port_ranges import ANNOTATION, port_ranges
from moorage.table.types import TableNote
from tests.table.objects import service

PORTS = [
    {"name": "a", "port": 1000, "protocol": "UDP"},
    {"name": "b", "port": 1000, "protocol": "TCP"},
    {"name": "c", "port": 5000, "protocol": "UDP"},
]


def read(text: str) -> tuple[dict[tuple[Protocol, int], int], list[str]]:
    of = service(ports=PORTS)
    annotated = msgspec.structs.replace(of, metadata=msgspec.structs.replace(of.metadata, annotations={ANNOTATION: text}))
    notes: list[TableNote] = []
    return dict(port_ranges(annotated, notes)), [note.message.partition("]: ")[2] for note in notes]


def test_without_the_annotation_there_is_none() -> None:
    assert port_ranges(service(ports=PORTS), []) == {}
    assert read("") == ({}, [])


def test_a_range_for_each_protocol() -> None:
    assert read("1000-1999/udp, 1000-1001") == ({(Protocol.UDP, 1000): 1999, (Protocol.TCP, 1000): 1001}, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1000", "is no range: write FIRST-LAST or FIRST-LAST/udp"),
        ("1000-1999/icmp", "is no range"),
        ("1999-1000/udp", "does not go from a lower to a higher port"),
        ("1000-1000/udp", "does not go from a lower to a higher port"),
        ("1000-70000/udp", "does not go from a lower to a higher port below 65536"),
        ("2000-3000/udp", "begins at no port of the Service: spec.ports needs port 2000/UDP"),
        ("1000-1999/udp,5000-5999/udp", "is a second range of UDP"),
    ],
)
def test_what_cannot_be_used_is_noted(text: str, said: str) -> None:
    _, (note,) = read(text)
    assert said in note
