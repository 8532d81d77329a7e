"""The express lane and the memo change speed only (W1), whatever bytes come, cut anywhere.

The plain lane without a memo, given all bytes at once, says what is expected: which events, and
at the end which error, or none.  What is compared are single messages and single acks, since the
express lane tells them in runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise, product

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import DEFAULT_MESSAGE_BYTES_MAX, PROTOCOL_HEADER
from amqpbroker.spec.errors import ConnectionException
from amqpbroker.spec.message import encode_header
from amqpbroker.spec.method import Method
from amqpbroker.spec.properties import NO_PROPERTIES, properties_of
from amqpbroker.spec.table import Field, longstr
from amqpbroker.wire.connection import Connection, HandshakeAborted, PeerLost
from amqpbroker.wire.events import (
    AcksReceived,
    Event,
    MethodReceived,
    OversizeReceived,
    PublishReceived,
)
from amqpbroker.wire.memo import PropertiesMemo
from amqpbroker.wire.writer import HEARTBEAT, method_frame

FRAME_MAX = 4096
LARGE_FRAME_MAX = 131072
SMALL_MESSAGE_BYTES_MAX = 15

PROPERTIES = [
    NO_PROPERTIES,
    properties_of(delivery_mode=2),
    properties_of(content_type="text/plain", delivery_mode=1, priority=3, timestamp=10**9),
    properties_of(headers={"n": Field("l", 1), "t": Field("F", {"x": longstr("y")})}),
    properties_of(headers={"CC": Field("A", [longstr("other")])}, delivery_mode=2),
    properties_of(reply_to="amq.rabbitmq.reply-to", correlation_id="c-1"),
    properties_of(expiration="1000", user_id="guest"),
    properties_of(headers={"long": longstr("h" * 300)}),
]
PUBLISHES = [
    m.BasicPublish(exchange="", routing_key="jobs"),
    m.BasicPublish(exchange="", routing_key="job"),
    m.BasicPublish(exchange="x", routing_key="a.b", mandatory=True),
    m.BasicPublish(exchange="\udcff", routing_key="é", immediate=True),
]
OTHER_METHODS = [
    m.QueueDeclare(queue="q", durable=True, arguments={"x-max-length": Field("l", 5)}),
    m.ExchangeBind(destination="x", source="y", routing_key="#"),
    m.BasicConsume(queue="q", consumer_tag="é"),
    m.BasicGet(queue="q"),
    m.BasicNack(delivery_tag=4, multiple=True),
    m.BasicReject(delivery_tag=4),
    m.ConfirmSelect(),
    m.TxSelect(),
]
#: Methods that the session answers by closing, which changes what the following bytes mean.
CLOSES_CHANNEL = m.QueuePurge(queue="absent")
CLOSES_CONNECTION = m.BasicQos(prefetch_size=1)

Frames = list[bytes]


@attrs.frozen
class Traffic:
    """What a client sends once its channels 1 and 2 are open, and where the reads end."""

    frames: Frames
    frame_max: int = FRAME_MAX
    message_bytes_max: int = DEFAULT_MESSAGE_BYTES_MAX
    flips: tuple[tuple[int, int], ...] = ()  # ((frame, bit from its start or its end), ...)
    cuts: tuple[int, ...] = ()

    @property
    def raw(self) -> bytes:
        raws = [bytearray(raw) for raw in self.frames]
        for index, bit in self.flips:
            if raws:
                raw = raws[index % len(raws)]
                raw[bit // 8 % len(raw)] ^= 1 << bit % 8
        return b"".join(raws)

    @property
    def pieces(self) -> list[bytes]:
        raw = self.raw
        ends = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in self.cuts)})
        return [raw[start:end] for start, end in pairwise(ends)]


def frame(type_: int, channel_number: int, payload: bytes) -> bytes:
    head = type_.to_bytes(1) + channel_number.to_bytes(2) + len(payload).to_bytes(4)
    return head + payload + b"\xce"


def publish(channel_number: int, method: Method, raw_properties: bytes, sizes: list[int]) -> Frames:
    """One message, its body in frames of *sizes*."""
    return [
        method_frame(channel_number, method),
        encode_header(channel_number, sum(sizes), raw_properties),
        *(frame(3, channel_number, bytes([48 + size % 10]) * size) for size in sizes),
    ]


def endings(channel_number: int) -> list[Frames]:
    """A channel or the connection is closed, by either side; what follows on it is well known."""

    def frames_of(*methods: Method) -> Frames:
        return [method_frame(channel_number, method) for method in methods]

    known = publish(channel_number, PUBLISHES[0], PROPERTIES[0].raw, [10]) * 2
    malformed = publish(channel_number, PUBLISHES[0], b"\xff\xff", [10])
    acks = frames_of(m.BasicAck(1), m.BasicAck(2))
    reopened = [*frames_of(m.ChannelOpen()), *known, *acks]
    return [
        [*known, *frames_of(m.ChannelClose(200)), *reopened],
        [*known, *frames_of(m.ChannelClose(200)), *acks],
        [*known, *frames_of(m.ChannelClose(200)), *known],
        [*known, *frames_of(CLOSES_CHANNEL), *known, *malformed, *acks,
         *frames_of(m.ChannelCloseOk()), *reopened],
        [*known, *frames_of(CLOSES_CONNECTION), *known, *acks,
         method_frame(0, m.ConnectionCloseOk()), *known],
    ]  # fmt: skip


def on_channel(channel_number: int) -> st.SearchStrategy[Frames]:
    """What one channel sends in a row: messages, acks, another method, or its end."""

    def frames_of(*methods: Method) -> Frames:
        return [method_frame(channel_number, method) for method in methods]

    sizes = st.lists(st.sampled_from([1, 2, 10, 10, 20, 4096]), max_size=3)
    messages = st.builds(
        lambda *arguments, times: publish(channel_number, *arguments) * times,
        st.sampled_from(PUBLISHES),
        st.sampled_from([properties.raw for properties in PROPERTIES]),
        sizes,
        times=st.integers(1, 4),
    )
    varied = st.lists(messages, min_size=2, max_size=4).map(joined)
    acks = st.lists(
        st.builds(m.BasicAck, st.integers(0, 2**64 - 1), st.booleans()), min_size=1, max_size=4
    ).map(lambda methods: frames_of(*methods))
    ending = st.sampled_from(endings(channel_number))
    other = st.sampled_from(OTHER_METHODS).map(frames_of)
    return st.one_of(messages, varied, varied, acks, other, ending)


def joined(parts: Iterable[Frames]) -> Frames:
    return [raw for part in parts for raw in part]


def interleaved(streams: list[Frames], turns: list[tuple[int, int]]) -> Frames:
    """The streams' frames, each stream's in order; turns are (stream, how many frames)."""
    rests = [list(stream) for stream in streams]
    frames: Frames = []
    for index, count in turns:
        rest = rests[index]
        frames += rest[:count]
        del rest[:count]
    return frames + joined(rests)


#: The first message makes the publish known; the others may take the express lane.
PLAIN_RUN = publish(1, PUBLISHES[0], PROPERTIES[0].raw, [20]) * 3
MIXED_RUN = joined(
    [
        publish(1, PUBLISHES[0], PROPERTIES[0].raw, []) * 3,
        publish(1, PUBLISHES[0], PROPERTIES[1].raw, [2]),
        publish(1, PUBLISHES[0], PROPERTIES[1].raw, [1, 2]),
    ]
)
ACKS = [method_frame(1, m.BasicAck(tag, multiple=tag == 2)) for tag in (1, 2, 3)]
#: Larger than a frame may be.
LONG_PROPERTIES = properties_of(headers={"long": longstr("h" * FRAME_MAX)})

streams = st.tuples(
    st.lists(st.just(HEARTBEAT), max_size=3),
    st.lists(on_channel(1), max_size=6).map(joined),
    st.lists(on_channel(2), max_size=4).map(joined),
).map(list)
turns = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 12)), max_size=12)
some_flips = st.lists(
    st.tuples(st.integers(0, 200), st.integers(-64, 255)), min_size=1, max_size=2
).map(tuple)
traffics = st.builds(
    Traffic,
    st.builds(interleaved, streams, turns),
    frame_max=st.sampled_from([FRAME_MAX, LARGE_FRAME_MAX]),
    message_bytes_max=st.sampled_from([DEFAULT_MESSAGE_BYTES_MAX, SMALL_MESSAGE_BYTES_MAX]),
    flips=st.one_of(st.just(()), st.just(()), some_flips),
    cuts=st.lists(st.integers(0, 2**16), max_size=6).map(tuple),
)


def opened(traffic: Traffic, *, has_express: bool, remember: bool) -> Connection:
    wire = Connection(
        PropertiesMemo(remember=remember),
        message_bytes_max=traffic.message_bytes_max,
        has_express=has_express,
    )
    wire.receive(PROTOCOL_HEADER)
    for method in (m.ConnectionStartOk(), m.ConnectionTuneOk(10, traffic.frame_max, 0)):
        wire.receive(method_frame(0, method))
    wire.receive(method_frame(0, m.ConnectionOpen()))
    for channel_number in (1, 2):
        wire.receive(method_frame(channel_number, m.ChannelOpen()))
    assert len(list(iter(wire.next_event, None))) == 6
    return wire


def told(event: Event) -> Iterator[tuple[object, ...]]:
    """What an event says: one message and one ack after the other."""
    match event:
        case PublishReceived(number, terms, messages, content_bytes, is_plain):
            assert content_bytes == sum(len(message.content) for message in messages)
            assert is_plain == (not any(message.properties.needs_a_look for message in messages))
            for message in messages:
                flags = message.publish.mandatory, message.publish.immediate
                yield number, terms.raw_names, flags, message.properties.raw, message.content
        case AcksReceived(number, acks):
            for delivery_tag, multiple in acks:
                yield number, repr(m.BasicAck(delivery_tag, multiple))
        case OversizeReceived(number, terms, body_bytes):
            yield number, terms.raw_names, body_bytes
        case MethodReceived(number, method):
            yield number, repr(method)
        case _:
            raise AssertionError(event)


def answer(wire: Connection, event: Event) -> None:
    """Close what the session would close."""
    if isinstance(event, MethodReceived):
        if event.method == CLOSES_CHANNEL:
            wire.closing_channel(event.channel_number)
        elif event.method == CLOSES_CONNECTION:
            wire.closing()


def story(
    traffic: Traffic, pieces: Iterable[bytes], *, has_express: bool, remember: bool
) -> list[tuple[object, ...]]:
    """All that is told of *traffic*, and how it ends."""
    wire = opened(traffic, has_express=has_express, remember=remember)
    lines: list[tuple[object, ...]] = []
    try:
        for piece in pieces:
            wire.receive(piece)
            for event in iter(wire.next_event, None):
                lines += told(event)
                answer(wire, event)
    except ConnectionException as error:
        lines.append((type(error), error.reply_text, error.class_id, error.method_id))
    except (HandshakeAborted, PeerLost) as error:
        lines.append((type(error), str(error)))
    return [*lines, (wire.state,)]


def lanes_that_differ(traffic: Traffic) -> list[tuple[bool, bool]]:
    """(has_express, remember) where the story is another than in the plain lane."""
    expected = story(traffic, [traffic.raw], has_express=False, remember=False)
    return [
        (has_express, remember)
        for has_express, remember in product((False, True), repeat=2)
        if expected != story(traffic, traffic.pieces, has_express=has_express, remember=remember)
    ]


@settings(max_examples=4 * settings().max_examples)
@given(traffics)
def test_all_lanes_tell_the_same_of_any_bytes(traffic: Traffic) -> None:
    assert lanes_that_differ(traffic) == []


@pytest.mark.parametrize(
    "traffic",
    [
        *map(Traffic, endings(1)),
        Traffic(PLAIN_RUN, message_bytes_max=SMALL_MESSAGE_BYTES_MAX),
        Traffic(
            publish(1, PUBLISHES[0], PROPERTIES[0].raw, [LARGE_FRAME_MAX]) * 3,
            frame_max=LARGE_FRAME_MAX,
        ),
        Traffic([*PLAIN_RUN, *publish(1, PUBLISHES[0], LONG_PROPERTIES.raw, [])]),
        Traffic([*PLAIN_RUN, *publish(1, PUBLISHES[0], PROPERTIES[0].raw, [FRAME_MAX + 1])]),
        Traffic([*PLAIN_RUN, *publish(2, PUBLISHES[0], PROPERTIES[0].raw, [10])]),
    ],
)
def test_all_lanes_tell_the_same_where_they_might_not(traffic: Traffic) -> None:
    assert lanes_that_differ(traffic) == []


@pytest.mark.parametrize("frames", [PLAIN_RUN, MIXED_RUN, ACKS])
def test_no_flipped_bit_is_seen_by_one_lane_only(frames: Frames) -> None:
    flipped = [
        Traffic(frames, flips=((index, bit),))
        for index, raw in enumerate(frames)
        for bit in range(8 * len(raw))
    ]
    differing = [
        traffic.flips
        for traffic in flipped
        if story(traffic, [traffic.raw], has_express=True, remember=True)
        != story(traffic, [traffic.raw], has_express=False, remember=False)
    ]

    assert differing == []


@pytest.mark.parametrize("has_express", [False, True])
@given(traffics)
def test_bytes_that_come_one_by_one_say_what_they_say_together(
    has_express: bool, traffic: Traffic
) -> None:
    raw = traffic.raw[:1500]
    expected = story(traffic, [raw], has_express=False, remember=False)

    one_by_one = (raw[position : position + 1] for position in range(len(raw)))
    assert expected == story(traffic, one_by_one, has_express=has_express, remember=True)


def test_the_express_lane_takes_what_repeats() -> None:
    """What is compared above differs in its lanes."""
    traffic = Traffic(publish(1, PUBLISHES[0], PROPERTIES[1].raw, [10]) * 4)
    counts: list[list[int]] = []
    for has_express in (False, True):
        wire = opened(traffic, has_express=has_express, remember=True)
        wire.receive(traffic.raw)
        events = list(iter(wire.next_event, None))
        counts.append([len(one.messages) for one in events if isinstance(one, PublishReceived)])

    assert counts == [[1, 1, 1, 1], [1, 3]]
