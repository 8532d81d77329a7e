"""The express lane: a bet on what comes next, which may decline.

It recognises whole basic.publish messages and whole basic.ack frames by their bytes, and leaves
everything else, all errors included, where it stands: the plain lane (`frames.py`,
`assembler.py`) then meets the same bytes and decides.  It never raises and keeps no state, so
that deleting its calls changes speed only; tests/models/test_lanes_agree.py holds it to that.

    a message   01 channel size  003C 0028 ...arguments... CE    known as a whole, by its bytes
                02 channel size  003C 0000 body-bytes properties CE
                03 channel size  body CE                         absent for an empty body
    an ack      01 channel 0000000D  003C 0050 tag multiple CE

Speed: the inner loop takes messages that repeat
method, properties and body size, comparing one prefix; a message that differs costs the outer
loop, and one with a new routing key the plain lane.
"""

from collections.abc import Callable
from struct import Struct
from struct import error as StructError
from typing import cast

from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.properties import MalformedProperties, Properties

PUBLISH_INDEX = b"\x00\x3c\x00\x28"
ACK_INDEX = b"\x00\x3c\x00\x50"
INDEX_START, INDEX_END = 7, 11  # where class and method id stand in a method frame

_HEADER = Struct(">BHIHHQ").unpack_from  # type, channel, size, class, weight, body bytes
_BODY = Struct(">BHI").unpack_from  # type, channel, size
_ACK = Struct(">QBB").unpack_from  # tag, multiple, frame end
_ACK_HEAD_BYTES, _ACK_BYTES = 11, 21
_MakeMessage = Callable[[type[Message], tuple[Publish, Properties, bytes]], Message]
_new_message = cast("_MakeMessage", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]


def scan_publishes(
    data: bytes,
    position: int,
    method_frame: bytes,
    publish: Publish,
    find_properties: Callable[[bytes], Properties],
    payload_max: int,
    body_bytes_max: int,
    messages: list[Message],
) -> tuple[int, bool]:
    """Take the messages that stand at *position* and begin with *method_frame*.

    Adds them to *messages*; returns where it stopped, and whether all are plain.
    """
    channel = publish.channel_number
    method_bytes = len(method_frame)
    data_end = len(data)
    append = messages.append
    is_plain = True
    while True:
        header = position + method_bytes
        try:
            kind, number, size, class_id, weight, body_bytes = _HEADER(data, header)
            body = header + 8 + size
            end = body + 8 + body_bytes if body_bytes else body
            if (
                end > data_end
                or kind != 2
                or number != channel
                or class_id != 60
                or weight
                or size > payload_max
                or body_bytes > body_bytes_max
                or data[body - 1] != 0xCE
                or data[end - 1] != 0xCE
                or (body_bytes and _BODY(data, body) != (3, channel, body_bytes))
            ):
                break
            properties = find_properties(data[header + 19 : body - 1])
        except (StructError, MalformedProperties):
            break
        if properties.needs_a_look:
            is_plain = False
        append(_new_message(Message, (publish, properties, data[header:end])))
        prefix = data[position : body + 7 if body_bytes else body]
        stride = end - position
        position = end
        end += stride
        while end <= data_end and data.startswith(prefix, position) and data[end - 1] == 0xCE:
            append(
                _new_message(Message, (publish, properties, data[position + method_bytes : end]))
            )
            position = end
            end += stride
        if not data.startswith(method_frame, position):
            break
    return position, is_plain


def scan_acks(data: bytes, position: int, acks: list[tuple[int, bool]]) -> int:
    """Take the acks that stand at *position*, all of one channel; returns where it stopped."""
    head = data[position : position + _ACK_HEAD_BYTES]
    last = len(data) - _ACK_BYTES
    if head[3:7] != b"\x00\x00\x00\x0d":
        return position
    while position <= last and data.startswith(head, position):
        delivery_tag, multiple, end = _ACK(data, position + _ACK_HEAD_BYTES)
        if end != 0xCE:
            break
        acks.append((delivery_tag, bool(multiple & 1)))
        position += _ACK_BYTES
    return position
