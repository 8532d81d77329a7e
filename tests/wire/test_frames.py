from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_stage import raw_frame

from amqpbroker.spec.constants import FRAME_BODY, FRAME_HEADER, FRAME_METHOD
from amqpbroker.wire.frames import (
    Frame,
    FramingLost,
    check_known,
    misplaced,
    octets,
    read_frame,
    unknown_frame,
)
from amqpbroker.wire.writer import HEARTBEAT

PAYLOAD_MAX = 4096


@given(
    st.sampled_from([1, 2, 3, 8, 0, 255]),
    st.integers(0, 2**16 - 1),
    st.binary(max_size=40),
    st.binary(max_size=10),
    st.binary(max_size=10),
)
def test_a_frame_is_found_between_others(
    type_: int, channel_number: int, payload: bytes, before: bytes, behind: bytes
) -> None:
    raw = raw_frame(type_, channel_number, payload)
    found = read_frame(before + raw + behind, len(before), PAYLOAD_MAX)

    assert found == Frame(type_, channel_number, payload, len(before) + len(raw))


@given(st.binary(max_size=20))
def test_a_frame_that_is_not_all_there_is_waited_for(payload: bytes) -> None:
    raw = raw_frame(FRAME_METHOD, 1, payload)

    assert [read_frame(raw[:cut], 0, PAYLOAD_MAX) for cut in range(len(raw))] == [None] * len(raw)


@pytest.mark.parametrize(("type_", "kind"), [(FRAME_BODY, memoryview), (FRAME_HEADER, bytes)])
def test_a_body_is_viewed_and_all_else_is_taken(type_: int, kind: type[object]) -> None:
    """A header's bytes are kept, as properties; a body is copied into its message."""
    found = read_frame(raw_frame(type_, 1, b"abc"), 0, PAYLOAD_MAX)

    assert found is not None
    assert type(found.payload) is kind


def test_the_largest_payload_is_as_large_as_the_frame_max() -> None:
    """RabbitMQ is lenient by the eight bytes around it (S-048)."""
    found = read_frame(raw_frame(FRAME_BODY, 1, bytes(PAYLOAD_MAX)), 0, PAYLOAD_MAX)

    assert found is not None
    assert len(found.payload) == PAYLOAD_MAX


def test_a_frame_that_is_too_large_is_refused_by_its_head() -> None:
    head = raw_frame(FRAME_BODY, 1, bytes(PAYLOAD_MAX + 1))[:7]

    with pytest.raises(FramingLost) as refusal:
        read_frame(head, 0, PAYLOAD_MAX)
    assert refusal.value.reply_text == (
        "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,4097,4088}"
    )


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"", "all octets = <<>>"),
        (b"\x00\x01", "all octets = <<0,1>>"),
        (bytes(16), f"all octets = <<{','.join('0' * 16)}>>"),
        (b"x" * 17, 'first 16 octets = <<"xxxxxxxxxxxxxxxx">>'),
    ],
)
@pytest.mark.parametrize("type_", [FRAME_METHOD, FRAME_BODY])
def test_a_frame_without_its_end_is_refused_and_shown(
    type_: int, payload: bytes, shown: str
) -> None:
    with pytest.raises(FramingLost) as refusal:
        read_frame(raw_frame(type_, 1, payload, 0xCD), 0, PAYLOAD_MAX)

    assert refusal.value.reply_code == 501
    assert refusal.value.reply_text == (
        f"FRAME_ERROR - type {type_}, {shown}: {{invalid_frame_end_marker,205}}"
    )


@pytest.mark.parametrize("type_", [1, 2, 3, 8])
def test_the_four_types_of_frames_are_known(type_: int) -> None:
    payload = b"" if type_ == 8 else b"abc"
    check_known(Frame(type_, 0, payload, 0))

    assert read_frame(HEARTBEAT, 0, PAYLOAD_MAX) == Frame(8, 0, b"", 8)


@pytest.mark.parametrize(
    ("type_", "payload", "expected"),
    [
        (0, b"", "type 0, all octets = <<>>: unknown_frame"),
        (4, b"\x00\x01", "type 4, all octets = <<0,1>>: unknown_frame"),
        (255, bytes(range(20)), "type 255, first 16 octets = "
         "<<0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15>>: unknown_frame"),
        (8, b"beat", 'type 8, all octets = <<"beat">>: unknown_frame'),
    ],
)  # fmt: skip
def test_a_frame_of_no_type_and_a_heartbeat_that_says_something_are_refused(
    type_: int, payload: bytes, expected: str
) -> None:
    with pytest.raises(type(unknown_frame(type_, payload))) as refusal:
        check_known(Frame(type_, 0, payload, 0))

    assert refusal.value.reply_text == f"FRAME_ERROR - {expected}"
    assert not isinstance(refusal.value, FramingLost)  # the next frame can be found


def test_a_misplaced_frame_is_shown() -> None:
    error = misplaced(Frame(FRAME_BODY, 0, memoryview(b"abc"), 0))

    assert (error.reply_code, error.reply_text) == (
        505,
        'UNEXPECTED_FRAME - type 3, all octets = <<"abc">>',
    )
    assert octets(FRAME_BODY, b"abc") == 'type 3, all octets = <<"abc">>'
