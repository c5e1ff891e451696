"""`moorage.dev/port-ranges` of a Service -> the ranges that its ports stand for.

    moorage.dev/port-ranges: 10000-10999/udp        spec.ports has a UDP port 10000

Every port of the range is served as that port is; endpoints get the port that the client asked for, so `targetPort` does not
count. One range for each protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from moorage.model.net import Protocol
from moorage.model.reason import Reason
from moorage.model.service import Service
from moorage.table.types import TableNote

ANNOTATION = "moorage.dev/port-ranges"

_RANGE = re.compile(r"(\d{1,5})-(\d{1,5})(?:/(tcp|udp|sctp))?", re.IGNORECASE)


def port_ranges(service: Service, notes: list[TableNote]) -> Mapping[tuple[Protocol, int], int]:
    """Protocol and first port -> last port. What cannot be used is noted."""
    text = service.metadata.annotations.get(ANNOTATION)
    if not text:
        return {}
    ports = {(each.protocol or Protocol.TCP.value, each.port) for each in service.spec.ports}
    found: dict[tuple[Protocol, int], int] = {}
    for part in (each.strip() for each in text.split(",")):
        match = _RANGE.fullmatch(part)
        if match is None:
            notes.append(_note(f'"{part}" is no range: write FIRST-LAST or FIRST-LAST/udp'))
            continue
        first, last, protocol = int(match[1]), int(match[2]), Protocol((match[3] or "TCP").upper())
        if not 0 < first < last < 65536:
            notes.append(_note(f'"{part}" does not go from a lower to a higher port below 65536'))
        elif (protocol.value, first) not in ports:
            notes.append(_note(f'"{part}" begins at no port of the Service: spec.ports needs port {first}/{protocol.value}'))
        elif any(protocol is other for other, _ in found):
            notes.append(_note(f'"{part}" is a second range of {protocol.value}: there can be one for each protocol'))
        else:
            found[protocol, first] = last
    return found


def _note(message: str) -> TableNote:
    return TableNote(Reason.INVALID_OBJECT, f"metadata.annotations[{ANNOTATION}]: {message}")
