"""The two ends of a simulated connection, joined by bytes.

`SimulatedSession` does what `server.session.Session` does, without its socket, its clock and its
alarms: bytes through `wire.Connection` to the engine's verbs, and back through `SessionOutlet`.
Whatever it executes and whatever the engine tells, it also tells the expectation.

`SimulatedClient` reads what it is sent, and holds it against what the engine told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import attrs
from brokers import GUEST
from expectation import Expectation

from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.connection import Connection as EngineConnection
from amqpbroker.engine.ports import Deliver
from amqpbroker.server.methods import HANDLERS, ContentReply
from amqpbroker.server.outlet import SessionOutlet
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import FRAME_METHOD, PROTOCOL_HEADER, ReplyCode
from amqpbroker.spec.errors import AMQPException, ChannelException, ConnectionException
from amqpbroker.spec.message import Message, encode_content
from amqpbroker.spec.method import Method, decode_method
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.wire.connection import Connection
from amqpbroker.wire.events import (
    AcksReceived,
    Event,
    HeaderReceived,
    MethodReceived,
    PublishReceived,
)
from amqpbroker.wire.frames import read_frame
from amqpbroker.wire.writer import method_frame

FRAME_MAX = 4096
#: A client with this much unread output is given no more deliveries.
CONGESTED_BYTES = 20_000
PROPERTIES = (
    NO_PROPERTIES,
    properties_of(delivery_mode=2),
    properties_of(content_type="text/plain", headers={}),
)


class Output:
    """What a session has to send: an outbox without a socket."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.byte_count = 0

    def add(self, data: bytes) -> None:
        self.pieces.append(data)
        self.byte_count += len(data)

    def take(self, byte_count: int) -> bytes:
        data = b"".join(self.pieces)
        self.pieces = [data[byte_count:]] if len(data) > byte_count else []
        self.byte_count = max(len(data) - byte_count, 0)
        return data[:byte_count]


class NotingOutlet:
    """A session's outlet that also tells the expectation, and the client what it will read."""

    def __init__(self, session: SimulatedSession) -> None:
        self._session = session
        self._expectation = session.expectation
        self._inner = SessionOutlet(
            session.output,  # type: ignore[arg-type]
            FRAME_MAX,
            session.output_added,
            self.close_connection,
            lambda _: None,
        )

    def deliverer(self, channel_number: int, consumer_tag: str) -> Deliver:
        inner = self._inner.deliverer(channel_number, consumer_tag)

        def deliver(first_tag: int, messages: Sequence[Message], redelivered: bool) -> None:
            for delivery_tag, message in enumerate(messages, first_tag):
                self._expectation.delivered(
                    self._session, channel_number, consumer_tag, delivery_tag, message.body,
                    redelivered=redelivered,
                )  # fmt: skip
                self._session.told.append(
                    (channel_number, "basic.deliver", consumer_tag, delivery_tag, redelivered,
                     message.body)
                )  # fmt: skip
            inner(first_tag, messages, redelivered)

        return deliver

    def return_message(
        self, channel_number: int, message: Message, reply_code: ReplyCode, reply_text: str
    ) -> None:
        self._expectation.returned(self._session, channel_number, message.body)
        self._session.told.append((channel_number, "basic.return", message.body))
        self._inner.return_message(channel_number, message, reply_code, reply_text)

    def confirm(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        self._expectation.confirmed(self._session, channel_number, publish_tag, multiple=multiple)
        self._session.told.append((channel_number, "basic.ack", publish_tag, multiple))
        self._inner.confirm(channel_number, publish_tag, multiple)

    def refuse(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        raise AssertionError("no queue here refuses anything")

    def cancel_consumer(self, channel_number: int, consumer_tag: str) -> None:
        self._session.told.append((channel_number, "basic.cancel", consumer_tag))
        self._inner.cancel_consumer(channel_number, consumer_tag)

    def close_channel(self, channel_number: int, error: ChannelException) -> None:
        raise AssertionError("nobody is late here")

    def close_connection(self, error: ConnectionException) -> None:
        raise AssertionError("no operator closes connections here")

    def send(self, channel_number: int, method: Method) -> None:
        self._inner.send(channel_number, method)

    def send_message(self, channel_number: int, method: Method, message: Message) -> None:
        self._inner.send_message(channel_number, method, message)


class SimulatedSession:
    """The server's end."""

    def __init__(self, broker: Broker, expectation: Expectation) -> None:
        self.broker = broker
        self.expectation = expectation
        self.output = Output()
        self.told: deque[tuple[object, ...]] = deque()
        self.written: dict[int, deque[str]] = {}  # {channel: requests that were not executed yet}
        self.is_over = False
        self._refused: set[int] = set()  # channels that we have closed, until they open again
        self._wire = Connection()
        self._outlet = NotingOutlet(self)
        self._engine: EngineConnection | None = None

    # Bytes

    def receive(self, data: bytes) -> None:
        """Work off some bytes of the client."""
        self._wire.receive(data)
        while (event := self._wire.next_event()) is not None:
            self._perform(event)

    def send(self, byte_count: int) -> bytes:
        """What the client's socket takes."""
        data = self.output.take(byte_count)
        engine = self._engine
        if engine is not None and engine.is_congested and self.output.byte_count < CONGESTED_BYTES:
            engine.drained()
        return data

    def finish_pass(self) -> None:
        if self._engine is not None:
            self._engine.tell_confirms()

    def leave(self) -> None:
        """The connection is over, politely or not."""
        self.is_over = True
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.tell_confirms()
            engine.close()
            self.expectation.close_connection(self)

    def output_added(self) -> None:
        if self.output.byte_count > CONGESTED_BYTES and self._engine is not None:
            self._engine.is_congested = True

    # Requests

    def _perform(self, event: Event) -> None:
        if isinstance(event, HeaderReceived):
            self._outlet.send(0, m.ConnectionStart())
        elif isinstance(event, PublishReceived):
            self._publish(event)
        elif isinstance(event, AcksReceived):
            self._ack(event)
        else:
            assert isinstance(event, MethodReceived), event
            if event.channel_number:
                self._perform_on_channel(event.channel_number, event.method)
            else:
                self._perform_on_connection(event.method)

    def _publish(self, event: PublishReceived) -> None:
        number, terms = event.channel_number, event.publish
        method = m.BasicPublish(
            0, terms.exchange_name, terms.routing_key, terms.mandatory, terms.immediate
        )
        code = 0
        for message in event.messages:
            self.executing(number, f"{method!r} {message.body!r}")
            code = code or self.expectation.publish(self, number, method, message.body)
        self._expect(
            code,
            number,
            lambda channel: channel.publish(
                terms, event.messages, event.content_bytes, is_plain=event.is_plain
            ),
        )

    def _ack(self, event: AcksReceived) -> None:
        for delivery_tag, multiple in event.acks:
            method = m.BasicAck(delivery_tag, multiple)
            self.executing(event.channel_number, repr(method))
            code = self.expectation.perform(self, event.channel_number, method)
            self._expect(
                code,
                event.channel_number,
                lambda channel, ack=method: channel.ack(ack.delivery_tag, multiple=ack.multiple),
            )
            if code:
                return

    def _perform_on_connection(self, method: Method) -> None:
        if isinstance(method, m.ConnectionStartOk):
            self._outlet.send(0, m.ConnectionTune(0, FRAME_MAX, 0))
        elif isinstance(method, m.ConnectionOpen):
            self._engine = self.broker.connect(GUEST, "/", self._outlet, wants_cancel_notify=True)
            self._outlet.send(0, m.ConnectionOpenOk())
        elif isinstance(method, m.ConnectionClose):
            self.leave()
            self._outlet.send(0, m.ConnectionCloseOk())

    def _perform_on_channel(self, number: int, method: Method) -> None:
        engine = self._engine
        assert engine is not None
        self.broker.dispatch()
        engine.tell_confirms()
        self.executing(number, repr(method))
        code = self.expectation.perform(self, number, method)
        if isinstance(method, m.ChannelOpen):
            engine.open_channel(number)
            self._outlet.send(number, m.ChannelOpenOk())
        elif isinstance(method, m.ChannelClose):
            engine.close_channel(number)
            self._outlet.send(number, m.ChannelCloseOk())
        else:
            self._expect(code, number, lambda channel: self._answer(channel, method))

    def _answer(self, channel: Channel, method: Method) -> None:
        reply = HANDLERS[type(method)](channel, method)
        if isinstance(method, m.BasicGet):
            answer = None
            if isinstance(reply, ContentReply):
                got = reply.method
                assert isinstance(got, m.BasicGetOk)
                body = reply.message.body
                answer = (got.delivery_tag, body, got.redelivered, got.message_count)
            self.expectation.got(self, channel.number, method, answer)
        if isinstance(reply, ContentReply):
            self._outlet.send_message(channel.number, reply.method, reply.message)
        elif reply is not None:
            self._outlet.send(channel.number, reply)

    def _expect(self, code: int, number: int, verb: Callable[[Channel], None]) -> None:
        """Do it; it must be refused as, and only if, it was expected to be."""
        engine = self._engine
        assert engine is not None
        refusal = _refusal_of(verb, engine.channels[number])
        assert (0 if refusal is None else refusal.reply_code) == code, refusal
        if refusal is not None:
            assert isinstance(refusal, ChannelException)
            engine.tell_confirms()
            engine.close_channel(number)
            self.expectation.close_channel(self, number)
            self._wire.closing_channel(number)
            self._refused.add(number)
            self._outlet.send(number, m.ChannelClose(refusal.reply_code, refusal.reply_text))

    def executing(self, number: int, request: str) -> None:
        """It was written, and only requests to a channel that we have closed were left out."""
        written = self.written[number]
        while (first := written.popleft()) != request:
            assert number in self._refused, f"{first} was not executed before {request}"
        if request == repr(m.ChannelOpen()):
            self._refused.discard(number)


def _refusal_of(verb: Callable[[Channel], None], channel: Channel) -> AMQPException | None:
    try:
        verb(channel)
    except AMQPException as error:
        return error
    return None


@attrs.define(eq=False)
class Desk:
    """A channel, as its client knows it."""

    number: int
    mode: str = ""
    is_open: bool = False
    tags: list[int] = attrs.Factory(list[int])  # of deliveries that it has not settled
    consumers: dict[str, bool] = attrs.Factory(dict[str, bool])  # {tag: no_ack}


class SimulatedClient:
    """The client's end: what it writes arrives when the day says so, and so does what it reads."""

    def __init__(self, name: str, session: SimulatedSession) -> None:
        self.name = name
        self.session = session
        self.desks: dict[int, Desk] = {}
        self.on_the_way = bytearray(PROTOCOL_HEADER)
        self.is_leaving = False
        self._data = b""
        self._content: list[object] = []  # of the message that is arriving
        self._body_bytes = 0
        for method in (m.ConnectionStartOk(), m.ConnectionTuneOk(9, FRAME_MAX, 0)):
            self.on_the_way += method_frame(0, method)
        self.on_the_way += method_frame(0, m.ConnectionOpen())

    # Writing

    def ask(self, number: int, method: Method) -> None:
        self.session.written.setdefault(number, deque()).append(repr(method))
        self.on_the_way += method_frame(number, method)

    def publish(
        self, number: int, method: m.BasicPublish, body: bytes, properties: Properties
    ) -> None:
        written = self.session.written.setdefault(number, deque())
        written.append(f"{method!r} {body!r}")
        self.on_the_way += method_frame(number, method)
        self.on_the_way += encode_content(number, properties.raw, body, FRAME_MAX)

    def say(self, number: int, method: Method) -> None:
        """Answer; nobody will execute it."""
        self.on_the_way += method_frame(number, method)

    def open(self, number: int) -> None:
        self.desks[number] = Desk(number)
        self.ask(number, m.ChannelOpen())

    # Reading

    def read(self, data: bytes) -> None:
        self._data += data
        position = 0
        while (frame := read_frame(self._data, position, FRAME_MAX)) is not None:
            position, payload = frame.end, bytes(frame.payload)
            if frame.type == FRAME_METHOD:
                assert not self._content, "a method in the middle of a message"
                method = decode_method(payload)
                if isinstance(method, m.BasicDeliver | m.BasicReturn | m.BasicGetOk):
                    self._content = [frame.channel_number, method, b""]
                    self._body_bytes = -1
                else:
                    self._read_method(frame.channel_number, method)
                continue
            self._add_content(frame.channel_number, payload)
        self._data = self._data[position:]

    def _add_content(self, number: int, payload: bytes) -> None:
        assert self._content[0] == number
        body = self._content[2]
        assert isinstance(body, bytes)
        if self._body_bytes < 0:
            self._body_bytes = int.from_bytes(payload[4:12])
        else:
            self._content[2] = body = body + payload
        if len(body) == self._body_bytes:
            method, self._content = self._content[1], []
            assert isinstance(method, Method)
            self._read_message(number, method, body)

    def _read_message(self, number: int, method: Method, body: bytes) -> None:
        desk = self.desks[number]
        if isinstance(method, m.BasicReturn):
            self._expect_told(number, method.name, body)
        elif isinstance(method, m.BasicDeliver):
            tag = method.delivery_tag
            self._expect_told(
                number, method.name, method.consumer_tag, tag, method.redelivered, body
            )
            if not desk.consumers.get(method.consumer_tag, True):
                desk.tags.append(tag)
        else:
            assert isinstance(method, m.BasicGetOk)
            if self.session_holds(number, method.delivery_tag):
                desk.tags.append(method.delivery_tag)

    def session_holds(self, number: int, delivery_tag: int) -> bool:
        channel = self.session.expectation.channels.get((self.session, number))
        return channel is not None and delivery_tag in channel.held

    def _read_method(self, number: int, method: Method) -> None:
        if isinstance(method, m.BasicAck):
            self._expect_told(number, method.name, method.delivery_tag, method.multiple)
        elif isinstance(method, m.BasicCancel):
            self._expect_told(number, method.name, method.consumer_tag)
            self.desks[number].consumers.pop(method.consumer_tag, None)
        elif isinstance(method, m.ChannelOpenOk):
            self.desks[number].is_open = True
        elif isinstance(method, m.ChannelClose):
            self.say(number, m.ChannelCloseOk())
            if self.desks[number].is_open:
                del self.desks[number]
        elif isinstance(method, m.ChannelCloseOk):
            del self.desks[number]
        else:
            assert not isinstance(method, m.ConnectionClose), method

    def _expect_told(self, *words: object) -> None:
        assert self.session.told.popleft() == words
