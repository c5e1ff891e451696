"""Slices of a Service -> the backends of one port that a node uses, and for each of the others why not.

Source: KEP-1669 (terminating endpoints), `spec.internalTrafficPolicy` (KEP-2086), `spec.externalTrafficPolicy`; hints:
`topology.py`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

import msgspec

from moorage.model.net import Family, Protocol, parse_address
from moorage.model.reason import Reason
from moorage.model.slices import Endpoint, EndpointConditions, EndpointHints, EndpointPort, EndpointSlice
from moorage.table.topology import LEFT_OUT, Near, preferred
from moorage.table.types import Backend, TableNote


class State(enum.IntEnum):
    """How an endpoint stands; of two reports about the same address the lower counts."""

    READY = 0
    SERVING_WHILE_TERMINATING = 1
    UNREADY = 2

    @classmethod
    def of(cls, conditions: EndpointConditions) -> State:
        """An unknown `ready` or `serving` counts as true, an unknown `terminating` as false (upstream API comments)."""
        if conditions.ready is not False:
            return cls.READY
        if conditions.terminating and conditions.serving is not False:
            return cls.SERVING_WHILE_TERMINATING
        return cls.UNREADY


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """One endpoint of a Service port, used or not."""

    backend: Backend
    state: State
    hints: EndpointHints | None = None


class Candidates(msgspec.Struct, frozen=True):
    """All endpoints of a Service port in one family, sorted by address and port, each once. `notes` tell of unusable ones."""

    endpoints: tuple[Candidate, ...] = ()
    notes: tuple[TableNote, ...] = ()


class Selection(msgspec.Struct, frozen=True):
    """What a node uses. `reason` is FORWARDED, or without backends NO_READY_ENDPOINT or NO_LOCAL_ENDPOINT. `narrowed` is
    SAME_ZONE or SAME_NODE where hints leave out other ready endpoints.
    """

    backends: tuple[Backend, ...]
    reason: Reason
    narrowed: Reason | None = None


def candidates(slices: Iterable[EndpointSlice], family: Family, port_name: str, protocol: Protocol) -> Candidates:
    """Reads the slices of one Service: those of the family, the ports of that name and protocol."""
    found: dict[tuple[int, int], Candidate] = {}
    notes: list[TableNote] = []
    for each in slices:
        if each.address_type != family.value:
            continue
        for port in each.ports:
            if port.name == port_name and (port.protocol or Protocol.TCP.value) == protocol.value:
                notes += _read(each, port, family, found)
    return Candidates(tuple(found[key] for key in sorted(found)), tuple(notes))


_ANYWHERE = Near()


def select(known: Candidates, local_to: str | None = None, near: Near = _ANYWHERE) -> Selection:
    """Ready endpoints; without any, those that serve while they terminate. With `local_to`, only those of that node, and hints
    do not count; otherwise hints choose among the ready ones.

    NO_LOCAL_ENDPOINT means that other nodes have a usable endpoint, NO_READY_ENDPOINT that no node has.
    """
    reachable = [each for each in known.endpoints if local_to is None or each.backend.node == local_to]
    best = _best(reachable)
    mode = _mode(reachable, near) if local_to is None else None
    if mode is not None:
        ready = [each for each in reachable if each.state is best]
        hinted = tuple(each.backend for each in ready if near.hinted(each.hints, mode))
        return Selection(hinted, Reason.FORWARDED, mode if len(hinted) < len(ready) else None)
    if best is not State.UNREADY:
        return Selection(tuple(each.backend for each in reachable if each.state is best), Reason.FORWARDED)
    elsewhere = _best(known.endpoints) is not State.UNREADY
    return Selection((), Reason.NO_LOCAL_ENDPOINT if elsewhere else Reason.NO_READY_ENDPOINT)


def explain(known: Candidates, local_to: str | None = None, near: Near = _ANYWHERE) -> tuple[tuple[Backend, Reason], ...]:
    """Every candidate, and why `select` takes it (ENDPOINT_READY, ENDPOINT_TERMINATING_FALLBACK) or leaves it out."""
    best = _best([each for each in known.endpoints if local_to is None or each.backend.node == local_to])
    mode = _mode(known.endpoints, near) if local_to is None else None
    elsewhere = LEFT_OUT[mode] if mode is not None else Reason.ENDPOINT_READY
    found = []
    for each in known.endpoints:
        why = _why(each, best, local_to)
        left_out = why is Reason.ENDPOINT_READY and not near.hinted(each.hints, mode)
        found.append((each.backend, elsewhere if left_out else why))
    return tuple(found)


def _why(candidate: Candidate, best: State, local_to: str | None) -> Reason:
    if candidate.state is State.UNREADY:
        return Reason.ENDPOINT_NOT_READY
    if local_to is not None and candidate.backend.node != local_to:
        return Reason.ENDPOINT_NOT_LOCAL
    if candidate.state is State.READY:
        return Reason.ENDPOINT_READY
    return Reason.ENDPOINT_TERMINATING_FALLBACK if best is candidate.state else Reason.ENDPOINT_TERMINATING


def _mode(endpoints: Iterable[Candidate], near: Near) -> Reason | None:
    return preferred((each.hints for each in endpoints if each.state is State.READY), near)


def _best(endpoints: Iterable[Candidate]) -> State:
    return min((each.state for each in endpoints), default=State.UNREADY)


def _read(
    slice_: EndpointSlice, port: EndpointPort, family: Family, found: dict[tuple[int, int], Candidate]
) -> list[TableNote]:
    """Adds one port of one slice to `found`; an address that is there already keeps its better state."""
    if port.port is None or not 0 < port.port < 65536:
        said = "no port number" if port.port is None else f"port {port.port}, which is not between 1 and 65535"
        return [_note(slice_, f'its port "{port.name}" has {said}')]
    bad: list[Endpoint] = []
    wanted = IPv4Address if family is Family.IPV4 else IPv6Address
    number = port.port
    for endpoint in slice_.endpoints:
        address = parse_address(endpoint.addresses[0]) if endpoint.addresses else None
        if not isinstance(address, wanted):
            bad.append(endpoint)
            continue
        state = State.of(endpoint.conditions)
        key = (int(address), number)
        present = found.get(key)
        if present is None or state < present.state:
            found[key] = Candidate(Backend(address, number, endpoint.node_name or ""), state, endpoint.hints)
    if not bad:
        return []
    shown = bad[0].addresses[0] if bad[0].addresses else ""
    return [_note(slice_, f'{len(bad)} of its endpoints have no {family.value} address, the first says "{shown}"')]


def _note(slice_: EndpointSlice, message: str) -> TableNote:
    return TableNote(Reason.INVALID_OBJECT, f"EndpointSlice {slice_.key} is left out in part: {message}")
