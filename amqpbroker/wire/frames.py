"""Frames: where one ends, and what makes bytes no frame.

    frame   octet  type: 1 method, 2 content header, 3 content body, 8 heartbeat
            short  channel
            long   payload size
            payload
            octet  0xCE

Errors and their texts are RabbitMQ's (S-048 to S-051).
"""

from struct import Struct
from typing import NamedTuple

from amqpbroker.spec.constants import (
    FRAME_BODY,
    FRAME_END,
    FRAME_HEAD_BYTES,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_OVERHEAD_BYTES,
    ReplyCode,
)
from amqpbroker.spec.errors import ConnectionException, frame_error, unexpected_frame
from amqpbroker.spec.terms import binary_term

_HEAD = Struct(">BHI")
_KNOWN_TYPES = frozenset((FRAME_METHOD, FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT))
_SHOWN_OCTETS = 16


class Frame(NamedTuple):
    """One frame.

    Speed: the payload of a body frame is a view of the bytes that were read, copied once where
    its message is put together.
    """

    type: int
    channel_number: int
    payload: bytes | memoryview
    end: int  # where the next frame starts


class FramingLost(ConnectionException):
    """501, after which nobody knows where the next frame starts."""

    def __init__(self, explanation: str) -> None:
        super().__init__(ReplyCode.FRAME_ERROR, explanation)


def read_frame(data: bytes, position: int, payload_max: int) -> Frame | None:
    """The frame at *position*, or None when more bytes are needed.

    Raises `FramingLost`; a size above *payload_max* is refused before its bytes come.
    """
    if len(data) - position < FRAME_HEAD_BYTES:
        return None
    type_, channel_number, size = _HEAD.unpack_from(data, position)
    if size > payload_max:
        limit = payload_max - FRAME_OVERHEAD_BYTES
        raise FramingLost(f"type {type_}, all octets = <<>>: {{frame_too_large,{size},{limit}}}")
    start = position + FRAME_HEAD_BYTES
    end = start + size
    if end >= len(data):
        return None
    payload = memoryview(data)[start:end] if type_ == FRAME_BODY else data[start:end]
    if data[end] != FRAME_END:
        marker = f"{{invalid_frame_end_marker,{data[end]}}}"
        raise FramingLost(f"{octets(type_, payload)}: {marker}")
    return Frame(type_, channel_number, payload, end + 1)


def check_known(frame: Frame) -> None:
    """Refuse a frame of a type that there is not, and a heartbeat that says something (S-050)."""
    if frame.type not in _KNOWN_TYPES or (frame.type == FRAME_HEARTBEAT and frame.payload):
        raise unknown_frame(frame.type, frame.payload)


def unknown_frame(type_: int, payload: bytes | memoryview) -> ConnectionException:
    """501: a frame of no type, or too short for its type."""
    return frame_error(f"{octets(type_, payload)}: unknown_frame")


def misplaced(frame: Frame) -> ConnectionException:
    """505: a frame of a type that may not stand on its channel."""
    return unexpected_frame(octets(frame.type, frame.payload))


def octets(type_: int, payload: bytes | memoryview) -> str:
    """A frame as RabbitMQ's error texts show it."""
    if len(payload) > _SHOWN_OCTETS:
        return f"type {type_}, first 16 octets = {binary_term(bytes(payload[:_SHOWN_OCTETS]))}"
    return f"type {type_}, all octets = {binary_term(bytes(payload))}"
