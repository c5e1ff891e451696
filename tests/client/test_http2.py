"""The client's side of HTTP/2 against the server's side of h2, without a connection."""

from __future__ import annotations

from itertools import pairwise

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived, StreamReset
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st

from moorage.client.http2 import (
    ANSWER_SECONDS,
    MOST_STREAMS,
    SILENT_SECONDS,
    STREAM_WINDOW,
    Data,
    End,
    Farewells,
    GoAway,
    Head,
    Look,
    Pulse,
    Session,
    Told,
)

ASKED = [(":method", "GET"), (":scheme", "https"), (":authority", "api"), (":path", "/api/v1/pods?watch=1")]
OK = [(":status", "200"), ("content-type", "application/json")]


class Pair:
    """A session and the server that it talks to, whose settings it has."""

    def __init__(self, streams: int = 250) -> None:
        self.session = Session()
        self.server = H2Connection(H2Configuration(client_side=False))
        self.server.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        self.server.clear_outbound_data_buffer()
        self.server.initiate_connection()
        self.server.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        self.heard: list[object] = []
        self.exchange()

    def exchange(self) -> list[Told]:
        """Moves bytes until there are none; what the session was told."""
        told: list[Told] = []
        while True:
            out, back = self.session.outgoing(), self.server.data_to_send()
            if not out and not back:
                return told
            told += self.session.feed(back)
            self.heard += self.server.receive_data(out)

    def answered(self, data: bytes = b"") -> int:
        """A stream that has begun, with that body so far."""
        stream = self.session.ask(ASKED)
        self.exchange()
        self.server.send_headers(stream, OK)
        if data:
            self.server.send_data(stream, data)
        self.exchange()
        return stream

    def send(self, stream: int, size: int) -> int:
        """As much of it as the windows allow, in frames; how much that was."""
        sent = 0
        while sent < size and (room := min(self.server.local_flow_control_window(stream), 16384, size - sent)):
            self.server.send_data(stream, bytes(room))
            sent += room
        return sent


def goaway(last: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> bytes:
    return b"\0\0\x08\x07\0\0\0\0\0" + last.to_bytes(4, "big") + int(code).to_bytes(4, "big")


def test_a_request_and_its_answer() -> None:
    pair = Pair()
    stream = pair.session.ask([*ASKED, ("authorization", "Bearer t")])
    assert pair.exchange() == []
    (request,) = [each for each in pair.heard if isinstance(each, RequestReceived)]
    assert dict(request.headers) == {name.encode(): value.encode() for name, value in ASKED} | {b"authorization": b"Bearer t"}
    assert request.stream_ended is not None
    pair.server.send_headers(stream, OK)
    pair.server.send_data(stream, b"one", pad_length=9)
    pair.server.send_data(stream, b"two", end_stream=True)
    assert pair.exchange() == [
        Head(stream, 200, {":status": "200", "content-type": "application/json"}),
        Data(stream, b"one", 13),
        Data(stream, b"two", 3),
        End(stream),
    ]
    assert pair.session.streams == 0


def test_nothing_is_asked_before_the_server_has_said_how_many_may_be() -> None:
    assert not Session().has_room
    pair = Pair(streams=2)
    first = pair.answered()
    assert pair.session.has_room
    pair.answered()
    assert not pair.session.has_room
    pair.session.drop(first)
    assert pair.session.has_room


def test_no_more_streams_than_have_room_for_their_windows() -> None:
    pair = Pair(streams=1000)
    for _ in range(MOST_STREAMS):
        assert pair.session.has_room
        pair.session.ask(ASKED)
    assert not pair.session.has_room


def test_a_slow_reader_holds_up_itself_alone_and_goes_on_when_it_reads() -> None:
    pair = Pair()
    slow, quick = pair.answered(), pair.answered()
    assert pair.send(slow, 10 * STREAM_WINDOW) == STREAM_WINDOW
    unread = sum(each.cost for each in pair.exchange() if isinstance(each, Data))
    assert pair.send(slow, 1) == 0
    for _ in range(3 * MOST_STREAMS):  # more than the connection's window
        assert pair.send(quick, STREAM_WINDOW // 2) == STREAM_WINDOW // 2
        for told in pair.exchange():
            assert isinstance(told, Data)
            pair.session.consumed(quick, told.cost)
        pair.exchange()
    pair.session.consumed(slow, unread)
    pair.exchange()
    assert pair.send(slow, 10 * STREAM_WINDOW) == STREAM_WINDOW


def test_what_a_dropped_stream_took_of_the_connection_is_given_back() -> None:
    pair = Pair()
    for _ in range(2 * MOST_STREAMS):
        stream = pair.answered()
        assert pair.send(stream, STREAM_WINDOW) == STREAM_WINDOW
        late = pair.server.data_to_send()
        unread = sum(each.cost for each in pair.session.feed(late[: len(late) // 2]) if isinstance(each, Data))
        pair.session.consumed(stream, unread)
        pair.session.drop(stream)
        assert pair.session.feed(late[len(late) // 2 :]) == []
        pair.exchange()
    assert [each.error_code for each in pair.heard if isinstance(each, StreamReset)][:1] == [ErrorCodes.CANCEL]


def test_the_other_streams_outlive_a_dropped_one() -> None:
    pair = Pair()
    first, second = pair.answered(), pair.answered()
    pair.session.drop(first)
    pair.exchange()
    pair.server.send_data(second, b"on")
    assert pair.exchange() == [Data(second, b"on", 2)]


@pytest.mark.parametrize(
    ("code", "error", "unseen"),
    [(ErrorCodes.INTERNAL_ERROR, "INTERNAL_ERROR", False), (ErrorCodes.REFUSED_STREAM, "REFUSED_STREAM", True)],
)
def test_a_reset_ends_one_stream(code: ErrorCodes, error: str, unseen: bool) -> None:
    pair = Pair()
    first, second = pair.answered(), pair.answered()
    pair.server.reset_stream(first, code)
    pair.server.send_data(second, b"on")
    assert pair.exchange() == [End(first, error, unseen), Data(second, b"on", 2)]


def test_a_server_that_goes_away_serves_its_streams_to_their_end() -> None:
    pair = Pair()
    first = pair.answered()
    second = pair.session.ask(ASKED)
    assert pair.session.feed(goaway(2**31 - 1)) == []
    assert pair.session.feed(goaway(first)) == [End(second, "NO_ERROR", unseen=True)]
    assert not pair.session.has_room
    pair.server.send_data(first, b"last words", end_stream=True)
    assert pair.session.feed(pair.server.data_to_send()) == [Data(first, b"last words", 10), End(first)]
    assert (pair.session.streams, pair.session.farewell) == (0, "NO_ERROR")


def test_what_is_not_http2_ends_the_connection() -> None:
    with pytest.raises(ConnectionError, match="HTTP/2 cannot be followed"):
        Session().feed(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" + bytes(6_000_000))


FRAMES = st.lists(
    st.one_of(
        st.builds(GoAway, st.integers(0, 2**31 - 1), st.integers(0, 13)),
        st.builds(
            lambda kind, body: len(body).to_bytes(3, "big") + bytes([kind, 0, 0, 0, 0, 1]) + body,
            st.integers(0, 6),
            st.binary(),
        ),
    )
)


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 200)))
def test_goaways_are_cut_out_wherever_chunks_end(frames: list[bytes | GoAway], cuts: list[int]) -> None:
    stream = b"".join(goaway(each.last, ErrorCodes(each.code)) if isinstance(each, GoAway) else each for each in frames)
    farewells, found = Farewells(), []
    ends = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, end in pairwise(ends):
        found += list(farewells.feed(stream[start:end]))
    assert _joined(found) == _joined(frames)


def _joined(parts: list[bytes | GoAway]) -> list[bytes | GoAway]:
    """Bytes that follow each other as one."""
    joined: list[bytes | GoAway] = []
    for each in parts:
        if joined and isinstance(each, bytes) and isinstance(joined[-1], bytes):
            joined[-1] += each
        else:
            joined.append(each)
    return joined


def test_a_silent_server_is_asked_and_then_taken_for_dead() -> None:
    pulse = Pulse(0.0)
    assert (pulse.look(SILENT_SECONDS - 1), pulse.due(0.0)) == (Look.REST, SILENT_SECONDS)
    assert pulse.look(SILENT_SECONDS) is Look.ASK
    assert pulse.look(SILENT_SECONDS + 1) is Look.REST
    pulse.heard(SILENT_SECONDS + 2)
    assert pulse.look(2 * SILENT_SECONDS) is Look.REST
    asked = 2 * SILENT_SECONDS + 2
    assert pulse.look(asked) is Look.ASK
    assert pulse.due(asked) == asked + SILENT_SECONDS
    assert pulse.due(asked + SILENT_SECONDS) == asked + ANSWER_SECONDS
    assert pulse.look(asked + ANSWER_SECONDS) is Look.DEAD


def test_who_looks_late_asks_before_it_despairs() -> None:
    """A process that was stopped for an hour hears first what its server says."""
    assert Pulse(0.0).look(3600.0) is Look.ASK
