"""A message: where it was published to, its properties, and its content as frames.

The content is kept as it came: one content header frame and the body frames behind it, stamped
with the publisher's channel number, in one piece.  A consumer on the same channel number gets
exactly these bytes; `wire/writer.py` re-stamps or splits them for the others.

    content   header frame:  2 | channel | size | class 60 | weight 0 | body bytes | properties | CE
              body frames:   3 | channel | size | body ... | CE            (none for an empty body)
"""

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from amqpbroker.spec.constants import (
    CLASS_BASIC,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEAD_BYTES,
    FRAME_HEADER,
    FRAME_OVERHEAD_BYTES,
)
from amqpbroker.spec.method import encode_shortstr
from amqpbroker.spec.properties import Properties

_HEADER_FRAME = Struct(">BHIHHQ")  # frame head, class, weight, body bytes
_FRAME_HEAD = Struct(">BHI")
_FRAME_END = bytes((FRAME_END,))
_HEADER_FIXED_BYTES = 12  # class, weight, body bytes
PROPERTIES_OFFSET = _HEADER_FRAME.size


class Publish:
    """What a basic.publish said.  A publisher repeats itself, so its messages share one.

    `channel_number` is the one that the content frames are stamped with; `raw_names` is exchange
    and routing key as they stand in basic.deliver; `cc_keys` and `bcc_keys` are the routing keys
    that stood in headers (S-133).
    """

    __slots__ = (
        "bcc_keys",
        "cc_keys",
        "channel_number",
        "exchange_name",
        "immediate",
        "mandatory",
        "raw_names",
        "routing_key",
    )

    def __init__(
        self,
        exchange_name: str,
        routing_key: str,
        *,
        mandatory: bool = False,
        immediate: bool = False,
        channel_number: int = 1,
        cc_keys: tuple[str, ...] = (),
        bcc_keys: tuple[str, ...] = (),
    ) -> None:
        self.exchange_name = exchange_name
        self.routing_key = routing_key
        self.mandatory = mandatory
        self.immediate = immediate
        self.channel_number = channel_number
        self.cc_keys = cc_keys
        self.bcc_keys = bcc_keys
        self.raw_names = encode_shortstr(exchange_name) + encode_shortstr(routing_key)

    def __repr__(self) -> str:
        return f"<Publish exchange={self.exchange_name!r} routing_key={self.routing_key!r}>"


class Message(NamedTuple):
    """One published message.  Queues share it; nobody changes it.

    Speed: a tuple is the cheapest object that Python makes, and this one is made per message.
    """

    publish: Publish
    properties: Properties
    content: bytes

    @property
    def routing_keys(self) -> tuple[str, ...]:
        """All keys by which it is routed, the publish's first, each once."""
        publish = self.publish
        if not publish.cc_keys and not publish.bcc_keys:
            return (publish.routing_key,)
        return tuple(dict.fromkeys((publish.routing_key, *publish.cc_keys, *publish.bcc_keys)))

    @property
    def body_bytes(self) -> int:
        """The length of the body."""
        return _HEADER_FRAME.unpack_from(self.content)[5]

    @property
    def body(self) -> bytes:
        """The body, in one piece."""
        return b"".join(payload for _, payload in self.body_frames())

    def body_frames(self) -> Iterator[tuple[int, bytes]]:
        """The body frames: (where the frame starts in `content`, its payload)."""
        content = self.content
        position = FRAME_OVERHEAD_BYTES + _FRAME_HEAD.unpack_from(content)[2]
        while position < len(content):
            size = _FRAME_HEAD.unpack_from(content, position)[2]
            start = position + FRAME_HEAD_BYTES
            yield position, content[start : start + size]
            position = start + size + 1

    def __deepcopy__(self, memo: object) -> "Message":
        """The message itself: nobody changes it."""
        return self

    def with_properties(self, properties: Properties) -> "Message":
        """The same message with other properties; the body frames stay as they are."""
        content = self.content
        body_start = FRAME_OVERHEAD_BYTES + _FRAME_HEAD.unpack_from(content)[2]
        head = encode_header(self.publish.channel_number, self.body_bytes, properties.raw)
        return Message(self.publish, properties, head + content[body_start:])


def raw_properties(content: bytes) -> bytes:
    """The properties as they stand in a message's content."""
    body_start = FRAME_OVERHEAD_BYTES + _FRAME_HEAD.unpack_from(content)[2]
    return content[PROPERTIES_OFFSET : body_start - 1]


def encode_header(channel_number: int, body_bytes: int, raw_properties: bytes) -> bytes:
    """A content header frame of class basic."""
    size = _HEADER_FIXED_BYTES + len(raw_properties)
    head = _HEADER_FRAME.pack(FRAME_HEADER, channel_number, size, CLASS_BASIC, 0, body_bytes)
    return head + raw_properties + _FRAME_END


def encode_content(
    channel_number: int,
    raw_properties: bytes,
    body: bytes | bytearray | memoryview,
    frame_max: int,
) -> bytes:
    """Header and body frames of a message, no frame larger than *frame_max* bytes."""
    pieces: list[bytes | memoryview] = [encode_header(channel_number, len(body), raw_properties)]
    step = frame_max - FRAME_OVERHEAD_BYTES
    view = memoryview(body)
    for start in range(0, len(body), step):
        part = view[start : start + step]
        pieces += (_FRAME_HEAD.pack(FRAME_BODY, channel_number, len(part)), part, _FRAME_END)
    return b"".join(pieces)
