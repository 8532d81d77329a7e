"""What the express lane takes, and where it declines and leaves all as it is."""

from __future__ import annotations

import pytest
from wire_stage import raw_frame

from amqpbroker.spec.message import PROPERTIES_OFFSET, Message, Publish, encode_header
from amqpbroker.spec.methods import BasicAck, BasicPublish
from amqpbroker.spec.properties import NO_PROPERTIES, properties_of
from amqpbroker.wire.express import scan_acks, scan_publishes
from amqpbroker.wire.memo import PropertiesMemo
from amqpbroker.wire.writer import method_frame

CHANNEL = 5
PAYLOAD_MAX = 4096
BODY_BYTES_MAX = 50
METHOD_FRAME = method_frame(CHANNEL, BasicPublish(exchange="x", routing_key="a.b"))
PUBLISH = Publish("x", "a.b", channel_number=CHANNEL)
NEEDS_A_LOOK = properties_of(expiration="5")
LONG_PROPERTIES = properties_of(message_id="m" * 200)


def content(body: bytes, raw_properties: bytes = NO_PROPERTIES.raw) -> bytes:
    header = encode_header(CHANNEL, len(body), raw_properties)
    return header + (raw_frame(3, CHANNEL, body) if body else b"")


def taken(
    data: bytes, position: int = 0, payload_max: int = PAYLOAD_MAX
) -> tuple[list[bytes], int, bool]:
    """(the messages' contents, where it stopped, whether all are plain)."""
    messages: list[Message] = []
    end, is_plain = scan_publishes(
        data, position, METHOD_FRAME, PUBLISH, PropertiesMemo().find,
        payload_max, BODY_BYTES_MAX, messages,
    )  # fmt: skip
    assert all(message.publish is PUBLISH for message in messages)
    for message in messages:
        assert message.content.startswith(message.properties.raw, PROPERTIES_OFFSET)
    return [message.content for message in messages], end, is_plain


@pytest.mark.parametrize("before", [b"", b"what was worked off"], ids=["start", "middle"])
@pytest.mark.parametrize(
    "behind",
    [b"", b"\x01", METHOD_FRAME, METHOD_FRAME + b"\x02\x00"],
    ids=["nothing", "an octet", "a publish", "a publish and more"],
)
@pytest.mark.parametrize(
    "contents",
    [
        [content(b"one")],
        [content(b"")],
        [content(b"x" * BODY_BYTES_MAX)],
        [content(b"one"), content(b"two"), content(b"two")],
        [content(b""), content(b""), content(b"three"), content(b"")],
        [
            content(b"a", properties_of(priority=1).raw),
            content(b"b", properties_of(priority=2).raw),
        ],
    ],
)
def test_whole_messages_are_taken_to_the_last(
    contents: list[bytes], behind: bytes, before: bytes
) -> None:
    data = before + b"".join(METHOD_FRAME + one for one in contents)

    assert taken(data + behind, len(before)) == (contents, len(data), True)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_message_that_needs_a_look_makes_the_run_one_that_does(position: int) -> None:
    contents = [content(b"plain")] * 3
    contents[position] = content(b"plain", NEEDS_A_LOOK.raw)
    data = b"".join(METHOD_FRAME + one for one in contents)

    assert taken(data) == (contents, len(data), False)


HEADER = encode_header(CHANNEL, 3, NO_PROPERTIES.raw)
BODY = raw_frame(3, CHANNEL, b"abc")
DECLINED: dict[str, bytes] = {
    "header of another type": HEADER.replace(b"\x02", b"\x03", 1) + BODY,
    "header on another channel": encode_header(CHANNEL + 1, 3, NO_PROPERTIES.raw) + BODY,
    "header of another class": raw_frame(2, CHANNEL, b"\0\x32\0\0" + bytes(7) + b"\3\0\0") + BODY,
    "weight": raw_frame(2, CHANNEL, b"\0\x3c\0\1" + bytes(7) + b"\3\0\0") + BODY,
    "header without its end": HEADER[:-1] + b"\xcd" + BODY,
    "header too short": raw_frame(2, CHANNEL, b"\0\x3c\0\0" + bytes(4)) + BODY,
    "malformed properties": encode_header(CHANNEL, 3, b"\xff\xff") + BODY,
    "no properties": encode_header(CHANNEL, 3, b"") + BODY,
    "body of another type": HEADER + raw_frame(2, CHANNEL, b"abc"),
    "body on another channel": HEADER + raw_frame(3, CHANNEL + 1, b"abc"),
    "body in two frames": HEADER + raw_frame(3, CHANNEL, b"a") + raw_frame(3, CHANNEL, b"bc"),
    "body without its end": HEADER + BODY[:-1] + b"\xcd",
    "body too large": content(b"x" * (BODY_BYTES_MAX + 1)),
    "body of a size beyond all": encode_header(CHANNEL, 2**64 - 1, NO_PROPERTIES.raw) + BODY,
    "another method": raw_frame(1, CHANNEL, b"\0\x5a\0\x0a") + bytes(40),
}


@pytest.mark.parametrize("data", DECLINED.values(), ids=DECLINED)
@pytest.mark.parametrize("before", [b"", METHOD_FRAME + content(b"abc")], ids=["alone", "second"])
def test_on_any_doubt_it_declines(data: bytes, before: bytes) -> None:
    """Alone, and behind a message that looks alike."""
    known = [content(b"abc")] if before else []

    assert taken(before + METHOD_FRAME + data + bytes(100)) == (known, len(before), True)


def test_a_header_larger_than_a_frame_may_be_is_declined() -> None:
    data = METHOD_FRAME + content(b"", LONG_PROPERTIES.raw)

    assert taken(data, payload_max=12 + len(LONG_PROPERTIES.raw))[1] == len(data)
    assert taken(data, payload_max=11 + len(LONG_PROPERTIES.raw))[1] == 0


@pytest.mark.parametrize("body", [b"", b"abc"])
def test_a_message_that_is_not_all_there_is_declined(body: bytes) -> None:
    whole = METHOD_FRAME + content(body)
    stops = {taken((whole * 2)[:-cut])[1] for cut in range(1, len(whole) + 1)}

    assert stops == {len(whole)}
    assert {taken(whole[:cut])[1] for cut in range(len(METHOD_FRAME), len(whole))} == {0}


def ack(tag: int, *, multiple: bool = False, channel_number: int = CHANNEL) -> bytes:
    return method_frame(channel_number, BasicAck(tag, multiple))


def acked(data: bytes, position: int = 0) -> tuple[list[tuple[int, bool]], int]:
    acks: list[tuple[int, bool]] = []
    return acks, scan_acks(data, position, acks)


@pytest.mark.parametrize("before", [b"", b"what was worked off"], ids=["start", "middle"])
@pytest.mark.parametrize(
    "behind",
    [
        b"",
        ack(4)[:-1],
        ack(4)[:-1] + b"\xcd",
        ack(4, channel_number=CHANNEL + 1),
        METHOD_FRAME + bytes(20),
        raw_frame(1, CHANNEL, b"\x00\x3c\x00\x50" + bytes(10)),
    ],
    ids=["nothing", "cut off", "no end", "another channel", "a publish", "too long"],
)
def test_acks_are_taken_while_they_follow_each_other(behind: bytes, before: bytes) -> None:
    data = before + ack(1) + ack(2**64 - 1, multiple=True) + ack(0)

    assert acked(data + behind, len(before)) == (
        [(1, False), (2**64 - 1, True), (0, False)],
        len(data),
    )


def test_an_ack_of_the_wrong_size_is_declined() -> None:
    too_long = raw_frame(1, CHANNEL, b"\x00\x3c\x00\x50" + bytes(10))

    assert acked(too_long + ack(1)) == ([], 0)
    assert acked(b"") == ([], 0)


def test_only_the_lowest_bit_says_that_there_are_more() -> None:
    """The others mean nothing, as in any octet of bits."""
    octets = [b"\x00", b"\x01", b"\x02", b"\xff"]
    data = b"".join(ack(7)[:-2] + octet + b"\xce" for octet in octets)

    assert [multiple for _, multiple in acked(data)[0]] == [False, True, False, True]
