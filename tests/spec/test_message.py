from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import body as witness_body
from pamqp import frame as witness_frame
from pamqp import header as witness_header

from amqpbroker.spec.message import (
    PROPERTIES_OFFSET,
    Message,
    Publish,
    encode_content,
    encode_header,
    raw_properties,
)
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of

PUBLISH = Publish("x", "a.b", channel_number=7)
PERSISTENT = properties_of(delivery_mode=2, type="t")


def message(body: bytes, frame_max: int, properties: Properties = PERSISTENT) -> Message:
    content = encode_content(PUBLISH.channel_number, properties.raw, body, frame_max)
    return Message(PUBLISH, properties, content)


def frames_of(content: bytes) -> list[tuple[int, object]]:
    """The frames as pamqp reads them: (channel, frame)."""
    frames: list[tuple[int, object]] = []
    while content:
        consumed, channel_number, frame = witness_frame.unmarshal(content)
        frames.append((channel_number, frame))
        content = content[consumed:]
    return frames


@given(st.binary(max_size=100), st.integers(9, 60))
def test_content_is_a_header_and_frames_no_larger_than_allowed(body: bytes, frame_max: int) -> None:
    content = message(body, frame_max).content
    (channel_number, header), *bodies = frames_of(content)
    parts = [frame.value for _, frame in bodies if isinstance(frame, witness_body.ContentBody)]

    assert isinstance(header, witness_header.ContentHeader)
    assert (header.body_size, header.properties.delivery_mode) == (len(body), 2)
    assert {channel_number, *(number for number, _ in bodies)} == {PUBLISH.channel_number}
    assert b"".join(parts) == body
    assert all(1 <= len(part) <= frame_max - 8 for part in parts)
    assert len(parts) == len(bodies)


@given(st.binary(max_size=100), st.integers(9, 60))
def test_a_message_finds_its_body_in_its_frames(body: bytes, frame_max: int) -> None:
    sent = message(body, frame_max)

    assert sent.body == body
    assert sent.body_bytes == len(body)
    for position, payload in sent.body_frames():
        assert sent.content[position] == 3
        assert sent.content[position + 7 :].startswith(payload + b"\xce")


@given(st.binary(max_size=40))
def test_other_properties_leave_the_body_frames_as_they_are(body: bytes) -> None:
    before = message(body, 20)
    after = before.with_properties(NO_PROPERTIES)

    assert after == message(body, 20, NO_PROPERTIES)
    assert before == message(body, 20)


@given(st.binary(max_size=50), st.text(max_size=20))
def test_properties_can_be_read_from_the_content(body: bytes, message_id: str) -> None:
    raw = properties_of(message_id=message_id, priority=3).raw

    assert raw_properties(encode_content(7, raw, body, 4096)) == raw


def test_an_empty_body_has_no_frame() -> None:
    sent = message(b"", 4096)

    assert sent.content == encode_header(7, 0, PERSISTENT.raw)
    assert sent.content[PROPERTIES_OFFSET:-1] == PERSISTENT.raw
    assert list(sent.body_frames()) == []


@pytest.mark.parametrize("name", ["", "é", "\udcff"])
def test_a_publish_keeps_its_names_for_the_delivery(name: str) -> None:
    raw_name = name.encode("utf-8", "surrogateescape")
    publish = Publish(name, "k", mandatory=True)

    assert publish.raw_names == bytes((len(raw_name),)) + raw_name + b"\x01k"
    assert (publish.mandatory, publish.immediate) == (True, False)


def test_a_publish_prints_where_it_goes() -> None:
    assert repr(PUBLISH) == "<Publish exchange='x' routing_key='a.b'>"
