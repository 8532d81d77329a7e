from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpbroker.spec.constants import DEFAULT_FRAME_MAX, FRAME_BODY, FRAME_HEADER
from amqpbroker.spec.errors import ConnectionException
from amqpbroker.spec.message import encode_content
from amqpbroker.spec.methods import BasicPublish
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.wire.assembler import Assembler, Part
from amqpbroker.wire.events import OversizeReceived, PublishReceived
from amqpbroker.wire.frames import Frame
from amqpbroker.wire.memo import PropertiesMemo

CHANNEL = 7
BODY_BYTES_MAX = 200_000
PUBLISH = BasicPublish(exchange="x", routing_key="a.b", mandatory=True)

WANTS_METHOD = "expected method frame, got non method frame instead [0.0]"
WANTS_HEADER = "expected content header for class 60, got non content header frame instead [60.40]"
WANTS_BODY = "expected content body, got non content body frame instead [60.40]"


def header(body_bytes: int, raw: bytes = NO_PROPERTIES.raw, class_id: int = 60) -> Frame:
    return header_of_weight(0, body_bytes, raw, class_id)


def header_of_weight(
    weight: int, body_bytes: int = 3, raw: bytes = NO_PROPERTIES.raw, class_id: int = 60
) -> Frame:
    payload = class_id.to_bytes(2) + weight.to_bytes(2) + body_bytes.to_bytes(8) + raw
    return Frame(FRAME_HEADER, CHANNEL, payload, 0)


def body(payload: bytes) -> Frame:
    return Frame(FRAME_BODY, CHANNEL, memoryview(payload), 0)


def assembler_in(part: Part, body_bytes_max: int = BODY_BYTES_MAX) -> Assembler:
    assembler = Assembler(CHANNEL, body_bytes_max, PropertiesMemo())
    if part is not Part.IDLE:
        assembler.begin(PUBLISH)
    if part in (Part.BODY, Part.OVERRUN):
        assembler.add(header(3))
    if part is Part.OVERRUN:
        assembler.add(body(b"more than announced"))
    assert assembler.part is part
    return assembler


def assembled(*frames: Frame, body_bytes_max: int = BODY_BYTES_MAX) -> PublishReceived:
    """The message that the last of *frames*, and no other, completes."""
    assembler = assembler_in(Part.HEADER, body_bytes_max)
    *early, last = [assembler.add(frame) for frame in frames]
    assert early == [None] * (len(frames) - 1)
    assert isinstance(last, PublishReceived)
    assert assembler.is_idle
    return last


def refusal(action: Callable[[], object]) -> str:
    """What *action* raises: the text behind the code, and the method it is put down to."""
    with pytest.raises(ConnectionException) as caught:
        action()
    error = caught.value
    return f"{error.reply_text.partition(' - ')[2]} [{error.class_id}.{error.method_id}]"


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_a_body_comes_in_frames_of_any_size_and_is_kept_in_one(parts: list[bytes]) -> None:
    """Also in empty ones, as long as something is still to come."""
    parts.append(b"end")
    whole = b"".join(parts)
    event = assembled(header(len(whole)), *map(body, parts))

    assert event.messages[0].content == encode_content(
        CHANNEL, NO_PROPERTIES.raw, whole, DEFAULT_FRAME_MAX
    )


def test_a_large_body_is_kept_in_the_largest_frames_that_there_are() -> None:
    parts = [bytes([number]) * 50_000 for number in range(4)]
    (message,) = assembled(header(200_000), *map(body, parts)).messages

    assert [len(payload) for _, payload in message.body_frames()] == [131_064, 68_936]
    assert message.body == b"".join(parts)


def test_an_empty_body_is_complete_with_its_header() -> None:
    event = assembled(header(0))

    assert event.messages[0].body == b""


@pytest.mark.parametrize(
    ("properties", "is_plain"),
    [(NO_PROPERTIES, True), (properties_of(delivery_mode=2), True),
     (properties_of(expiration="5"), False)],
)  # fmt: skip
def test_a_message_says_where_it_goes_and_what_it_has(
    properties: Properties, is_plain: bool
) -> None:
    event = assembled(header(2, properties.raw), body(b"hi"))
    (message,) = event.messages

    assert (event.channel_number, event.is_plain) == (CHANNEL, is_plain)
    assert event.content_bytes == len(message.content)
    assert message.publish is event.publish
    assert message.properties.raw == properties.raw
    assert message.publish.raw_names == b"\x01x\x03a.b"
    assert (message.publish.mandatory, message.publish.immediate) == (True, False)
    assert message.publish.channel_number == CHANNEL


def test_messages_follow_each_other() -> None:
    assembler = assembler_in(Part.IDLE)
    bodies: list[bytes] = []
    for parts in ([b"one"], [b"t", b"wo"], [], [b"three"]):
        assembler.begin(PUBLISH)
        events = [assembler.add(header(sum(map(len, parts))))]
        events += [assembler.add(body(part)) for part in parts]
        assert isinstance(events[-1], PublishReceived)
        bodies.append(events[-1].messages[0].body)

    assert bodies == [b"one", b"two", b"", b"three"]


@pytest.mark.parametrize(
    ("part", "expected"),
    [(Part.IDLE, True), (Part.HEADER, False), (Part.BODY, False), (Part.OVERRUN, False)],
)
def test_a_channel_is_idle_between_messages_while_it_is_open(part: Part, expected: bool) -> None:
    assembler = assembler_in(part)
    assert assembler.is_idle == expected

    assembler.is_open = False
    assert not assembler.is_idle


@pytest.mark.parametrize(
    ("part", "frame", "expected"),
    [
        (Part.IDLE, header(3), WANTS_METHOD),
        (Part.IDLE, body(b"abc"), WANTS_METHOD),
        (Part.HEADER, body(b"abc"), WANTS_HEADER),
        (Part.HEADER, header_of_weight(1), WANTS_HEADER),
        (Part.HEADER, header(3, class_id=50),
         "expected content header for class 60, got one for class 50 instead [60.40]"),
        (Part.HEADER, Frame(FRAME_HEADER, CHANNEL, bytes(11), 0),
         "type 2, all octets = <<0,0,0,0,0,0,0,0,0,0,0>>: unknown_frame [0.0]"),
        (Part.BODY, header(3), WANTS_BODY),
        (Part.OVERRUN, header(3), WANTS_BODY),
    ],
)  # fmt: skip
def test_a_frame_that_may_not_come_now_is_refused(part: Part, frame: Frame, expected: str) -> None:
    assembler = assembler_in(part)

    assert refusal(lambda: assembler.add(frame)) == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [(Part.HEADER, WANTS_HEADER), (Part.BODY, WANTS_BODY), (Part.OVERRUN, WANTS_BODY)],
)
def test_a_method_may_not_come_in_the_middle_of_a_message(part: Part, expected: str) -> None:
    assembler_in(Part.IDLE).check_method_may_come()

    assert refusal(assembler_in(part).check_method_may_come) == expected


def test_a_message_with_more_body_than_announced_never_completes() -> None:
    """RabbitMQ 4.0 does not notice (S-061)."""
    assembler = assembler_in(Part.BODY)

    assert [assembler.add(body(part)) for part in (b"ab", b"cd", b"", b"ef")] == [None] * 4
    assert assembler.part is Part.OVERRUN


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\xff\xfe", b"\x80\x00", b"\x00\x00\x00"])
def test_properties_that_do_not_decode_are_an_internal_error(raw: bytes) -> None:
    """RabbitMQ decodes them when the message is complete, and crashes (S-006)."""
    assembler = assembler_in(Part.HEADER)
    assert assembler.add(header(2, raw)) is None

    with pytest.raises(ConnectionException) as caught:
        assembler.add(body(b"hi"))
    assert caught.value.reply_text == "INTERNAL_ERROR"


@pytest.mark.parametrize("raw", [NO_PROPERTIES.raw, b"\xff\xfe"])
@pytest.mark.parametrize("parts", [[], [b"hi"], [b"h", b"i"], [b"h" * 30]])
def test_on_a_closing_channel_messages_are_put_together_for_nobody(
    raw: bytes, parts: list[bytes]
) -> None:
    """Also those that would be an error on an open one."""
    assembler = assembler_in(Part.HEADER, body_bytes_max=20)
    assembler.is_closing = True
    frames = [header(sum(map(len, parts)), raw), *map(body, parts)]

    assert [assembler.add(frame) for frame in frames] == [None] * len(frames)
    assert assembler.part is Part.IDLE


@pytest.mark.parametrize("parts", [[b"x" * 21], [b"x" * 20, b"y"], [b"x"] * 21])
def test_a_body_that_is_too_large_is_told_and_not_kept(parts: list[bytes]) -> None:
    assembler = assembler_in(Part.HEADER, body_bytes_max=20)
    *early, last = [assembler.add(frame) for frame in (header(21), *map(body, parts))]

    assert early == [None] * len(parts)
    assert isinstance(last, OversizeReceived)
    assert (last.channel_number, last.body_bytes) == (CHANNEL, 21)
    assert last.publish.routing_key == "a.b"
    assert assembler.is_idle


def test_a_body_as_large_as_may_be_is_kept() -> None:
    event = assembled(header(20), body(b"x" * 20), body_bytes_max=20)

    assert event.messages[0].body == b"x" * 20
