from __future__ import annotations

from collections.abc import Sequence

import pytest
from wire_stage import CHANNEL_MAX, FRAME_MAX, events_of, outcome, raw_frame, sample_of, wire_in

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.errors import ConnectionException
from amqpbroker.spec.message import Message, encode_content, encode_header
from amqpbroker.spec.method import METHODS, Method, encode_method
from amqpbroker.spec.properties import NO_PROPERTIES, properties_of
from amqpbroker.wire.connection import PUBLISHES_MAX, Connection
from amqpbroker.wire.events import (
    AcksReceived,
    Event,
    HeaderReceived,
    HeaderRefused,
    MethodReceived,
    OversizeReceived,
    PublishReceived,
)
from amqpbroker.wire.frames import FramingLost
from amqpbroker.wire.limits import WireLimits
from amqpbroker.wire.states import State
from amqpbroker.wire.writer import HEARTBEAT, method_frame

MALFORMED_QOS = raw_frame(1, 1, m.BasicQos.raw_index + b"\x00")
UNKNOWN_METHOD = raw_frame(1, 1, b"\x00\x3c\x03\xe7")
NO_METHOD = raw_frame(1, 1, b"\x00\x3c")
BAD_TEXT = method_frame(1, m.QueuePurge(queue="\udcff"))


def publish(body: bytes = b"abc", *, key: str = "k", channel_number: int = 1) -> bytes:
    return (
        method_frame(channel_number, m.BasicPublish(exchange="", routing_key=key))
        + encode_header(channel_number, len(body), NO_PROPERTIES.raw)
        + (raw_frame(3, channel_number, body) if body else b"")
    )


def runs_of(wire: Connection, *pieces: bytes) -> list[list[bytes]]:
    """The bodies of the messages, in the runs in which they are told."""
    events = events_of(wire, *pieces)
    assert all(isinstance(event, PublishReceived) for event in events)
    return [
        [message.body for message in event.messages]
        for event in events
        if isinstance(event, PublishReceived)
    ]


@pytest.mark.parametrize("raw", [PROTOCOL_HEADER, b"AMQP\x01\x01\x00\x09"])
def test_a_client_that_speaks_0_9_1_may_start(raw: bytes) -> None:
    wire = wire_in(State.HEADER)

    assert events_of(wire, raw[:7]) == []
    assert events_of(wire, raw[7:]) == [HeaderReceived()]
    assert wire.state is State.STARTING


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (b"AMQP\x00\x00\x09\x00", PROTOCOL_HEADER),
        (b"AMQP\x00\x00\x0a\x00", PROTOCOL_HEADER),
        (b"AMQP\x00\x00\x08\x01", b"AMQP\x03\x01\x00\x00"),
        (b"AMQP\x01\x01\x08\x00", b"AMQP\x03\x01\x00\x00"),
        (b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00"),
        (b"GET / HT", b"AMQP\x03\x01\x00\x00"),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00", b"AMQP\x03\x01\x00\x00"),
    ],
)
def test_a_client_that_speaks_something_else_is_told_what_we_speak(
    raw: bytes, answer: bytes
) -> None:
    """RabbitMQ 4.0's choice (S-015)."""
    wire = wire_in(State.HEADER)

    assert events_of(wire, raw, b"and more") == [HeaderRefused(answer, raw[:8])]
    assert wire.state is State.CLOSED


def test_what_was_chosen_in_tune_ok_holds() -> None:
    wire = wire_in(State.OPEN)

    assert (wire.frame_max, wire.channel_max, wire.heartbeat_seconds) == (FRAME_MAX, CHANNEL_MAX, 7)


@pytest.mark.parametrize(
    ("channel_max", "frame_max", "expected"),
    [
        (2047, 131072, "MethodReceived"),
        (1, 4096, "MethodReceived"),
        (2047, 4095, "silence"),
        (2047, 131073, "silence"),
        (2047, 0, "silence"),
        (2048, 131072, "silence"),
        (0, 131072, "silence"),
    ],
)
def test_limits_outside_of_what_was_proposed_are_refused(
    channel_max: int, frame_max: int, expected: str
) -> None:
    wire = wire_in(State.TUNING)

    assert outcome(wire, method_frame(0, m.ConnectionTuneOk(channel_max, frame_max))) == expected


@pytest.mark.parametrize("size", [4097, 131072])
def test_a_frame_that_is_larger_than_negotiated_is_refused(size: int) -> None:
    wire = wire_in(State.OPEN)

    with pytest.raises(FramingLost):
        events_of(wire, raw_frame(3, 1, bytes(size)))
    assert outcome(wire_in(State.STARTING), raw_frame(1, 0, bytes(4097))) == "silence"


@pytest.mark.parametrize("state", [State.STARTING, State.OPENING, State.OPEN, State.CLOSING])
def test_a_heartbeat_means_nothing_by_itself(state: State) -> None:
    wire = wire_in(state)

    assert outcome(wire, HEARTBEAT * 3) == "nothing"
    assert wire.state is state


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (raw_frame(8, 1, b""), "505 UNEXPECTED_FRAME - type 8, all octets = <<>> [0.0]"),
        (raw_frame(2, 0, b"\x07"), r'505 UNEXPECTED_FRAME - type 2, all octets = <<7>> [0.0]'),
        (raw_frame(3, 0, b"abc"), '505 UNEXPECTED_FRAME - type 3, all octets = <<"abc">> [0.0]'),
        (raw_frame(4, 1, b""), "501 FRAME_ERROR - type 4, all octets = <<>>: unknown_frame [0.0]"),
        (raw_frame(2, 2, b"abc"), "505 UNEXPECTED_FRAME - expected method frame, got non method"
         " frame instead [0.0]"),
        (raw_frame(3, 1, b"abc"), "505 UNEXPECTED_FRAME - expected method frame, got non method"
         " frame instead [0.0]"),
        (method_frame(2, m.BasicGet(queue="q")),
         "504 CHANNEL_ERROR - expected 'channel.open' [60.70]"),
        (publish(channel_number=2), "504 CHANNEL_ERROR - expected 'channel.open' [60.40]"),
        (method_frame(2, m.BasicAck(1)), "504 CHANNEL_ERROR - expected 'channel.open' [60.80]"),
        (method_frame(1, m.ChannelOpen()),
         "504 CHANNEL_ERROR - second 'channel.open' seen [20.10]"),
        (UNKNOWN_METHOD, "dropped"),
        (raw_frame(1, 0, b"\x00\x00\x00\x00"), "dropped"),
        (NO_METHOD, '501 FRAME_ERROR - type 1, all octets = <<0,60>>: unknown_frame [0.0]'),
        (MALFORMED_QOS, "501 FRAME_ERROR - cannot decode <<0>> [60.10]"),
        (raw_frame(1, 0, m.ConnectionClose.raw_index), "541 INTERNAL_ERROR [0.0]"),
        (BAD_TEXT, "501 FRAME_ERROR - Malformed UTF-8 in shortstr [0.0]"),
    ],
)  # fmt: skip
def test_a_mistake_on_an_open_connection_is_told_with_rabbitmqs_words(
    raw: bytes, expected: str
) -> None:
    assert outcome(wire_in(State.OPEN, channels=(1,)), raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        raw_frame(1, 0, b"\x00\x3c\x03\xe7"),
        raw_frame(1, 0, b"\x00\x3c"),
        raw_frame(1, 0, m.ConnectionStartOk.raw_index),
        method_frame(0, m.ConnectionOpen("\udcff")),
        method_frame(1, m.ChannelOpen()),
        raw_frame(2, 0, b""),
        raw_frame(4, 0, b""),
        raw_frame(1, 0, b"", end=0),
    ],
)
def test_a_mistake_in_the_handshake_is_not_told(raw: bytes) -> None:
    """The peer may not even speak AMQP (S-024)."""
    assert outcome(wire_in(State.STARTING), raw) == "silence"


CLIENT_METHODS = (
    "channel.open channel.flow channel.close access.request exchange.declare exchange.delete"
    " exchange.bind exchange.unbind queue.declare queue.bind queue.purge queue.delete queue.unbind"
    " basic.qos basic.consume basic.cancel basic.get basic.ack basic.reject basic.recover-async"
    " basic.recover basic.nack confirm.select tx.select tx.commit tx.rollback"
).split()


def on_channel(method_class: type[Method]) -> str:
    """What a method, with all that belongs to it, leads to on a channel."""
    wire = wire_in(State.OPEN, channels=() if method_class is m.ChannelOpen else (1,))
    return outcome(wire, method_frame(1, sample_of(method_class)))


def test_on_an_open_channel_a_client_may_send_its_own_methods_and_no_others() -> None:
    expected = {
        one.name: "AcksReceived" if one is m.BasicAck
        else "MethodReceived" if one.name in CLIENT_METHODS
        else "nothing" if one is m.BasicPublish  # its content is still to come
        else f"503 COMMAND_INVALID - unimplemented method [{one.class_id}.{one.method_id}]"
        for one in METHODS.values()
    }  # fmt: skip

    assert {one.name: on_channel(one) for one in METHODS.values()} == expected


def test_as_many_channels_may_be_open_as_were_negotiated() -> None:
    wire = wire_in(State.OPEN, channels=(1, 7, 65535))

    assert outcome(wire, method_frame(2, m.ChannelOpen())) == (
        "530 NOT_ALLOWED - number of channels opened (3) has reached the negotiated channel_max (3)"
        " [0.0]"
    )


def test_a_channel_that_was_closed_may_be_opened_again() -> None:
    wire = wire_in(State.OPEN, channels=(1, 2, 3))
    events = events_of(
        wire, method_frame(2, m.ChannelClose(200)), method_frame(2, m.ChannelOpen()), publish()
    )

    assert [event.channel_number for event in events if isinstance(event, MethodReceived)] == [2, 2]
    assert isinstance(events[-1], PublishReceived)


def test_a_closing_channel_hears_nothing_but_the_end() -> None:
    """What was under way comes to its end unheard (S-008 to S-010)."""
    wire = wire_in(State.OPEN, channels=(1, 2))
    assert events_of(wire, publish()[:-5]) == []
    wire.closing_channel(1)

    assert (
        events_of(
            wire,
            publish()[-5:],
            publish(b""),
            publish(b"again"),
            method_frame(1, m.BasicAck(1)),
            method_frame(1, m.QueueDeclare(queue="q")),
            method_frame(1, m.BasicDeliver("t", 1, False, "", "")),
        )
        == []
    )
    assert outcome(wire, publish(channel_number=2)) == "PublishReceived"

    close = m.ChannelClose(200, "", 0, 0)
    assert events_of(wire, method_frame(1, close)) == [MethodReceived(1, close)]
    assert events_of(wire, method_frame(1, m.ChannelCloseOk())) == []
    assert outcome(wire, method_frame(1, m.ChannelOpen())) == "MethodReceived"
    assert outcome(wire, publish()) == "PublishReceived"


def test_a_closing_channel_is_not_spared_a_mistake_of_the_connection() -> None:
    wire = wire_in(State.OPEN, channels=(1,))
    wire.closing_channel(1)

    assert outcome(wire, method_frame(1, m.ChannelOpen())).startswith("504 ")
    assert outcome(wire, MALFORMED_QOS).startswith("501 ")


def test_a_closing_connection_hears_nothing_but_the_end() -> None:
    wire = wire_in(State.OPEN, channels=(1,))
    assert events_of(wire, publish(), publish()) != []
    wire.closing()

    assert outcome(wire, publish(), UNKNOWN_METHOD, MALFORMED_QOS) == "nothing"
    assert outcome(wire, method_frame(0, m.ConnectionClose(200))) == "MethodReceived"
    assert outcome(wire, method_frame(0, m.ConnectionCloseOk()), publish()) == "MethodReceived"
    assert wire.state is State.CLOSED


def test_what_stands_behind_the_end_means_nothing() -> None:
    wire = wire_in(State.OPEN, channels=(1,))
    events = events_of(wire, method_frame(0, m.ConnectionClose(200)), publish(), b"garbage" * 10)

    assert [type(event) for event in events] == [MethodReceived]


def test_what_stands_behind_a_mistake_can_still_be_read() -> None:
    """The client's own connection.close may be among it."""
    wire = wire_in(State.OPEN, channels=(1,))
    close = method_frame(0, m.ConnectionClose(200))
    with pytest.raises(ConnectionException):
        events_of(wire, method_frame(9, m.ConfirmSelect()), close)
    wire.closing()

    assert outcome(wire) == "MethodReceived"


def test_messages_that_were_published_alike_are_told_in_runs() -> None:
    wire = wire_in(State.OPEN, channels=(1, 2))

    assert runs_of(wire, publish(b"1"), publish(b"2"), publish(b""), publish(b"333")) == [
        [b"1"], [b"2", b"", b"333"],
    ]  # fmt: skip
    assert runs_of(wire, publish(b"4"), publish(b"5", key="other"), publish(b"6")) == [
        [b"4"], [b"5"], [b"6"],
    ]  # fmt: skip
    assert runs_of(wire, publish(b"7"), publish(b"8", channel_number=2), publish(b"9")) == [
        [b"7"], [b"8"], [b"9"],
    ]  # fmt: skip


def test_a_run_counts_the_bytes_of_its_contents() -> None:
    wire = wire_in(State.OPEN, channels=(1,))
    events = events_of(wire, *[publish(b"abc")] * 4)

    counted = [event.content_bytes for event in events if isinstance(event, PublishReceived)]
    content_bytes = len(encode_header(1, 3, b"\0\0")) + 3 + 8
    assert counted == [content_bytes, 3 * content_bytes]


def test_a_known_publish_in_the_middle_of_a_message_is_a_mistake_like_any_other() -> None:
    wire = wire_in(State.OPEN, channels=(1,))
    assert events_of(wire, publish(), publish()[:-5]) != []

    assert outcome(wire, publish()[-5:], publish()) == "PublishReceived"
    method_only = method_frame(1, m.BasicPublish(exchange="", routing_key="k"))
    assert outcome(wire, method_only, publish()).startswith("505 ")


def test_acks_in_a_row_are_told_together() -> None:
    wire = wire_in(State.OPEN, channels=(1, 2))
    raw = [method_frame(1, m.BasicAck(tag, tag == 2)) for tag in (1, 2, 3)]

    assert events_of(wire, *raw, method_frame(2, m.BasicAck(9)), raw[0][:-1]) == [
        AcksReceived(1, [(1, False), (2, True), (3, False)]),
        AcksReceived(2, [(9, False)]),
    ]
    assert events_of(wire, raw[0][-1:]) == [AcksReceived(1, [(1, False)])]


def test_without_the_express_lane_acks_are_methods() -> None:
    wire = wire_in(State.OPEN, channels=(1,), has_express=False)
    ack = m.BasicAck(5, True)

    assert events_of(wire, method_frame(1, ack)) == [MethodReceived(1, ack)]


@pytest.mark.parametrize("count", [1, 3])
def test_a_message_that_is_too_large_is_told_and_not_kept(count: int) -> None:
    wire = wire_in(State.OPEN, channels=(1,), message_bytes_max=10)
    events = events_of(wire, publish(b"x" * 10), *[publish(b"x" * 11)] * count)

    assert [type(event) for event in events] == [PublishReceived, *[OversizeReceived] * count]


@pytest.mark.parametrize("has_express", [True, False])
def test_properties_that_are_too_large_are_told_and_the_message_is_not_kept(
    has_express: bool,
) -> None:
    limits = WireLimits(header_bytes_max=20)
    wire = wire_in(State.OPEN, channels=(1,), has_express=has_express, limits=limits)
    fitting, larger = (
        method_frame(1, m.BasicPublish(0, "", "jobs"))
        + encode_content(1, properties_of(message_id="x" * size).raw, b"body", FRAME_MAX)
        for size in (17, 18)
    )
    events = events_of(wire, fitting * 2, larger, fitting, larger * 2)

    kinds = [kind for event in events for kind in [type(event)] * max(1, len(messages_of(event)))]
    assert kinds == [
        PublishReceived, PublishReceived, OversizeReceived, PublishReceived,
        OversizeReceived, OversizeReceived,
    ]  # fmt: skip
    assert {one.header_bytes for one in events if isinstance(one, OversizeReceived)} == {21}


def messages_of(event: Event) -> Sequence[Message]:
    return event.messages if isinstance(event, PublishReceived) else ()


def test_a_publisher_that_never_repeats_itself_does_not_fill_the_memory() -> None:
    wire = wire_in(State.OPEN, channels=(1,))
    for number in range(PUBLISHES_MAX + 1):
        assert len(runs_of(wire, publish(key=str(number)))) == 1

    last = str(PUBLISHES_MAX)
    assert runs_of(wire, publish(b"1", key=last), publish(b"2", key=last)) == [[b"1", b"2"]]
    assert runs_of(wire, publish(b"1", key="0"), publish(b"2", key="0")) == [[b"1"], [b"2"]]


def test_what_is_kept_of_bodies_that_are_not_complete_is_counted() -> None:
    wire = wire_in(State.OPEN, channels=(1, 2))
    counts: list[int] = []
    for raw in (
        begun(1, 30), body_frame(1, 10), begun(2, 20), body_frame(2, 5), body_frame(1, 20),
        publish(channel_number=1), body_frame(2, 16), begun(1, 8), body_frame(1, 4),
    ):  # fmt: skip
        events_of(wire, raw)
        counts.append(wire.arriving_bytes)
    wire.closed()

    assert counts == [0, 10, 10, 15, 5, 5, 0, 0, 4]  # the body on channel 2 was too long
    assert wire.arriving_bytes == 0


def begun(channel_number: int, body_bytes: int) -> bytes:
    """A message up to its body."""
    return method_frame(channel_number, m.BasicPublish(routing_key="k")) + encode_header(
        channel_number, body_bytes, NO_PROPERTIES.raw
    )


def body_frame(channel_number: int, size: int) -> bytes:
    return raw_frame(3, channel_number, bytes(size))


def test_the_callers_buffer_may_be_used_again() -> None:
    wire = wire_in(State.OPEN, channels=(1,))
    buffer = bytearray(publish(b"first"))
    wire.receive(memoryview(buffer))
    buffer[:] = bytes(len(buffer))

    assert runs_of(wire) == [[b"first"]]


def test_publishes_may_have_names_that_are_not_utf8() -> None:
    wire = wire_in(State.OPEN, channels=(1,))
    (event,) = events_of(wire, publish(key="\udcff"))

    assert isinstance(event, PublishReceived)
    assert event.publish.routing_key == "\udcff"
    assert encode_method(m.BasicPublish(routing_key="\udcff")).endswith(b"\x01\xff\x00")


@pytest.mark.parametrize("initial_frame_max", [4096, 8192])
def test_a_frame_before_login_is_so_large_and_no_larger(initial_frame_max: int) -> None:
    limits = WireLimits(initial_frame_max=initial_frame_max)
    outcomes = {
        size: outcome(wire_in(State.STARTING, limits=limits), raw_frame(1, 0, bytes(size))[:7])
        for size in (initial_frame_max, initial_frame_max + 1)
    }

    assert outcomes == {initial_frame_max: "nothing", initial_frame_max + 1: "silence"}


def test_what_is_offered_is_what_may_be_chosen() -> None:
    limits = WireLimits(frame_max=8192, channel_max=3)
    wire = wire_in(State.TUNING, limits=limits)

    assert outcome(wire, method_frame(0, m.ConnectionTuneOk(3, 8192, 0))) == "MethodReceived"
    for chosen in (m.ConnectionTuneOk(4, 8192, 0), m.ConnectionTuneOk(3, 8193, 0)):
        wire = wire_in(State.TUNING, limits=limits)
        assert outcome(wire, method_frame(0, chosen)) == "silence"
