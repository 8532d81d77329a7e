"""Every frame that we emit, as pamqp reads it."""

from __future__ import annotations

from typing import Any

import pytest
import witness
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import body, commands, frame, header, heartbeat
from strategies import methods_of, texts

from amqpbroker.spec.message import Message, Publish, encode_content
from amqpbroker.spec.method import METHODS, Method, decode_method
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.wire.frames import read_frame
from amqpbroker.wire.writer import (
    HEARTBEAT,
    DeliveryWriter,
    confirm_frame,
    fitted,
    method_frame,
)

FRAME_MAX = 4096
CHANNEL = 3

short_texts = texts.filter(lambda text: len(text.encode()) <= 255)
channel_numbers = st.integers(1, 2**16 - 1)
some_properties = st.sampled_from(
    [NO_PROPERTIES, properties_of(delivery_mode=2, message_id="m-1", priority=4)]
)


def frames_of(raw: bytes) -> list[tuple[int, Any]]:
    """[(channel, frame), ...] as pamqp reads them."""
    frames: list[tuple[int, Any]] = []
    while raw:
        byte_count, channel_number, one = frame.unmarshal(raw)
        frames.append((channel_number, one))
        raw = raw[byte_count:]
    return frames


def message_of(
    payload: bytes,
    *,
    publish: Publish | None = None,
    properties: Properties = NO_PROPERTIES,
    frame_max: int = 131072,
) -> Message:
    publish = publish or Publish("x", "a.b", channel_number=CHANNEL)
    content = encode_content(publish.channel_number, properties.raw, payload, frame_max)
    return Message(publish, properties, content)


def check_content(
    frames: list[tuple[int, Any]], message: Message, channel_number: int, payload_max: int
) -> None:
    """Hold *frames* to what one message is on a channel."""
    numbers = {number for number, _ in frames}
    head, *bodies = [one for _, one in frames]

    assert numbers == {channel_number}
    assert isinstance(head, header.ContentHeader)
    assert head.body_size == message.body_bytes
    assert head.properties.delivery_mode == message.properties.delivery_mode
    assert head.properties.message_id == message.properties.text("message_id")
    assert all(isinstance(one, body.ContentBody) for one in bodies)
    assert b"".join(one.value for one in bodies) == message.body
    assert all(1 <= len(one.value) <= payload_max for one in bodies)


def test_a_heartbeat_is_one() -> None:
    ((channel_number, one),) = frames_of(HEARTBEAT)

    assert channel_number == 0
    assert isinstance(one, heartbeat.Heartbeat)


@pytest.mark.filterwarnings("ignore:This command is deprecated")  # basic.recover-async
@pytest.mark.parametrize("method_class", witness.SHARED_METHODS, ids=lambda one: one.name)
@settings(max_examples=10)
@given(data=st.data())
def test_a_method_frame_says_what_the_method_says(
    method_class: type[Method], data: st.DataObject
) -> None:
    method = data.draw(methods_of(method_class, witness.arguments))
    channel_number = data.draw(st.integers(0, 2**16 - 1))
    ((number, command),) = frames_of(method_frame(channel_number, method))

    assert number == channel_number
    assert type(command) is witness.command_of(method_class)
    assert {name: getattr(command, name) for name in command.__slots__} == (
        witness.plain_arguments(method)
    )


@pytest.mark.parametrize(
    "method_class",
    [one for one in METHODS.values() if one not in witness.SHARED_METHODS],
    ids=lambda one: one.name,
)
@settings(max_examples=10)
@given(data=st.data())
def test_a_method_that_the_witness_does_not_know_is_framed_all_the_same(
    method_class: type[Method], data: st.DataObject
) -> None:
    method = data.draw(methods_of(method_class))
    found = read_frame(method_frame(CHANNEL, method), 0, 2**16)

    assert found is not None
    assert decode_method(bytes(found.payload)) == method


@given(channel_numbers, st.integers(0, 2**63 - 1), st.booleans())
def test_a_confirm_is_an_ack(channel_number: int, publish_tag: int, multiple: bool) -> None:
    ((number, command),) = frames_of(confirm_frame(channel_number, publish_tag, multiple))

    assert isinstance(command, commands.Basic.Ack)
    assert (number, command.delivery_tag, command.multiple) == (
        channel_number, publish_tag, multiple,
    )  # fmt: skip


def test_content_that_fits_its_receiver_is_passed_on_as_it_is() -> None:
    message = message_of(b"x" * 5000)

    assert fitted(message, CHANNEL, 131072) is message.content


@given(
    st.sampled_from([CHANNEL, CHANNEL + 1, 65535]),
    st.sampled_from([0, 1, 4087, 4088, 4089, 8176, 8177, 20_000]),
    st.sampled_from([FRAME_MAX, 5000, 131072]),
    st.sampled_from([FRAME_MAX, 5000, 131072]),
    some_properties,
)
def test_content_is_stamped_and_split_for_its_receiver(
    channel_number: int, body_bytes: int, kept_max: int, frame_max: int, properties: Properties
) -> None:
    payload = bytes(number % 251 for number in range(body_bytes))
    message = message_of(payload, properties=properties, frame_max=kept_max)
    frames = frames_of(fitted(message, channel_number, frame_max))

    check_content(frames, message, channel_number, frame_max - 8)
    assert message.body == payload


def test_content_in_small_frames_stays_in_them() -> None:
    """Only what is too large is split, and nothing is joined."""
    message = message_of(b"x" * 10_000, frame_max=2008)
    frames = frames_of(fitted(message, CHANNEL + 1, FRAME_MAX))

    assert [len(one.value) for _, one in frames[1:]] == [2000] * 5


def test_a_header_is_never_split() -> None:
    """Properties that are larger than the receiver's frames pass, as in RabbitMQ."""
    message = message_of(b"", properties=Properties(b"\x20\x00\x00\x00\x13\x8d\x01hS"
                                                    b"\x00\x00\x13\x86" + b"v" * 4998))  # fmt: skip

    assert fitted(message, CHANNEL, FRAME_MAX) is message.content


@given(
    short_texts,
    st.lists(
        st.tuples(short_texts, short_texts, st.sampled_from([CHANNEL, CHANNEL + 1])),
        min_size=1,
        max_size=3,
    ),
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([0, 5, 4088, 9000]), some_properties),
        max_size=6,
    ),
    st.integers(1, 2**63 - 7),
    st.booleans(),
)
def test_deliveries_say_what_was_published_where(
    consumer_tag: str,
    terms: list[tuple[str, str, int]],
    drawn: list[tuple[int, int, Properties]],
    first_tag: int,
    redelivered: bool,
) -> None:
    publishes = [Publish(name, key, channel_number=number) for name, key, number in terms]
    messages = [
        message_of(b"b" * size, publish=publishes[index % len(publishes)], properties=properties)
        for index, size, properties in drawn
    ]
    pieces: list[bytes] = []
    writer = DeliveryWriter(CHANNEL, consumer_tag, FRAME_MAX)
    byte_count = writer.write(pieces, first_tag, messages, redelivered)
    frames = frames_of(b"".join(pieces))

    assert byte_count == sum(map(len, pieces))
    for tag, message in enumerate(messages, first_tag):
        number, deliver = frames.pop(0)
        assert isinstance(deliver, commands.Basic.Deliver)
        assert (number, deliver.consumer_tag, deliver.delivery_tag) == (CHANNEL, consumer_tag, tag)
        assert (deliver.redelivered, deliver.exchange, deliver.routing_key) == (
            redelivered, message.publish.exchange_name, message.publish.routing_key,
        )  # fmt: skip
        content_frames = [frames.pop(0)]
        while frames and isinstance(frames[0][1], body.ContentBody):
            content_frames.append(frames.pop(0))
        check_content(content_frames, message, CHANNEL, FRAME_MAX - 8)
    assert frames == []


@pytest.mark.parametrize("length", [1, 2, 255])
def test_a_writer_writes_again_what_it_wrote(length: int) -> None:
    """Names of one length share a prefix, not the names."""
    writer = DeliveryWriter(CHANNEL, "t", FRAME_MAX)
    names = ["a" * length, "b" * length]
    keys: list[str] = []
    for name in (*names, *names):
        pieces: list[bytes] = []
        writer.write(pieces, 1, [message_of(b"", publish=Publish("", name))], False)
        keys.append(frames_of(b"".join(pieces))[0][1].routing_key)

    assert keys == names * 2


def test_content_on_the_consumers_own_channel_number_is_not_copied() -> None:
    message = message_of(b"x" * 4000)
    pieces: list[bytes] = []
    DeliveryWriter(CHANNEL, "t", 131072).write(pieces, 1, [message], False)

    assert pieces[3] is message.content
