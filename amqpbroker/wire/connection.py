"""A connection's bytes in, events out.

`receive` takes bytes, `next_event` gives what they mean, one event at a time, so that what an
event leads to (a channel closed by an error, say) is known before the next bytes are judged.

(W1) The plain lane defines the behaviour; the express lane only runs ahead where the plain lane
     would have given the same events.
(W2) No more is kept than one frame's bytes, and per channel one message that is arriving.
(W3) An error raised here ends the connection: `HandshakeAborted` without a word,
     `ConnectionException` with connection.close.
"""

from typing import Final

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import (
    DEFAULT_FRAME_MAX,
    DEFAULT_MESSAGE_BYTES_MAX,
    FRAME_BODY,
    FRAME_HEAD_BYTES,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_MIN_BYTES,
    FRAME_OVERHEAD_BYTES,
    PROTOCOL_HEADER,
    SHORTSTR_BYTES_MAX,
)
from amqpbroker.spec.errors import (
    AMQPException,
    ConnectionException,
    channel_error,
    command_invalid,
    frame_error,
    internal_error,
    not_allowed,
    unexpected_frame,
)
from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.method import (
    INDEX_BYTES,
    MalformedMethod,
    MalformedText,
    Method,
    UnknownMethod,
    decode_method,
)
from amqpbroker.spec.terms import bytes_term
from amqpbroker.wire import express
from amqpbroker.wire.assembler import CONTENT_HEAD_BYTES, Assembler
from amqpbroker.wire.events import (
    AcksReceived,
    Event,
    HeaderReceived,
    HeaderRefused,
    MethodReceived,
    PublishReceived,
)
from amqpbroker.wire.frames import Frame, check_known, misplaced, read_frame, unknown_frame
from amqpbroker.wire.limits import DEFAULT_WIRE_LIMITS, WireLimits
from amqpbroker.wire.memo import PropertiesMemo
from amqpbroker.wire.states import SILENT_STATES, TRANSITIONS, State

#: How many different basic.publish frames a connection remembers.
PUBLISHES_MAX: Final = 1024
#: What a client may send on a channel besides basic.publish.
_CLIENT_METHODS: Final = frozenset((
    m.ChannelOpen, m.ChannelFlow, m.ChannelClose, m.AccessRequest,
    m.ExchangeDeclare, m.ExchangeDelete, m.ExchangeBind, m.ExchangeUnbind,
    m.QueueDeclare, m.QueueBind, m.QueuePurge, m.QueueDelete, m.QueueUnbind,
    m.BasicQos, m.BasicConsume, m.BasicCancel, m.BasicGet, m.BasicAck, m.BasicReject,
    m.BasicRecoverAsync, m.BasicRecover, m.BasicNack,
    m.ConfirmSelect, m.TxSelect, m.TxCommit, m.TxRollback,
))  # fmt: skip


class HandshakeAborted(Exception):
    """The peer did something wrong before it could be told so: close without a word (S-024)."""


class PeerLost(Exception):
    """The peer sent what makes RabbitMQ drop the connection at once, without a word (S-054)."""


class Connection:
    """The server's side of one connection, without its socket."""

    __slots__ = (
        "_channels",
        "_data",
        "_express_body_bytes_max",
        "_express_header_max",
        "_has_express",
        "_header_bytes_max",
        "_payload_max",
        "_position",
        "_properties_memo",
        "_publishes",
        "arriving_bytes",
        "channel_max",
        "frame_max",
        "heartbeat_seconds",
        "message_bytes_max",
        "state",
    )

    def __init__(
        self,
        properties_memo: PropertiesMemo | None = None,
        *,
        message_bytes_max: int = DEFAULT_MESSAGE_BYTES_MAX,
        has_express: bool = True,
        limits: WireLimits = DEFAULT_WIRE_LIMITS,
    ) -> None:
        self.state = State.HEADER
        self.frame_max = limits.frame_max
        self.channel_max = limits.channel_max
        self.heartbeat_seconds = 0
        self.message_bytes_max = message_bytes_max
        self.arriving_bytes = 0  # of bodies that are not complete
        self._payload_max = limits.initial_frame_max
        self._header_bytes_max = limits.header_bytes_max
        self._express_header_max = 0
        self._express_body_bytes_max = 0
        self._has_express = has_express
        self._properties_memo = properties_memo or PropertiesMemo()
        self._publishes: dict[bytes, tuple[Assembler, Publish]] = {}  # {method frame: ...}
        self._channels: dict[int, Assembler] = {}
        self._data = b""
        self._position = 0

    @property
    def unread_bytes(self) -> int:
        """How much was received and not understood yet: the rest of a frame is missing."""
        return len(self._data) - self._position

    def receive(self, data: bytes | memoryview) -> None:
        """Take bytes from the peer, and make them ours: the caller may reuse *data*."""
        self._data = b"".join((self._data, data))

    def next_event(self) -> Event | None:
        """The next thing that happened, or None until more bytes come.

        Raises `HandshakeAborted`, `PeerLost` or `ConnectionException`.
        """
        try:
            return self._next_event()
        except AMQPException as error:
            if self.state in SILENT_STATES:
                raise HandshakeAborted(error.log_text) from None
            raise

    def _next_event(self) -> Event | None:
        if self.state is State.HEADER:
            return self._read_header()
        while self.state is not State.CLOSED:
            data, position = self._data, self._position
            if self._has_express and self.state is State.OPEN:
                event = self._scan(data, position)
                if event is not None:
                    return event
            frame = read_frame(data, position, self._payload_max)
            if frame is None:
                self._data = data[position:]
                self._position = 0
                return None
            self._position = frame.end
            event = self._interpret(frame)
            if event is not None:
                return event
        self._data = b""
        self._position = 0
        return None

    # The handshake

    def _read_header(self) -> Event | None:
        header = self._data[: len(PROTOCOL_HEADER)]
        if len(header) < len(PROTOCOL_HEADER):
            return None
        if header in (PROTOCOL_HEADER, b"AMQP\x01\x01\x00\x09"):
            self.state = State.STARTING
            self._position = len(PROTOCOL_HEADER)
            return HeaderReceived()
        self.state = State.CLOSED
        # RabbitMQ 4.0 names AMQP 1.0 with SASL unless it was asked for some 0-9 (S-015).
        speaks_0_9 = header[:6] == b"AMQP\x00\x00" and header[6] >= 9
        answer = PROTOCOL_HEADER if speaks_0_9 else b"AMQP\x03\x01\x00\x00"
        return HeaderRefused(answer, header)

    def _tune(self, method: m.ConnectionTuneOk) -> None:
        """Check what the client chose, and adopt it (S-032 to S-036)."""
        _check_chosen("frame_max", method.frame_max, self.frame_max, FRAME_MIN_BYTES)
        _check_chosen("channel_max", method.channel_max, self.channel_max, 0)
        self.frame_max = self._payload_max = method.frame_max
        # What the assembler would keep in the one frame that it came in.
        self._express_body_bytes_max = min(
            self.frame_max, DEFAULT_FRAME_MAX - FRAME_OVERHEAD_BYTES, self.message_bytes_max
        )
        self._express_header_max = min(self.frame_max, self._header_bytes_max + CONTENT_HEAD_BYTES)
        self.channel_max = method.channel_max
        self.heartbeat_seconds = method.heartbeat

    # The express lane

    def _scan(self, data: bytes, position: int) -> Event | None:
        index = data[position + express.INDEX_START : position + express.INDEX_END]
        if index == express.PUBLISH_INDEX:
            size = int.from_bytes(data[position + 3 : position + FRAME_HEAD_BYTES])
            method_frame = data[position : position + FRAME_HEAD_BYTES + size + 1]
            known = self._publishes.get(method_frame)
            if known is None or not known[0].is_idle:
                return None
            publish = known[1]
            messages: list[Message] = []
            end, is_plain = express.scan_publishes(
                data, position, method_frame, publish, self._properties_memo.find,
                self._express_header_max, self._express_body_bytes_max, messages,
            )  # fmt: skip
            if not messages:
                return None
            self._position = end
            content_bytes = end - position - len(messages) * len(method_frame)
            return PublishReceived(
                publish.channel_number, publish, messages, content_bytes, is_plain
            )
        if index == express.ACK_INDEX and data[position] == FRAME_METHOD:
            channel_number = int.from_bytes(data[position + 1 : position + 3])
            channel = self._channels.get(channel_number)
            if channel is None or not channel.is_idle:
                return None
            acks: list[tuple[int, bool]] = []
            self._position = express.scan_acks(data, position, acks)
            return AcksReceived(channel_number, acks) if acks else None
        return None

    # The plain lane

    def _interpret(self, frame: Frame) -> Event | None:
        if self.state is State.CLOSING and frame.channel_number:
            return None
        check_known(frame)
        if frame.type == FRAME_HEARTBEAT:
            if frame.channel_number:
                raise misplaced(frame)
            return None
        if frame.channel_number == 0:
            if frame.type != FRAME_METHOD:
                raise misplaced(frame)
            return self._connection_method(self._decode(frame))
        if self.state is not State.OPEN:
            raise misplaced(frame)
        channel = self._channels.get(frame.channel_number)
        if frame.type in (FRAME_HEADER, FRAME_BODY):
            if channel is None:
                raise unexpected_frame("expected method frame, got non method frame instead")
            kept_bytes = channel.kept_bytes
            event = channel.add(frame)
            self.arriving_bytes += channel.kept_bytes - kept_bytes
            return event
        if channel is not None:
            channel.check_method_may_come()
        method = self._decode(frame)
        try:
            return self._channel_method(frame, channel, method)
        except ConnectionException as error:
            error.caused_by(method.class_id, method.method_id)
            raise

    def _decode(self, frame: Frame) -> Method:
        try:
            return decode_method(bytes(frame.payload))
        except UnknownMethod as error:
            if len(frame.payload) < INDEX_BYTES:
                raise unknown_frame(frame.type, frame.payload) from None
            if self.state in SILENT_STATES:
                raise HandshakeAborted(str(error)) from None
            raise PeerLost(str(error)) from None
        except MalformedText:
            mistake = frame_error("Malformed UTF-8 in shortstr")
            raise mistake.caused_by_no_method() from None
        except MalformedMethod as error:
            if frame.channel_number == 0:
                raise internal_error() from None
            shown = bytes(frame.payload[INDEX_BYTES : INDEX_BYTES + SHORTSTR_BYTES_MAX])
            mistake = frame_error(f"cannot decode {bytes_term(shown)}")
            mistake.caused_by(error.method.class_id, error.method.method_id)
            raise mistake from None

    def _connection_method(self, method: Method) -> Event | None:
        next_state = TRANSITIONS.get((self.state, type(method)))
        if next_state is None:
            if self.state is State.CLOSING:
                return None
            mistake = channel_error(f"unexpected method in connection state {self.state.value}")
            mistake.caused_by(method.class_id, method.method_id)
            raise mistake
        if isinstance(method, m.ConnectionTuneOk):
            self._tune(method)
        self.state = next_state
        return MethodReceived(0, method)

    def _channel_method(
        self, frame: Frame, channel: Assembler | None, method: Method
    ) -> Event | None:
        number = frame.channel_number
        if isinstance(method, m.ChannelOpen):
            if channel is not None:
                raise channel_error("second 'channel.open' seen")
            self._open_channel(number)
        elif channel is None:
            raise channel_error("expected 'channel.open'")
        elif channel.is_closing:
            return self._on_closing_channel(channel, method)
        elif isinstance(method, m.BasicPublish):
            self._remember(frame, channel, channel.begin(method))
            return None
        elif isinstance(method, m.ChannelClose):
            self._forget_channel(channel)
        elif type(method) not in _CLIENT_METHODS:
            raise command_invalid("unimplemented method")
        return MethodReceived(number, method)

    def _on_closing_channel(self, channel: Assembler, method: Method) -> Event | None:
        """After our channel.close all is ignored but the answer to it, or the same (S-008).

        Messages are still put together, to be ignored as a whole (S-009).
        """
        if isinstance(method, m.BasicPublish):
            channel.begin(method)
        elif isinstance(method, m.ChannelCloseOk):
            self._forget_channel(channel)
        elif isinstance(method, m.ChannelClose):
            return MethodReceived(channel.channel_number, method)
        return None

    def _remember(self, frame: Frame, channel: Assembler, publish: Publish) -> None:
        if len(self._publishes) >= PUBLISHES_MAX:
            self._publishes.clear()
        start = frame.end - len(frame.payload) - FRAME_HEAD_BYTES - 1
        self._publishes[self._data[start : frame.end]] = (channel, publish)

    # Channels

    def _open_channel(self, number: int) -> None:
        count = len(self._channels)
        if count >= self.channel_max:
            raise not_allowed(
                f"number of channels opened ({count}) has reached the negotiated channel_max "
                f"({self.channel_max})"
            ).caused_by_no_method()
        self._channels[number] = Assembler(
            number, self.message_bytes_max, self._properties_memo, self._header_bytes_max
        )

    def _forget_channel(self, channel: Assembler) -> None:
        channel.is_open = False
        self.arriving_bytes -= channel.kept_bytes
        del self._channels[channel.channel_number]

    def closing_channel(self, number: int) -> None:
        """We have sent channel.close: what comes on this channel is ignored until the answer."""
        channel = self._channels[number]
        channel.is_open = False
        channel.is_closing = True

    def closing(self) -> None:
        """We have sent connection.close: what comes is ignored until the answer (S-011)."""
        self.state = State.CLOSING

    def closed(self) -> None:
        """The connection is over: what comes is ignored, what was arriving is dropped."""
        self.state = State.CLOSED
        self._channels.clear()
        self.arriving_bytes = 0


def _check_chosen(name: str, chosen: int, proposed: int, least: int) -> None:
    """Refuse a limit that the client chose outside of what was proposed: 530."""
    if chosen and chosen < least:
        raise not_allowed(
            f"negotiated {name} = {chosen} is lower than the minimum allowed value ({least})"
        )
    if chosen == 0 or chosen > proposed:
        shown = f"{chosen} (no limit)" if chosen == 0 else str(chosen)
        raise not_allowed(
            f"negotiated {name} = {shown} is higher than the maximum allowed value ({proposed})"
        )
