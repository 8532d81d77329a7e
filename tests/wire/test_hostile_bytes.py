"""Bytes that are meant to hurt, against a connection without a socket: nothing is kept, no crash.

Each test names the advisory or the thread in which such a thing was found, in some broker or
client.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest
from executed import lines_executed
from wire_stage import raw_frame, wire_in

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import DEFAULT_FRAME_MAX, FRAME_BODY, FRAME_HEADER, FRAME_METHOD
from amqpbroker.spec.errors import AMQPException, ConnectionException
from amqpbroker.spec.method import MalformedMethod, decode_method, encode_method
from amqpbroker.spec.properties import MalformedProperties, properties_of
from amqpbroker.spec.table import (
    ARGUMENT_FIELDS_MAX,
    TABLE_DEPTH_MAX,
    TABLE_FIELDS_MAX,
    Decimal,
    Field,
    Table,
)
from amqpbroker.testing.fuzz.values import counted, entry, nested
from amqpbroker.wire.connection import Connection, HandshakeAborted
from amqpbroker.wire.events import OversizeReceived, PublishReceived
from amqpbroker.wire.memo import PropertiesMemo
from amqpbroker.wire.states import State
from amqpbroker.wire.writer import method_frame

PUBLISH = method_frame(1, m.BasicPublish(0, "", "jobs"))


def header(body_bytes: int, properties: bytes = b"\0\0") -> bytes:
    return raw_frame(FRAME_HEADER, 1, b"\0\x3c\0\0" + body_bytes.to_bytes(8) + properties)


def body(payload: bytes) -> bytes:
    return raw_frame(FRAME_BODY, 1, payload)


def events_of(wire: Connection, data: bytes) -> list[object]:
    wire.receive(data)
    events: list[object] = []
    while (event := wire.next_event()) is not None:
        events.append(event)
    return events


def peak_bytes(call: Callable[[], object]) -> int:
    """The most that *call* has had allocated at any time."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# Frames


@pytest.mark.parametrize("state", [State.STARTING, State.TUNING, State.OPENING, State.OPEN])
def test_a_frame_that_announces_four_gigabytes_is_refused_by_its_head(state: State) -> None:
    """MockForge-amqp #751: a buffer of that size for each such head, before the login.

    Also streadway/amqp #197, in a client.
    """
    wire = wire_in(state)

    def receive() -> None:
        wire.receive(b"\1\0\0\xff\xff\xff\xff")
        with pytest.raises((ConnectionException, HandshakeAborted)):
            wire.next_event()

    assert peak_bytes(receive) < 100_000


@pytest.mark.parametrize("state", [State.STARTING, State.TUNING, State.OPENING])
def test_before_the_login_frames_are_small(state: State) -> None:
    """CVE-2026-57220, CVE-2026-67225, CVE-2026-67230, GHSA-6xpg-rfmh-grhq: only after it."""
    wire = wire_in(state)
    wire.receive(b"\1\0\0" + (8192 + 1).to_bytes(4))

    with pytest.raises((ConnectionException, HandshakeAborted)):
        wire.next_event()


def test_the_number_of_a_channel_costs_nothing() -> None:
    """GHSA-5fp7-wg2f-hhgp: a page for each number that was seen."""

    def name_them_all() -> None:
        for number in range(1, 65_536, 257):
            wire = wire_in(State.OPEN)
            wire.receive(method_frame(number, m.BasicQos()))
            with pytest.raises(ConnectionException, match=r"expected 'channel\.open'"):
                wire.next_event()

    assert peak_bytes(name_them_all) < 300_000


def test_a_heartbeat_on_a_channel_is_an_error() -> None:
    """lavinmq #1999."""
    wire = wire_in(State.OPEN, channels=(1,))
    wire.receive(b"\x08\0\1\0\0\0\0\xce")

    with pytest.raises(ConnectionException, match="UNEXPECTED_FRAME"):
        wire.next_event()


def test_a_corrupt_frame_is_a_frame_error() -> None:
    """lavinmq #1813: it ended the connection without a word."""
    wire = wire_in(State.OPEN, channels=(1,))
    wire.receive(raw_frame(FRAME_METHOD, 1, encode_method(m.BasicQos()), end=0))

    with pytest.raises(ConnectionException, match="FRAME_ERROR"):
        wire.next_event()


def test_a_reply_shows_what_came_and_the_log_does_not() -> None:
    """CVE-2026-67406: what was on the wire stood in logs and dumps."""
    secret = b"the secret of the message"
    wires = [
        (b"\3\0\1" + len(secret).to_bytes(4) + secret + b"\0", "invalid_frame_end_marker"),
        (raw_frame(7, 1, secret), "unknown_frame"),
        (raw_frame(FRAME_METHOD, 1, b"\0\x0a\0\x46" + secret), ""),
    ]
    for data, expected in wires:
        wire = wire_in(State.OPEN, channels=(1,))
        wire.receive(data)
        with pytest.raises(AMQPException) as caught:
            wire.next_event()
        numbers = ",".join(map(str, secret[:10]))
        shown = caught.value.log_text

        assert secret.decode()[:10] in caught.value.reply_text or numbers in caught.value.reply_text
        assert secret.decode()[:10] not in shown
        assert numbers not in shown
        assert expected in shown
        assert shown.startswith("FRAME_ERROR - ")


# Contents


def test_more_body_than_announced_is_never_kept() -> None:
    """CVE-2026-67235, GHSA-q8g2-pc7m-m3jw: body frames without end on one header.

    RabbitMQ 4.2 answers 501; 3.10.8 and 4.0.5 wait, as we do (S-061), for as long as it takes.
    """
    wire = wire_in(State.OPEN, channels=(1,))
    more = body(bytes(4000))

    def flood() -> None:
        assert events_of(wire, PUBLISH + header(1000) + more) == []
        for _ in range(1000):
            assert events_of(wire, more) == []

    assert peak_bytes(flood) < 200_000
    assert wire.arriving_bytes == 0
    wire.receive(PUBLISH)
    with pytest.raises(ConnectionException, match="UNEXPECTED_FRAME"):
        wire.next_event()


@pytest.mark.parametrize("announced", [2**64 - 1, 2**63, 2**63 - 1, 2**32, 10_001])
def test_a_body_that_is_too_large_is_not_kept_while_it_comes(announced: int) -> None:
    """A size of 2^63 and more was taken for a negative one, or reserved."""
    wire = wire_in(State.OPEN, channels=(1,), message_bytes_max=10_000)

    def receive() -> None:
        assert events_of(wire, PUBLISH + header(announced)) == []
        for _ in range(500):
            events = events_of(wire, body(bytes(4000)))
            assert not [event for event in events if isinstance(event, PublishReceived)]

    assert peak_bytes(receive) < 200_000
    assert wire.arriving_bytes == 0


def test_a_body_that_was_too_large_is_told_of_when_it_has_come() -> None:
    wire = wire_in(State.OPEN, channels=(1,), message_bytes_max=10_000)
    data = PUBLISH + header(10_001) + body(bytes(4000)) * 2 + body(bytes(2001))

    (event,) = events_of(wire, data)

    assert isinstance(event, OversizeReceived)
    assert event.body_bytes == 10_001


@pytest.mark.parametrize(
    "data",
    [header(0), body(b"x"), PUBLISH + body(b"x"), PUBLISH + PUBLISH, PUBLISH + header(5) + PUBLISH],
    ids=["a header", "a body", "a body first", "no content", "half a content"],
)
def test_contents_that_do_not_belong_end_the_connection(data: bytes) -> None:
    wire = wire_in(State.OPEN, channels=(1,))

    with pytest.raises(ConnectionException, match="UNEXPECTED_FRAME"):
        events_of(wire, data)


# Tables


def start_ok(raw_table: bytes) -> bytes:
    arguments = raw_table + b"\x05PLAIN" + counted(b"\0guest\0guest") + b"\x05en_US"
    return raw_frame(FRAME_METHOD, 0, m.ConnectionStartOk.raw_index + arguments)


@pytest.mark.parametrize("kind", [b"A", b"F"])
@pytest.mark.parametrize("levels", [TABLE_DEPTH_MAX + 1, 500, 800])
def test_nested_tables_before_the_login_crash_nothing(kind: bytes, levels: int) -> None:
    """pamqp 4.0.1: 500 arrays in each other, 2,546 bytes, are a RecursionError."""
    wire = wire_in(State.STARTING)
    wire.receive(start_ok(counted(entry(b"a", nested(levels, kind)))))

    with pytest.raises(HandshakeAborted):
        wire.next_event()


def declare_with(raw_table: bytes) -> bytes:
    return m.QueueDeclare.raw_index + b"\0\0\0\0" + raw_table


@pytest.mark.parametrize("raw", [b"t\1", b"V", b"S\0\0\0\0", b"F\0\0\0\0", b"b\0", b"d" + bytes(8)])
def test_no_frame_full_of_fields_costs_more_than_the_fields_allowed(raw: bytes) -> None:
    """pamqp 4.0.1: a frame of booleans takes 0.9 s, for each element copies the rest."""
    room = DEFAULT_FRAME_MAX - 100
    payload = declare_with(counted(entry(b"a", b"A" + counted(raw * (room // len(raw))))))

    def decode() -> None:
        with pytest.raises(MalformedMethod, match="too many fields"):
            decode_method(payload)

    assert lines_executed(decode) < 25 * ARGUMENT_FIELDS_MAX


@pytest.mark.parametrize("raw", [b"t\1", b"V", b"S\0\0\0\0", b"F\0\0\0\0", b"b\0", b"d" + bytes(8)])
def test_no_header_full_of_fields_costs_more_than_the_fields_allowed(raw: bytes) -> None:
    """The same in a message, whose headers may be more."""
    room = DEFAULT_FRAME_MAX - 100
    properties = b"\x20\0" + counted(entry(b"a", b"A" + counted(raw * (room // len(raw)))))

    def find() -> None:
        with pytest.raises(MalformedProperties, match="too many fields"):
            PropertiesMemo().find(properties)

    assert lines_executed(find) < 15 * TABLE_FIELDS_MAX


def test_arguments_may_have_as_many_fields_as_are_allowed() -> None:
    fields = counted(b"".join(entry(b"%d" % n, b"V") for n in range(ARGUMENT_FIELDS_MAX)))
    decoded = decode_method(declare_with(fields))

    assert len(decoded.arguments_by_name()["arguments"]) == ARGUMENT_FIELDS_MAX


@pytest.mark.parametrize(
    "raw_table",
    [
        counted(entry(b"a", b"S\x3b\x9a\xca\x00abc")),
        b"\x3b\x9a\xca\x00" + entry(b"a", b"t\1"),
        counted(entry(b"a", b"A\xff\xff\xff\xff")),
        counted(entry(b"a", b"F\x80\0\0\0")),
        counted(b"\xffabc"),
    ],
    ids=["string", "table", "array", "inner table", "name"],
)
def test_a_length_that_runs_past_its_frame_is_refused(raw_table: bytes) -> None:
    """pamqp 4.0.1 takes a string of 10^9 bytes of which three are there.

    Also amqp091-go GHSA-c5pq-fr2g-9jpf: a length that overflowed put frames into the stream.
    """
    with pytest.raises(MalformedMethod):
        decode_method(declare_with(raw_table))


ODD_HEADERS: Table = {
    "T": Field("T", 2**32), "T2": Field("T", 2**64 - 1), "f": Field("f", 0.5),
    "d": Field("d", 0.5), "b": Field("b", -1), "B": Field("B", 255), "s": Field("s", 1),
    "u": Field("u", 1), "I": Field("I", 1), "i": Field("i", 2**32 - 1), "l": Field("l", 1),
    "L": Field("L", 1), "D": Field("D", Decimal(2, 5)), "x": Field("x", b"\0"),
    "A": Field("A", []), "F": Field("F", {}), "V": Field("V", None),
}  # fmt: skip


def test_headers_travel_as_the_bytes_they_came_in() -> None:
    """pamqp 4.0.1 writes other kinds than it has read, and takes a late `T` for milliseconds."""
    raw = properties_of(headers=ODD_HEADERS).raw
    (event,) = events_of(wire_in(State.OPEN, channels=(1,)), PUBLISH + header(0, raw))

    assert isinstance(event, PublishReceived)
    assert raw in event.messages[0].content


@pytest.mark.parametrize("kind", [b"A", b"F"])
def test_headers_that_would_crash_a_client_are_not_passed_on(kind: bytes) -> None:
    """CVE-2026-69219, CVE-2026-69220: clients that recurse, or believe a length."""
    for raw_field in (nested(TABLE_DEPTH_MAX + 1, kind), kind + b"\xff\xff\xff\xff"):
        raw = b"\x20\0" + counted(entry(b"a", raw_field))
        with pytest.raises(ConnectionException, match="INTERNAL_ERROR"):
            events_of(wire_in(State.OPEN, channels=(1,)), PUBLISH + header(0, raw))
