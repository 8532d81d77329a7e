"""A blocking AMQP client that says exactly what it is told, also when that is wrong.

For tests and conformance cases: every step of the handshake can be taken alone, any frame and any
bytes can be sent, and nothing is answered behind the test's back.

    with RawConnection.open("amqp://guest:guest@localhost:5672/") as connection:
        channel = connection.channel()
        channel.call(QueueDeclare(queue="jobs"), QueueDeclareOk)
        channel.publish("", "jobs", b"hello")
        assert channel.get("jobs").body == b"hello"

Waiting has a limit (`NothingCame`), the end of the connection is an event (`Closed`), and what
comes for another channel than the one waited on is kept for later.  To show that nothing comes,
do not wait: make a round trip (`RawChannel.round_trip`) and see that its answer came first.
"""

from __future__ import annotations

import socket
import time
from struct import Struct
from types import TracebackType
from typing import NamedTuple, Self, TypeVar
from urllib.parse import unquote, urlsplit

from amqpbroker.spec.constants import (
    CLASS_BASIC,
    DEFAULT_FRAME_MAX,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEAD_BYTES,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_OVERHEAD_BYTES,
    PROTOCOL_HEADER,
)
from amqpbroker.spec.method import Method, decode_method, encode_method
from amqpbroker.spec.methods import (
    BasicDeliver,
    BasicGetOk,
    BasicReturn,
    ConnectionClose,
    ConnectionCloseOk,
    ConnectionOpen,
    ConnectionOpenOk,
    ConnectionStart,
    ConnectionStartOk,
    ConnectionTune,
    ConnectionTuneOk,
)
from amqpbroker.spec.properties import NO_PROPERTIES, Properties
from amqpbroker.spec.table import Table
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_events import (
    BytesSent,
    Closed,
    ContentReceived,
    ContentSent,
    Event,
    Frame,
    FrameSent,
    HeartbeatReceived,
    MethodReceived,
    MethodSent,
    NothingCame,
    Observer,
    ProtocolHeaderReceived,
    Unexpected,
    is_for,
)
from amqpbroker.testing.values import as_table

M = TypeVar("M", bound=Method)

TIME_LIMIT_S = 5.0
"""How long `receive` waits unless told otherwise."""

CAPABILITIES = (
    "authentication_failure_close",
    "basic.nack",
    "connection.blocked",
    "consumer_cancel_notify",
    "exchange_exchange_bindings",
    "publisher_confirms",
)
"""What a client of this century says that it understands."""

_FRAME_HEAD = Struct(">BHI")
_CONTENT_HEAD = Struct(">HHQ")
_WITH_CONTENT = (BasicDeliver, BasicGetOk, BasicReturn)
_READ_BYTES = 65536


class ServerAddress(NamedTuple):
    """Where a broker is and who one is there: the parts of an ``amqp://`` URL."""

    host: str
    port: int
    user: str
    password: str
    virtual_host: str

    @classmethod
    def of(cls, url: str) -> ServerAddress:
        """Take *url* apart; what is missing is guest, guest, 5672 and ``/``."""
        parts = urlsplit(url)
        if parts.scheme != "amqp":
            raise ValueError(f"not an amqp:// URL: {url}")
        return cls(
            parts.hostname or "localhost",
            parts.port or 5672,
            unquote(parts.username or "guest"),
            unquote(parts.password or "guest"),
            unquote(parts.path[1:]) or "/",
        )


def plain(user: str, password: str) -> bytes:
    """The response of SASL PLAIN."""
    return b"\x00" + user.encode() + b"\x00" + password.encode()


def client_properties(*capabilities: str) -> Table:
    """The properties of a client that understands *capabilities*."""
    return as_table({"capabilities": dict.fromkeys(capabilities, True)})


def encode_frame(kind: int, channel: int, payload: bytes, end: int = FRAME_END) -> bytes:
    return _FRAME_HEAD.pack(kind, channel, len(payload)) + payload + bytes((end,))


def encode_content_header(
    body_size: int,
    properties: Properties = NO_PROPERTIES,
    *,
    class_id: int = CLASS_BASIC,
    weight: int = 0,
) -> bytes:
    """The payload of a header frame."""
    return _CONTENT_HEAD.pack(class_id, weight, body_size) + properties.raw


class RawConnection:
    """One TCP connection to a broker.

    It answers nothing by itself: neither heartbeats nor closes.  `channel_max`, `frame_max` and
    `heartbeat` are what `tune` told the server.
    """

    def __init__(
        self, url: str, *, time_limit_s: float = TIME_LIMIT_S, observer: Observer | None = None
    ) -> None:
        """Open the TCP connection, and say nothing yet."""
        self.address = ServerAddress.of(url)
        self.time_limit_s = time_limit_s
        self.observer = observer
        self.frame_max = DEFAULT_FRAME_MAX
        self.channel_max = 0
        self.heartbeat = 0
        self.is_open = False  # connection.open-ok has arrived
        self.is_closing = False  # connection.close or close-ok has arrived, perhaps not yet taken
        self.is_closed = False  # the server's end; what came before it may still be unread
        self.channels: dict[int, RawChannel] = {}
        self._buffer = bytearray()
        self._events: list[Event] = []  # arrived and not yet taken
        self._contents: dict[int, _Content] = {}  # {channel: what is being put together}
        self._socket = socket.create_connection(self.address[:2], timeout=time_limit_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        time_limit_s: float = TIME_LIMIT_S,
        observer: Observer | None = None,
        capabilities: tuple[str, ...] = CAPABILITIES,
        channel_max: int | None = None,
        frame_max: int | None = None,
        heartbeat: int = 0,
    ) -> RawConnection:
        """Connect and go through the whole handshake, with the user and vhost of *url*.

        What is None is accepted as the server proposes it.
        """
        connection = cls(url, time_limit_s=time_limit_s, observer=observer)
        connection.start()
        connection.start_ok(properties=client_properties(*capabilities))
        proposed = connection.expect(ConnectionTune)
        connection.tune_ok(
            proposed.channel_max if channel_max is None else channel_max,
            proposed.frame_max if frame_max is None else frame_max,
            heartbeat,
        )
        connection.open_virtual_host()
        return connection

    # The steps of the handshake

    def send_protocol_header(self, raw: bytes = PROTOCOL_HEADER) -> None:
        self.send_bytes(raw)

    def start(self) -> ConnectionStart:
        """Send the protocol header and take connection.start."""
        self.send_protocol_header()
        return self.expect(ConnectionStart)

    def start_ok(
        self,
        *,
        mechanism: str = "PLAIN",
        response: bytes | None = None,
        properties: Table | None = None,
    ) -> None:
        """Send connection.start-ok; the response is PLAIN's for the URL's user unless given."""
        if response is None:
            response = plain(self.address.user, self.address.password)
        if properties is None:
            properties = client_properties(*CAPABILITIES)
        self.send_method(0, ConnectionStartOk(properties, mechanism, response))

    def tune_ok(self, channel_max: int, frame_max: int, heartbeat: int = 0) -> None:
        """Send connection.tune-ok and keep to *frame_max* from now on."""
        self.channel_max, self.heartbeat = channel_max, heartbeat
        self.frame_max = frame_max or DEFAULT_FRAME_MAX
        self.send_method(0, ConnectionTuneOk(channel_max, frame_max, heartbeat))

    def open_virtual_host(self, virtual_host: str | None = None) -> ConnectionOpenOk:
        """Send connection.open and take open-ok."""
        if virtual_host is None:
            virtual_host = self.address.virtual_host
        self.send_method(0, ConnectionOpen(virtual_host))
        return self.expect(ConnectionOpenOk)

    # Sending

    def send_bytes(self, raw: bytes) -> None:
        """Send any bytes at all."""
        self._tell_sent(BytesSent(raw))
        self._write(raw)

    def send_frame(self, kind: int, channel: int, payload: bytes) -> None:
        """Send one frame of any kind with any payload."""
        self._tell_sent(FrameSent(channel, Frame(kind, channel, payload)))
        self._write(encode_frame(kind, channel, payload))

    def send_method(self, channel: int, method: Method) -> None:
        self._tell_sent(MethodSent(channel, method))
        self._write(encode_frame(FRAME_METHOD, channel, encode_method(method)))

    def send_content(
        self, channel: int, body: bytes, properties: Properties = NO_PROPERTIES
    ) -> None:
        """Send a content header and as many body frames as frame-max asks for."""
        self._tell_sent(ContentSent(channel, properties, body))
        piece_bytes = self.frame_max - FRAME_OVERHEAD_BYTES
        header = encode_content_header(len(body), properties)
        pieces = [body[start : start + piece_bytes] for start in range(0, len(body), piece_bytes)]
        frames = [encode_frame(FRAME_HEADER, channel, header)]
        frames += [encode_frame(FRAME_BODY, channel, piece) for piece in pieces]
        self._write(b"".join(frames))

    def finish_sending(self) -> None:
        """Shut the sending half of the connection down: the server reads an end of file."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    # Receiving

    def receive(self, channel: int | None = None, *, time_limit_s: float | None = None) -> Event:
        """Take the next event of *channel*, or of all; what ends the connection is for all.

        Raises `NothingCame` when the time limit has passed.
        """
        event = self.take(channel, time_limit_s=time_limit_s)
        self.tell_received(event)
        return event

    def take(self, channel: int | None = None, *, time_limit_s: float | None = None) -> Event:
        """`receive`, without telling the observer."""
        limit_s = self.time_limit_s if time_limit_s is None else time_limit_s
        deadline = time.monotonic() + limit_s
        checked = 0
        while True:
            for index in range(checked, len(self._events)):
                if is_for(self._events[index], channel):
                    return self._events.pop(index)
            checked = len(self._events)
            if self.is_closed:
                return Closed()
            if not self._read(deadline):
                raise NothingCame(f"nothing came within {limit_s:g} s")

    def expect(self, method_class: type[M], channel: int = 0) -> M:
        """Take the next event of *channel*, which must be this method (its content is dropped).

        Raises `Unexpected`.
        """
        event = self.receive(channel)
        if isinstance(event, MethodReceived | ContentReceived):
            if isinstance(event.method, method_class):
                return event.method
        raise Unexpected(method_class.name, event)

    def expect_closed(self, *, time_limit_s: float | None = None) -> None:
        """Take the end of the TCP connection.  Raises `Unexpected` when anything else comes."""
        event = self.receive(time_limit_s=time_limit_s)
        if not isinstance(event, Closed):
            raise Unexpected("the end of the connection", event)

    def expect_close(self) -> ConnectionClose:
        """Take connection.close, answer it, and see the TCP connection end."""
        close = self.expect(ConnectionClose)
        self.send_method(0, ConnectionCloseOk())
        self.expect_closed()
        return close

    def unread(self) -> list[Event]:
        """What has arrived and was not taken, in order.  It is not read again."""
        events, self._events = self._events, []
        return events

    # Channels, and the end

    def channel(self, number: int | None = None) -> RawChannel:
        """Open a channel; the lowest free number unless given."""
        channel = self.unopened_channel(number)
        channel.open()
        return channel

    def unopened_channel(self, number: int | None = None) -> RawChannel:
        """A channel on which nothing has been said yet."""
        if number is None:
            number = next(n for n in range(1, 65536) if n not in self.channels)
        channel = self.channels[number] = RawChannel(self, number)
        return channel

    def close(self) -> None:
        """Say connection.close and wait for its answer; what else comes is thrown away."""
        if not self.is_closed:
            self.send_method(0, ConnectionClose(200, "done"))
            while True:
                event = self.receive()
                if isinstance(event, Closed):
                    break
                if isinstance(event, MethodReceived):
                    if isinstance(event.method, ConnectionCloseOk):
                        break
                    if isinstance(event.method, ConnectionClose):
                        self.send_method(0, ConnectionCloseOk())
        self.drop()

    def drop(self) -> None:
        """End the TCP connection without a word."""
        self._socket.close()
        self.is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.drop()

    def tell_received(self, event: Event) -> None:
        """Tell the observer that the test took *event*."""
        if self.observer is not None:
            self.observer.received(event)

    def _tell_sent(self, sent: BytesSent | FrameSent | MethodSent | ContentSent) -> None:
        if self.observer is not None:
            self.observer.sent(sent)

    def _write(self, raw: bytes) -> None:
        """Send; that nobody listens any more is learned by reading."""
        self._socket.settimeout(self.time_limit_s)
        try:
            self._socket.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _read(self, deadline: float) -> bool:
        """Read once and note the events; False when the deadline passed first."""
        data = self.read_some(deadline)
        if data is None:
            return False
        if data:
            self._buffer += data
            self._split()
        else:
            self.is_closed = True
        return True

    def read_some(self, deadline: float) -> bytes | None:
        """Bytes as they come, for who understands them without this client's help.

        Empty at the end of the connection; None when *deadline* (of `time.monotonic`) came first.
        """
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0:
            return None
        self._socket.settimeout(remaining_s)
        try:
            return self._socket.recv(_READ_BYTES)
        except TimeoutError:
            return None
        except ConnectionResetError:
            return b""

    def _split(self) -> None:
        buffer = self._buffer
        while True:
            if buffer.startswith(b"AMQP"):
                if len(buffer) < len(PROTOCOL_HEADER):
                    return
                self._events.append(ProtocolHeaderReceived(bytes(buffer[:8])))
                del buffer[:8]
                continue
            if len(buffer) < FRAME_HEAD_BYTES:
                return
            kind, channel, size = _FRAME_HEAD.unpack_from(buffer)
            end = FRAME_HEAD_BYTES + size
            if len(buffer) <= end:
                return
            assert buffer[end] == FRAME_END, "the server sent a frame with a wrong end"
            self._note(Frame(kind, channel, bytes(buffer[FRAME_HEAD_BYTES:end])))
            del buffer[: end + 1]

    def _note(self, frame: Frame) -> None:
        content = self._contents.get(frame.channel)
        if frame.kind == FRAME_HEARTBEAT:
            self._events.append(HeartbeatReceived(frame.channel))
            return
        if frame.kind == FRAME_METHOD:
            assert content is None, "the server sent a method in the middle of a content"
            method = decode_method(frame.payload)
            if isinstance(method, _WITH_CONTENT):
                self._contents[frame.channel] = _Content(method)
            else:
                self._events.append(MethodReceived(frame.channel, method))
                self.is_open |= isinstance(method, ConnectionOpenOk)
                self.is_closing |= isinstance(method, ConnectionClose | ConnectionCloseOk)
            return
        assert content is not None, "the server sent content without its method"
        content.add(frame)
        if content.is_whole:
            del self._contents[frame.channel]
            self._events.append(content.event(frame.channel))

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        return f"<RawConnection {self.address.host}:{self.address.port} {state}>"


class _Content:
    """A content that is being put together from its frames."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.properties: Properties | None = None
        self.body_size = 0
        self.pieces: list[bytes] = []

    def add(self, frame: Frame) -> None:
        if frame.kind == FRAME_HEADER:
            assert self.properties is None, "the server sent two content headers"
            class_id, weight, self.body_size = _CONTENT_HEAD.unpack_from(frame.payload)
            assert (class_id, weight) == (CLASS_BASIC, 0)
            self.properties = Properties(frame.payload[_CONTENT_HEAD.size :])
        else:
            assert frame.kind == FRAME_BODY, f"the server sent a frame of type {frame.kind}"
            self.pieces.append(frame.payload)

    @property
    def is_whole(self) -> bool:
        return self.properties is not None and self.body_size <= sum(map(len, self.pieces))

    def event(self, channel: int) -> ContentReceived:
        assert self.properties is not None
        sizes = tuple(map(len, self.pieces))
        return ContentReceived(channel, self.method, self.properties, b"".join(self.pieces), sizes)
