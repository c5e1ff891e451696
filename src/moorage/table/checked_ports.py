"""`spec.ports` of a Service -> the usable ones; what is wrong with the others is noted."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from moorage.model.net import Protocol
from moorage.model.reason import Reason
from moorage.model.service import Service, ServicePort
from moorage.table.port_ranges import port_ranges
from moorage.table.types import TableNote


class CheckedPort(msgspec.Struct, frozen=True):
    """A port whose numbers and protocol can be used. `node_port` 0 means not allocated; `last` ends a range, 0 for one port."""

    name: str
    protocol: Protocol
    port: int
    node_port: int
    last: int = 0


def checked_ports(service: Service, notes: list[TableNote]) -> Iterator[CheckedPort]:
    """In the order of the object. An absent protocol is TCP."""
    ranges = port_ranges(service, notes)
    for index, port in enumerate(service.spec.ports):
        problem = _problem(port)
        if problem is None:
            protocol = Protocol(port.protocol or Protocol.TCP.value)
            yield CheckedPort(port.name, protocol, port.port, port.node_port, ranges.get((protocol, port.port), 0))
        else:
            notes.append(TableNote(Reason.INVALID_OBJECT, f"spec.ports[{index}].{problem}"))


def _problem(port: ServicePort) -> str | None:
    if port.protocol and port.protocol not in Protocol.__members__:
        return f'protocol: "{port.protocol}" is none of TCP, UDP, SCTP'
    if not 0 < port.port < 65536:
        return f"port: {port.port} is not between 1 and 65535"
    if not 0 <= port.node_port < 65536:
        return f"nodePort: {port.node_port} is not between 1 and 65535"
    return None
