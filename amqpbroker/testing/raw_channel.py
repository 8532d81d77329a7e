"""A channel of a raw connection: send, take, expect, call, and little more.

Nothing is remembered about the channel except its number, whether it is open, and which publishes
of a channel in confirm mode are not confirmed yet, since only that gives `multiple` its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar, overload

from amqpbroker.spec.method import METHODS, Method
from amqpbroker.spec.methods import (
    BasicAck,
    BasicConsume,
    BasicConsumeOk,
    BasicDeliver,
    BasicGet,
    BasicGetEmpty,
    BasicGetOk,
    BasicNack,
    BasicPublish,
    ChannelClose,
    ChannelCloseOk,
    ChannelOpen,
    ChannelOpenOk,
    ConfirmSelect,
    ExchangeDeclare,
    ExchangeDeclareOk,
)
from amqpbroker.spec.properties import NO_PROPERTIES, Properties
from amqpbroker.testing.raw_events import (
    ConfirmsReceived,
    ContentReceived,
    Event,
    MethodReceived,
    Unexpected,
)

if TYPE_CHECKING:
    from amqpbroker.testing.raw_client import RawConnection

M = TypeVar("M", bound=Method)


def _replies() -> Mapping[type[Method], tuple[type[Method], ...]]:
    by_name = {method_class.name: method_class for method_class in METHODS.values()}
    replies = {
        request: (by_name[f"{name}-ok"],)
        for name, request in by_name.items()
        if f"{name}-ok" in by_name
    }
    return {**replies, BasicGet: (BasicGetOk, BasicGetEmpty)}


REPLIES = _replies()
"""{synchronous method: the methods that answer it}"""


class RawChannel:
    """A channel, by its number.  It is opened by `open`, or not at all."""

    def __init__(self, connection: RawConnection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.is_open = False
        self._is_confirming = False
        self._published_count = 0  # publishes since confirm.select
        self._unconfirmed: set[int] = set()

    def open(self) -> ChannelOpenOk:
        reply = self.call(ChannelOpen(), ChannelOpenOk)
        self.is_open = True
        return reply

    def close(self) -> ChannelCloseOk:
        """Close the channel; its number is free again."""
        reply = self.call(ChannelClose(200, "done"), ChannelCloseOk)
        self._forget()
        return reply

    # Sending

    def send(self, method: Method) -> None:
        """Send a method and wait for nothing."""
        self.connection.send_method(self.number, method)
        if isinstance(method, ConfirmSelect):
            self._is_confirming = True

    def send_frame(self, kind: int, payload: bytes) -> None:
        self.connection.send_frame(kind, self.number, payload)

    def publish(
        self,
        exchange: str,
        routing_key: str,
        body: bytes = b"",
        properties: Properties = NO_PROPERTIES,
        *,
        mandatory: bool = False,
        immediate: bool = False,
    ) -> int:
        """Publish a message; its sequence number for confirms (0 out of confirm mode)."""
        self.send(BasicPublish(0, exchange, routing_key, mandatory, immediate))
        self.connection.send_content(self.number, body, properties)
        if not self._is_confirming:
            return 0
        self._published_count += 1
        self._unconfirmed.add(self._published_count)
        return self._published_count

    # Receiving

    def receive(self, *, time_limit_s: float | None = None) -> Event:
        """Take the next event of this channel, or what ends the connection."""
        event = self.connection.receive(self.number, time_limit_s=time_limit_s)
        if isinstance(event, MethodReceived) and isinstance(
            event.method, ChannelClose | ChannelCloseOk
        ):
            self.is_open = False
        return event

    def expect(self, method_class: type[M]) -> M:
        """Take the next event, which must be this method.  Raises `Unexpected`."""
        event = self.receive()
        if isinstance(event, MethodReceived | ContentReceived):
            if isinstance(event.method, method_class):
                return event.method
        raise Unexpected(method_class.name, event)

    def expect_content(self, method_class: type[Method]) -> ContentReceived:
        """Take the next event, which must be this method with its content.

        Raises `Unexpected`.
        """
        event = self.receive()
        if isinstance(event, ContentReceived) and isinstance(event.method, method_class):
            return event
        raise Unexpected(method_class.name, event)

    def deliveries(self, count: int) -> list[ContentReceived]:
        """Take *count* basic.deliver in a row."""
        return [self.expect_content(BasicDeliver) for _ in range(count)]

    def expect_confirms(self) -> ConfirmsReceived:
        """Take basic.ack and basic.nack until every publish is confirmed.

        How the server groups them (`multiple`) does not show in the result.  Raises `Unexpected`
        when anything else comes in between; the observer then learns that too.
        """
        settled: dict[bool, list[int]] = {True: [], False: []}  # {is acked: sequence numbers}
        while self._unconfirmed:
            event = self.connection.take(self.number)
            method = event.method if isinstance(event, MethodReceived) else None
            if not isinstance(method, BasicAck | BasicNack):
                self._tell_confirms(settled)
                self.connection.tell_received(event)
                raise Unexpected("basic.ack or basic.nack", event)
            tags = {method.delivery_tag}
            if method.multiple:
                tags = {tag for tag in self._unconfirmed if tag <= method.delivery_tag}
            if not tags or not tags <= self._unconfirmed:
                self.connection.tell_received(event)
                raise Unexpected(f"a confirm of one of {sorted(self._unconfirmed)}", event)
            self._unconfirmed -= tags
            settled[isinstance(method, BasicAck)] += tags
        return self._tell_confirms(settled)

    # Questions and answers

    @overload
    def call(self, request: Method) -> Method: ...

    @overload
    def call(self, request: Method, reply_class: type[M]) -> M: ...

    def call(self, request: Method, reply_class: type[Method] | None = None) -> Method:
        """Send a synchronous method and take its answer.  Raises `Unexpected`."""
        self.send(request)
        if reply_class is not None:
            return self.expect(reply_class)
        event = self.receive()
        if isinstance(event, MethodReceived | ContentReceived):
            if isinstance(event.method, REPLIES[type(request)]):
                return event.method
        raise Unexpected(f"the answer to {request.name}", event)

    def get(self, queue_name: str, *, no_ack: bool = True) -> ContentReceived | None:
        """basic.get; None when the queue is empty."""
        self.send(BasicGet(0, queue_name, no_ack))
        event = self.receive()
        if isinstance(event, ContentReceived) and isinstance(event.method, BasicGetOk):
            return event
        if isinstance(event, MethodReceived) and isinstance(event.method, BasicGetEmpty):
            return None
        raise Unexpected("the answer to basic.get", event)

    def get_all(self, queue_name: str) -> list[bytes]:
        """The bodies of all ready messages, which are gone afterwards."""
        bodies: list[bytes] = []
        while (got := self.get(queue_name)) is not None:
            bodies.append(got.body)
        return bodies

    def consume(self, queue_name: str, consumer_tag: str = "", *, no_ack: bool = False) -> str:
        """basic.consume; the consumer tag."""
        request = BasicConsume(0, queue_name, consumer_tag, no_ack=no_ack)
        return self.call(request, BasicConsumeOk).consumer_tag

    def expect_close(self, *, answer: bool = True) -> ChannelClose:
        """Take channel.close, and answer it unless told not to."""
        close = self.expect(ChannelClose)
        if answer:
            self.send(ChannelCloseOk())
            self._forget()
        return close

    def refused(self, request: Method) -> ChannelClose:
        """Send *request*, for which the server must close the channel; the close is answered."""
        self.send(request)
        return self.expect_close()

    def round_trip(self) -> None:
        """Ask something harmless and take the answer: whatever was to come has come before it.

        What other processes of the server send later (confirms, deliveries) is not covered.
        Raises `Unexpected` when something stood before the answer.
        """
        self.call(ExchangeDeclare(0, "amq.direct", passive=True), ExchangeDeclareOk)

    def _forget(self) -> None:
        self.is_open = self._is_confirming = False
        self._published_count = 0
        self._unconfirmed.clear()

    def _tell_confirms(self, settled: Mapping[bool, list[int]]) -> ConfirmsReceived:
        acked, nacked = tuple(sorted(settled[True])), tuple(sorted(settled[False]))
        confirms = ConfirmsReceived(self.number, acked, nacked)
        if acked or nacked:
            self.connection.tell_received(confirms)
        return confirms

    def __repr__(self) -> str:
        return f"<RawChannel {self.number} {'open' if self.is_open else 'closed'}>"
