"""One channel's frames put together: methods, and messages with their content.

    IDLE -> HEADER   [basic.publish]       HEADER -> IDLE   [an empty body is complete]
    HEADER -> BODY   [content header]      BODY -> IDLE     [the last body frame]
    BODY -> OVERRUN  [more body than announced]

A body comes in frames of any size and is kept in the largest that there are; for a client that
wants smaller ones it is split again (S-063).

In OVERRUN the message never completes, as in RabbitMQ 4.0 (S-061); further body frames are
dropped and any other frame is an error.
"""

from enum import Enum
from struct import Struct
from struct import error as StructError

from amqpbroker.spec.constants import CLASS_BASIC, DEFAULT_FRAME_MAX, FRAME_BODY, FRAME_HEADER
from amqpbroker.spec.errors import AMQPException, internal_error, unexpected_frame
from amqpbroker.spec.message import Message, Publish, encode_content
from amqpbroker.spec.methods import BasicPublish
from amqpbroker.spec.properties import MalformedProperties
from amqpbroker.wire.events import OversizeReceived, PublishReceived
from amqpbroker.wire.frames import Frame, unknown_frame
from amqpbroker.wire.memo import PropertiesMemo

_HEADER = Struct(">HHQ")  # class, weight, body bytes
#: What a content header has before the properties.
CONTENT_HEAD_BYTES = _HEADER.size


class Part(Enum):
    """What a channel expects next."""

    IDLE = "a method"
    HEADER = "the content header of a message"
    BODY = "the body of a message"
    OVERRUN = "no more body"


class Assembler:
    """The message that is arriving on one channel."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_header_bytes_max",
        "_properties_memo",
        "_publish",
        "_raw_properties",
        "_remaining",
        "_too_large",
        "body_bytes_max",
        "channel_number",
        "is_closing",
        "is_open",
        "part",
    )

    def __init__(
        self,
        channel_number: int,
        body_bytes_max: int,
        properties_memo: PropertiesMemo,
        header_bytes_max: int = DEFAULT_FRAME_MAX,
    ) -> None:
        self.channel_number = channel_number
        self.body_bytes_max = body_bytes_max
        self._header_bytes_max = header_bytes_max
        self.is_open = True
        self.is_closing = False  # we have sent channel.close and wait for the answer
        self.part = Part.IDLE
        self._properties_memo = properties_memo
        self._publish: Publish | None = None
        self._raw_properties = b""
        self._body = bytearray()  # of the frames before the last
        self._body_bytes = 0
        self._remaining = 0
        self._too_large = False

    @property
    def kept_bytes(self) -> int:
        """What is kept of a body that is not complete."""
        return len(self._body)

    @property
    def is_idle(self) -> bool:
        """Whether the channel is open and no message is under way."""
        return self.part is Part.IDLE and self.is_open

    def begin(self, method: BasicPublish) -> Publish:
        """A message begins."""
        assert self.part is Part.IDLE, self.part
        self._publish = Publish(
            method.exchange,
            method.routing_key,
            mandatory=method.mandatory,
            immediate=method.immediate,
            channel_number=self.channel_number,
        )
        self.part = Part.HEADER
        return self._publish

    def check_method_may_come(self) -> None:
        """Refuse a method, or content of no message, in the middle of a message (S-057, S-060)."""
        if self.part is Part.HEADER:
            raise _wrong_content(
                "expected content header for class 60, got non content header frame instead"
            )
        if self.part is not Part.IDLE:
            raise _wrong_content("expected content body, got non content body frame instead")

    def add(self, frame: Frame) -> PublishReceived | OversizeReceived | None:
        """Take a content frame; the message, when it is complete and somebody wants it.

        Raises 505 for a frame that may not come now, 541 for properties that do not decode.
        """
        if self.part is Part.IDLE:
            raise unexpected_frame("expected method frame, got non method frame instead")
        if self.part is Part.HEADER:
            if frame.type != FRAME_HEADER:
                self.check_method_may_come()
            self._add_header(bytes(frame.payload))
            return None if self._remaining else self._complete(b"")
        if frame.type != FRAME_BODY:
            self.check_method_may_come()
        payload = frame.payload
        self._remaining -= len(payload)
        if self._remaining < 0:
            self.part = Part.OVERRUN
            self._body = bytearray()
        if self.part is Part.OVERRUN:
            return None
        if self._remaining == 0 and not self._body:
            return self._complete(payload)
        if not self._too_large:
            self._body += payload
        return None if self._remaining else self._complete(self._body)

    def _add_header(self, payload: bytes) -> None:
        try:
            class_id, weight, body_bytes = _HEADER.unpack_from(payload)
        except StructError:
            raise unknown_frame(FRAME_HEADER, payload) from None
        if class_id != CLASS_BASIC:
            raise _wrong_content(
                f"expected content header for class 60, got one for class {class_id} instead"
            )
        if weight:
            self.check_method_may_come()
        self._raw_properties = payload[_HEADER.size :]
        self._body_bytes = self._remaining = body_bytes
        self._too_large = (
            body_bytes > self.body_bytes_max or len(self._raw_properties) > self._header_bytes_max
        )
        self.part = Part.BODY

    def _complete(
        self, body: bytes | bytearray | memoryview
    ) -> PublishReceived | OversizeReceived | None:
        publish = self._publish
        assert publish is not None
        self.part = Part.IDLE
        self._publish = None
        self._body = bytearray()
        if self.is_closing:
            return None  # also with properties that do not decode, as in RabbitMQ (S-009)
        if self._too_large:
            header_bytes = len(self._raw_properties)
            return OversizeReceived(self.channel_number, publish, self._body_bytes, header_bytes)
        try:
            properties = self._properties_memo.find(self._raw_properties)
        except MalformedProperties:
            raise internal_error() from None
        content = encode_content(self.channel_number, properties.raw, body, DEFAULT_FRAME_MAX)
        message = Message(publish, properties, content)
        is_plain = not properties.needs_a_look
        return PublishReceived(self.channel_number, publish, [message], len(content), is_plain)


def _wrong_content(explanation: str) -> AMQPException:
    """505, put down to basic.publish."""
    error = unexpected_frame(explanation)
    error.caused_by(BasicPublish.class_id, BasicPublish.method_id)
    return error
