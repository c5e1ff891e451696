from __future__ import annotations

from moorage.model.net import Protocol
from moorage.table.checked_ports import CheckedPort, checked_ports
from moorage.table.types import TableNote
from tests.table.objects import service


def test_ports_in_order_with_tcp_as_default() -> None:
    notes: list[TableNote] = []
    of = service(ports=[{"name": "a", "port": 1, "nodePort": 30000}, {"name": "b", "port": 65535, "protocol": "SCTP"}])
    assert list(checked_ports(of, notes)) == [
        CheckedPort("a", Protocol.TCP, 1, 30000),
        CheckedPort("b", Protocol.SCTP, 65535, 0),
    ]
    assert notes == []


def test_numbers_out_of_range() -> None:
    notes: list[TableNote] = []
    assert list(checked_ports(service(ports=[{"port": 0}, {"port": -1}, {"port": 1, "nodePort": -1}]), notes)) == []
    assert [note.message.partition(":")[0] for note in notes] == [
        "spec.ports[0].port",
        "spec.ports[1].port",
        "spec.ports[2].nodePort",
    ]
