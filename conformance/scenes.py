"""What many cases begin with, or end with: a queue that holds something, a count, a hard error.

A preparation is not written down message by message; a remark tells the reader what is there.
"""

from __future__ import annotations

from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicGet,
    BasicGetOk,
    BasicReturn,
    ChannelClose,
    ChannelCloseOk,
    ConfirmSelect,
    ConnectionClose,
    ExchangeDeclare,
    QueueDeclare,
    QueueDeclareOk,
)
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import RawConnection
from amqpbroker.testing.raw_events import ContentReceived, MethodReceived, Unexpected
from conformance.peers import Peer


def stocked(peer: Peer, channel: RawChannel, *bodies: bytes, word: str = "q") -> str:
    """The name of a new queue, declared by *channel*, that holds *bodies*."""
    queue = peer.queue(word)
    with peer.quiet():
        channel.call(QueueDeclare(queue=queue))
    if bodies:
        fill(peer, queue, *bodies)
    else:
        peer.note(f"queue {queue!r} is empty")
    return queue


def fill(peer: Peer, queue: str, *bodies: bytes) -> None:
    """Let somebody else publish *bodies* to *queue*, and wait until they are there.

    RabbitMQ answers queue.declare out of turn: its counts say nothing about messages that the same
    channel published just before, or acked, rejected or requeued.  They do after this, and
    basic.get, queue.purge and queue.delete always come in their turn.
    """
    with RawConnection.open(peer.url) as connection:
        channel = connection.channel()
        channel.call(ConfirmSelect())
        for body in bodies:
            channel.publish("", queue, body)
        channel.expect_confirms()
        connection.close()
    peer.note(f"queue {queue!r} gets {' '.join(repr(body) for body in bodies)}")


def count(channel: RawChannel, queue: str) -> tuple[int, int]:
    """How many messages are ready in *queue*, and how many consumers it has.

    Only where nothing is under way to the queue: see `fill`.
    """
    ok = channel.call(QueueDeclare(queue=queue, passive=True), QueueDeclareOk)
    return ok.message_count, ok.consumer_count


def take(channel: RawChannel, queue: str, number: int) -> list[int]:
    """Get *number* messages that are to be acknowledged; their delivery tags."""
    return [channel.call(BasicGet(queue=queue), BasicGetOk).delivery_tag for _ in range(number)]


def ack_each(channel: RawChannel, deliveries: list[ContentReceived]) -> None:
    for delivery in deliveries:
        channel.send(BasicAck(dict(delivery.method.arguments_by_name())["delivery_tag"]))


def absent(channel: RawChannel, queue: str) -> None:
    """Show that there is no such queue; the channel is open afterwards."""
    channel.refused(QueueDeclare(queue=queue, passive=True))
    channel.open()


def breaks_connection(channel: RawChannel, request: Method) -> ConnectionClose:
    """Send *request*, for which the server must close the whole connection."""
    channel.send(request)
    return channel.connection.expect_close()


def accepted_or_closed(channel: RawChannel) -> bool:
    """Ask something harmless, where the versions differ in whether the channel is closed first.

    A closed channel is opened again; tells whether it had stayed open.
    """
    channel.send(ExchangeDeclare(exchange="amq.direct", passive=True))
    event = channel.receive()
    if isinstance(event, MethodReceived):
        if isinstance(event.method, ChannelClose):
            channel.send(ChannelCloseOk())
            channel.open()
            return False
        if event.method.name == "exchange.declare-ok":
            return True
    raise Unexpected("exchange.declare-ok or channel.close", event)


def routable(channel: RawChannel, exchange: str, routing_key: str, body: bytes = b"probe") -> None:
    """Publish a message that must find a queue."""
    channel.publish(exchange, routing_key, body, mandatory=True)
    channel.round_trip()


def unroutable(
    channel: RawChannel, exchange: str, routing_key: str, body: bytes = b"probe"
) -> None:
    """Publish a message that must be returned."""
    channel.publish(exchange, routing_key, body, mandatory=True)
    channel.expect_content(BasicReturn)


def drain(channel: RawChannel, queue: str, *bodies: bytes) -> None:
    """Take what stands in *queue*, or is about to come back to it: just *bodies*, in this order.

    What was got returns some time after its channel was closed, and only who consumes can wait.
    """
    channel.consume(queue, "drain", no_ack=True)
    assert [delivery.body for delivery in channel.deliveries(len(bodies))] == list(bodies)
    channel.call(BasicCancel("drain"))
