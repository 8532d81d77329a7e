"""What is sent, as bytes: methods, deliveries, and content fitted to its receiver.

    delivery   01 channel size  003C 003C consumer-tag | delivery tag | redelivered exchange key CE
               and the content as it came, or re-stamped, or split

A delivery is four pieces of bytes: a prefix that a consumer's deliveries share, the tag, a suffix
that the messages of one publisher share, and the content.  Nothing is encoded twice.
"""

from collections.abc import Sequence
from struct import Struct

from amqpbroker.spec.constants import (
    FRAME_BODY,
    FRAME_METHOD,
    FRAME_OVERHEAD_BYTES,
)
from amqpbroker.spec.message import Message, encode_header
from amqpbroker.spec.method import Method, encode_method, encode_shortstr

_FRAME_HEAD = Struct(">BHI")
_FRAME_END = b"\xce"
_CHANNEL = Struct(">H")
_DELIVER_INDEX = b"\x00\x3c\x00\x3c"
_DELIVER_FIXED_BYTES = 4 + 8 + 1  # class and method, delivery tag, redelivered
_ACK = Struct(">BHIHHQBB")
_pack_tag = Struct(">Q").pack
_REDELIVERED = (b"\x00", b"\x01")

HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"


def method_frame(channel_number: int, method: Method) -> bytes:
    """A method in its frame."""
    payload = encode_method(method)
    return _FRAME_HEAD.pack(FRAME_METHOD, channel_number, len(payload)) + payload + _FRAME_END


def confirm_frame(channel_number: int, publish_tag: int, multiple: bool) -> bytes:
    """A basic.ack to a publisher."""
    return _ACK.pack(1, channel_number, 13, 60, 80, publish_tag, multiple, 0xCE)


def fitted(message: Message, channel_number: int, frame_max: int) -> bytes:
    """The message's content for this channel, with no frame larger than *frame_max* bytes."""
    content = message.content
    if len(content) > frame_max:
        payload_max = frame_max - FRAME_OVERHEAD_BYTES
        if any(len(payload) > payload_max for _, payload in message.body_frames()):
            return _split(message, channel_number, payload_max)
    if message.publish.channel_number == channel_number:
        return content
    raw_channel = _CHANNEL.pack(channel_number)
    body_start = FRAME_OVERHEAD_BYTES + _FRAME_HEAD.unpack_from(content)[2]
    pieces = [content[:1], raw_channel, content[3:body_start]]
    for start, payload in message.body_frames():
        head = content[start : start + 1] + raw_channel + content[start + 3 : start + 7]
        pieces += (head, payload, _FRAME_END)
    return b"".join(pieces)


def _split(message: Message, channel_number: int, payload_max: int) -> bytes:
    body = message.body
    pieces = [encode_header(channel_number, len(body), message.properties.raw)]
    for start in range(0, len(body), payload_max):
        part = body[start : start + payload_max]
        pieces += (_FRAME_HEAD.pack(FRAME_BODY, channel_number, len(part)), part, _FRAME_END)
    return b"".join(pieces)


class DeliveryWriter:
    """Writes one consumer's deliveries."""

    __slots__ = ("_channel_number", "_frame_max", "_head", "_prefixes")

    def __init__(self, channel_number: int, consumer_tag: str, frame_max: int) -> None:
        self._channel_number = channel_number
        self._frame_max = frame_max
        self._head = encode_shortstr(consumer_tag)
        self._prefixes: dict[int, bytes] = {}  # {bytes of the names: prefix}; at most 511

    def write(
        self, pieces: list[bytes], first_tag: int, messages: Sequence[Message], redelivered: bool
    ) -> int:
        """Add the frames of *messages*, tagged from *first_tag*, to *pieces*; their bytes."""
        channel_number, frame_max = self._channel_number, self._frame_max
        publish = None
        prefix = suffix = b""
        byte_count = overhead = 0
        is_stamped = True
        for tag, message in enumerate(messages, first_tag):
            message_publish, _, content = message
            if message_publish is not publish:
                publish = message_publish
                names = publish.raw_names
                prefix = self._prefixes.get(len(names)) or self._make_prefix(len(names))
                suffix = _REDELIVERED[redelivered] + names + _FRAME_END
                is_stamped = publish.channel_number == channel_number
                overhead = len(prefix) + 8 + len(suffix)
            if not is_stamped or len(content) > frame_max:
                content = fitted(message, channel_number, frame_max)
            pieces += (prefix, _pack_tag(tag), suffix, content)
            byte_count += overhead + len(content)
        return byte_count

    def _make_prefix(self, names_bytes: int) -> bytes:
        size = _DELIVER_FIXED_BYTES + len(self._head) + names_bytes
        head = _FRAME_HEAD.pack(FRAME_METHOD, self._channel_number, size)
        prefix = self._prefixes[names_bytes] = head + _DELIVER_INDEX + self._head
        return prefix
