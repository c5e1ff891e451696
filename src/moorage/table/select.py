"""Slices of a Service -> the backends of one port that a node uses, and for each of the others why not.

Source: KEP-1669 (terminating endpoints), `spec.internalTrafficPolicy` (KEP-2086), `spec.externalTrafficPolicy`; hints:
`topology.py`; weights: `weights.py`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from moorage.model.net import Family, Protocol, pack_address
from moorage.model.reason import Reason
from moorage.model.slices import Endpoint, EndpointConditions, EndpointHints, EndpointPort, EndpointSlice
from moorage.table.topology import LEFT_OUT, Near, preferred
from moorage.table.types import Backend, Choice, TableNote
from moorage.table.weights import ANNOTATION, MOST, weighed, weight_of


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
    """All endpoints of a Service port in one family, sorted by address and port, each once.

    `special` are, by `Backend.endpoint`, those that are not just ready: most Services have none. `notes` tell of unusable ones.
    """

    backends: tuple[Backend, ...] = ()
    special: Mapping[bytes, tuple[State, EndpointHints | None]] = {}
    notes: tuple[TableNote, ...] = ()

    @property
    def endpoints(self) -> tuple[Candidate, ...]:
        return tuple(Candidate(each, *self.special.get(each.endpoint, _PLAIN)) for each in self.backends)


_PLAIN: tuple[State, EndpointHints | None] = (State.READY, None)


class Wanted(msgspec.Struct, frozen=True):
    """Which endpoints of a Service's slices: those of a family, of the ports of that name and protocol.

    `port` is the number that they are given in place of the slice's; 0 keeps the one that a client asks for.
    """

    family: Family
    port_name: str
    protocol: Protocol
    port: int | None = None


MOST_BACKENDS = 32768
"""Endpoints of one port and family. A datapath carries a backend's number in 15 bits."""


def candidates(slices: Iterable[EndpointSlice], wanted: Wanted, node_weights: Mapping[str, int] = {}) -> Candidates:
    """Reads the slices of one Service."""
    found: dict[bytes, Backend] = {}
    special: dict[bytes, tuple[State, EndpointHints | None]] = {}
    notes: list[TableNote] = []
    for each in slices:
        if each.address_type != wanted.family.value:
            continue
        for port in each.ports:
            if port.name == wanted.port_name and (port.protocol or Protocol.TCP.value) == wanted.protocol.value:
                notes += _read(each, _Port(port, wanted, node_weights), found, special)
    if len(found) > MOST_BACKENDS:
        message = f'{len(found)} endpoints of port "{wanted.port_name}": those beyond {MOST_BACKENDS} by address are left out'
        notes.append(TableNote(Reason.UNSUPPORTED, message))
    return Candidates(tuple([found[key] for key in sorted(found)[:MOST_BACKENDS]]), special, tuple(notes))


_ANYWHERE = Near()


def select(known: Candidates, local_to: str | None = None, near: Near = _ANYWHERE) -> Choice:
    """Ready endpoints; without any, those that serve while they terminate. With `local_to`, only those of that node, and hints
    do not count; otherwise hints choose among the ready ones.

    NO_LOCAL_ENDPOINT means that other nodes have a usable endpoint, NO_READY_ENDPOINT that no node has.
    """
    if not known.special:
        return _among_ready(known.backends, local_to)
    reachable = known.endpoints
    if local_to is not None:
        reachable = tuple(each for each in reachable if each.backend.node == local_to)
    best = _best(reachable)
    mode = _mode(reachable, near) if local_to is None else None
    usable = [each for each in reachable if each.state is best]
    if mode is not None:
        hinted = [each.backend for each in usable if near.hinted(each.hints, mode)]
        return Choice(weighed(tuple(hinted)), Reason.FORWARDED, mode if len(hinted) < len(usable) else None)
    if best is not State.UNREADY:
        return Choice(weighed(tuple([each.backend for each in usable])), Reason.FORWARDED)
    elsewhere = _best(known.endpoints) is not State.UNREADY
    return Choice((), Reason.NO_LOCAL_ENDPOINT if elsewhere else Reason.NO_READY_ENDPOINT)


def _among_ready(backends: tuple[Backend, ...], local_to: str | None) -> Choice:
    usable = backends if local_to is None else tuple([each for each in backends if each.node == local_to])
    if usable:
        return Choice(weighed(usable))
    return Choice((), Reason.NO_LOCAL_ENDPOINT if backends else Reason.NO_READY_ENDPOINT)


def explain(known: Candidates, local_to: str | None = None, near: Near = _ANYWHERE) -> tuple[tuple[Backend, Reason], ...]:
    """Every candidate, and why `select` takes it (ENDPOINT_READY, ENDPOINT_TERMINATING_FALLBACK) or leaves it out."""
    best = _best([each for each in known.endpoints if local_to is None or each.backend.node == local_to])
    mode = _mode(known.endpoints, near) if local_to is None else None
    elsewhere = LEFT_OUT[mode] if mode is not None else Reason.ENDPOINT_READY
    chosen = set(select(known, local_to, near).backends)
    found = []
    for each in known.endpoints:
        why = _why(each, best, local_to)
        if why is Reason.ENDPOINT_READY and not near.hinted(each.hints, mode):
            why = elsewhere
        elif why in USED and each.backend not in chosen:
            why = Reason.ENDPOINT_WEIGHT_ZERO
        found.append((each.backend, why))
    return tuple(found)


USED = (Reason.ENDPOINT_READY, Reason.ENDPOINT_TERMINATING_FALLBACK)
"""The reasons of endpoints that `select` takes."""


def ready_on(known: Candidates, node: str) -> frozenset[bytes]:
    """The addresses of the ready endpoints on a node: what a load balancer asks a `healthCheckNodePort` for."""
    here = (each for each in known.endpoints if each.state is State.READY and each.backend.node == node)
    return frozenset(each.backend.endpoint[:-2] for each in here)


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


class _Port(NamedTuple):
    """One port of a slice, and what is asked about it."""

    port: EndpointPort
    wanted: Wanted
    node_weights: Mapping[str, int]


def _read(
    slice_: EndpointSlice,
    asked: _Port,
    found: dict[bytes, Backend],
    special: dict[bytes, tuple[State, EndpointHints | None]],
) -> list[TableNote]:
    """Adds one port of one slice; an address that is there already keeps its better state."""
    port, wanted, node_weights = asked
    number = port.port if wanted.port is None else wanted.port
    if number is None or (wanted.port is None and not 0 < number < 65536):
        said = "no port number" if number is None else f"port {number}, which is not between 1 and 65535"
        return [_note(slice_, f'its port "{port.name}" has {said}')]
    said_weight = weight_of(slice_)
    weight = 1 if said_weight is None else said_weight
    suffix = number.to_bytes(2, "big")
    bad: list[Endpoint] = []
    conditions, state = None, State.READY
    for endpoint in slice_.endpoints:
        packed = pack_address(endpoint.addresses[0], wanted.family) if endpoint.addresses else None
        if packed is None:
            bad.append(endpoint)
            continue
        if endpoint.conditions is not conditions:  # equal ones are mostly one object
            conditions, state = endpoint.conditions, State.of(endpoint.conditions)
        key = packed + suffix
        if key in found and state >= special.get(key, _PLAIN)[0]:
            continue
        node = endpoint.node_name or ""
        found[key] = Backend(key, node, weight * node_weights.get(node, 1) if node_weights else weight)
        if state is not State.READY or endpoint.hints is not None:
            special[key] = state, endpoint.hints
        else:
            special.pop(key, None)
    return _notes(slice_, wanted.family, bad, said_weight)


def _notes(slice_: EndpointSlice, family: Family, bad: list[Endpoint], weight: int | None) -> list[TableNote]:
    notes = []
    if bad:
        shown = bad[0].addresses[0] if bad[0].addresses else ""
        notes.append(_note(slice_, f'{len(bad)} of its endpoints have no {family.value} address, the first says "{shown}"'))
    if weight is None:
        text = slice_.metadata.annotations[ANNOTATION]
        notes.append(_note(slice_, f'its annotation {ANNOTATION} is "{text}", which is no whole number from 0 to {MOST}'))
    return notes


def _note(slice_: EndpointSlice, message: str) -> TableNote:
    return TableNote(Reason.INVALID_OBJECT, f"EndpointSlice {slice_.key} is left out in part: {message}")
