"""Bytes of one HTTP/2 connection of a client <-> what the server told of each stream. Source: RFC 9113.

No I/O: `h2` keeps the states of the protocol, the driver (`http2_io`) moves the bytes. A GOAWAY is read here and never shown
to `h2`, which takes everything as closed from then on: the streams that the server still serves go on to their end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

import msgspec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

STREAM_WINDOW = 1 << 20
"""Bytes of one stream that are on their way or unread: a reader that is slow holds so much at most."""

MOST_STREAMS = 100
"""On one connection; a server may allow fewer. Its window has room for all of theirs, so that none holds up another."""

SILENT_SECONDS = 10.0
"""After so long without a byte the server is asked whether it lives."""

ANSWER_SECONDS = 15.0
"""For its answer: a dead server is noticed after 25 s (client-go: 30 + 15)."""

IDLE_SECONDS = 15.0
"""A connection without streams is kept so long (aiohttp: the same)."""

_HEAD = 9
_GOAWAY = 7


class Head(msgspec.Struct, frozen=True):
    """The answer's status and headers, whose names are in small letters."""

    stream: int
    status: int
    headers: dict[str, str]


class Data(msgspec.Struct, frozen=True):
    """A piece of the body. `cost` is what it takes of the windows until `Session.consumed` gives it back."""

    stream: int
    data: bytes
    cost: int


class End(msgspec.Struct, frozen=True):
    """No more of this stream: well, or else with what the server said. `unseen`: it did nothing for the request (8.7)."""

    stream: int
    error: str = ""
    unseen: bool = False


Told = Head | Data | End


class GoAway(msgspec.Struct, frozen=True):
    """The server takes no new streams, and goes on with those up to `last` (6.8)."""

    last: int
    code: int


class Farewells:
    """Cuts the GOAWAY frames out of what arrives. A frame may span any number of chunks."""

    def __init__(self) -> None:
        self._begun = b""
        self._passing = 0

    def feed(self, chunk: bytes) -> Iterator[bytes | GoAway]:
        """In order of arrival: bytes of other frames, and GOAWAYs."""
        data = self._begun + chunk
        self._begun = b""
        start, position = 0, self._passing
        while position + _HEAD <= len(data):
            end = position + _HEAD + int.from_bytes(data[position : position + 3], "big")
            if data[position + 3] == _GOAWAY:
                if start < position:
                    yield data[start:position]
                if end > len(data):
                    self._begun, self._passing = data[position:], 0
                    return
                body = data[position + _HEAD : end]
                yield GoAway(int.from_bytes(body[:4], "big") & 0x7FFFFFFF, int.from_bytes(body[4:8], "big"))
                start = end
            position = end
        whole = min(position, len(data))
        if start < whole:
            yield data[start:whole]
        self._begun, self._passing = data[whole:], max(position - len(data), 0)


class Session:
    """One connection. `outgoing` is what is to be sent after each call of another method."""

    def __init__(self) -> None:
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: H2Connection.DEFAULT_MAX_HEADER_LIST_SIZE,
            },
        )
        self._farewells = Farewells()
        self._open: set[int] = set()
        self.farewell = ""
        """The name of the GOAWAY's code, once there was one."""
        self.ready = False
        """Whether the server's settings have come: before, nothing is known of how many streams it allows."""
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(MOST_STREAMS * STREAM_WINDOW - self._h2.inbound_flow_control_window)

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def has_room(self) -> bool:
        """Whether one more stream may be opened."""
        allowed = min(MOST_STREAMS, self._h2.remote_settings.max_concurrent_streams)
        return self.ready and not self.farewell and self.streams < allowed

    def outgoing(self) -> bytes:
        return self._h2.data_to_send()

    def ask(self, headers: Sequence[tuple[str, str]]) -> int:
        """Opens a stream with a request without a body; its number. Only where `has_room`."""
        number = self._h2.get_next_available_stream_id()
        self._h2.send_headers(number, list(headers), end_stream=True)
        self._open.add(number)
        return number

    def feed(self, chunk: bytes) -> list[Told]:
        """What the server told. Raises ConnectionError where it does not speak the protocol: nothing more can come."""
        told: list[Told] = []
        try:
            for each in self._farewells.feed(chunk):
                if isinstance(each, GoAway):
                    told += self._on_goaway(each)
                else:
                    told += [heard for event in self._h2.receive_data(each) for heard in self._on_event(event)]
        except ProtocolError as error:
            raise ConnectionError(f"the server's HTTP/2 cannot be followed: {error}") from error
        return told

    def consumed(self, stream: int, cost: int) -> None:
        """That much was read: the server may send as much again."""
        if cost:
            self._h2.acknowledge_received_data(cost, stream)

    def drop(self, stream: int) -> None:
        """Nobody wants the rest of this stream; the others go on."""
        if stream in self._open:
            self._open.discard(stream)
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)

    def ping(self) -> None:
        self._h2.ping(b"moorage ")

    def _on_event(self, event: Event) -> Iterator[Told]:
        match event:
            case RemoteSettingsChanged():
                self.ready = True
            case ResponseReceived(stream_id=stream) if stream in self._open:
                headers = {bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in event.headers}
                yield Head(stream, int(headers[":status"]), headers)
            case DataReceived(stream_id=stream) if stream in self._open:
                yield Data(stream, event.data, event.flow_controlled_length)
            case StreamEnded(stream_id=stream) if stream in self._open:
                self._open.discard(stream)
                yield End(stream)
            case StreamReset(stream_id=stream) if stream in self._open:
                self._open.discard(stream)
                yield End(stream, _name(event.error_code), event.error_code == ErrorCodes.REFUSED_STREAM)

    def _on_goaway(self, goaway: GoAway) -> Iterator[Told]:
        self.farewell = _name(goaway.code)
        for stream in sorted(each for each in self._open if each > goaway.last):
            self._open.discard(stream)
            yield End(stream, self.farewell, unseen=True)


class Look(Enum):
    """What a look at the clock is followed by."""

    REST = "rest"
    ASK = "ask"
    DEAD = "dead"


class Pulse:
    """When to ask a silent server whether it lives, and when to take it for dead. Times in seconds."""

    def __init__(self, now: float) -> None:
        self._heard = now
        self._asked: float | None = None

    def heard(self, now: float) -> None:
        """Something came, whatever it was."""
        self._heard = now
        self._asked = None

    def look(self, now: float) -> Look:
        if self._asked is not None:
            return Look.DEAD if now >= self._asked + ANSWER_SECONDS else Look.REST
        if now < self._heard + SILENT_SECONDS:
            return Look.REST
        self._asked = now
        return Look.ASK

    def due(self, now: float) -> float:
        """When to look next. What is heard meanwhile makes nothing due earlier than that."""
        if self._asked is not None:
            return min(self._asked + ANSWER_SECONDS, now + SILENT_SECONDS)
        return self._heard + SILENT_SECONDS


def _name(code: int) -> str:
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"error {code}"
