"""What cases about time, limits and dead letters begin with, or end with."""

from __future__ import annotations

from collections.abc import Mapping

from amqpbroker.spec.methods import ConfirmSelect, QueueDeclare, QueueDeclareOk
from amqpbroker.spec.properties import NO_PROPERTIES, Properties
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import RawConnection, as_table
from amqpbroker.testing.raw_events import ContentReceived
from conformance.peers import Peer

DEAD = "dead"
"""The queue for dead letters, and its consumer."""


def let_pass(peer: Peer, duration_ms: int) -> None:
    """Wait until the broker thinks that *duration_ms* have passed.

    What was to happen in a third of that has then happened: the broker's timers are about as late
    for one queue as for another.
    """
    time_limit_s = peer.time_limit_s + duration_ms / 1000
    with RawConnection.open(peer.url, time_limit_s=time_limit_s) as connection:
        channel = connection.channel()
        end = channel.call(QueueDeclare(exclusive=True), QueueDeclareOk).queue
        arguments = {
            "x-message-ttl": duration_ms,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": end,
        }
        timed = QueueDeclare(exclusive=True, arguments=as_table(arguments))
        clock = channel.call(timed, QueueDeclareOk).queue
        channel.consume(end, no_ack=True)
        channel.publish("", clock, b"time is up")
        channel.deliveries(1)
        connection.close()
    peer.note(f"{duration_ms} ms pass")


def declared(
    peer: Peer,
    channel: RawChannel,
    word: str,
    arguments: Mapping[str, object] | None = None,
    *,
    durable: bool = False,
) -> str:
    """The name of a new queue with *arguments*."""
    queue = peer.queue(word)
    table = as_table(arguments or {})
    channel.call(QueueDeclare(queue=queue, durable=durable, arguments=table))
    return queue


def dead_lettering(
    peer: Peer,
    channel: RawChannel,
    arguments: Mapping[str, object] | None = None,
    *,
    word: str = "q",
    durable: bool = False,
) -> str:
    """The name of a new queue with *arguments* whose dead letters go to the queue `DEAD`."""
    target = peer.queue(DEAD)
    with peer.quiet():
        channel.call(QueueDeclare(queue=target))
    routed = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": target}
    return declared(peer, channel, word, {**(arguments or {}), **routed}, durable=durable)


def watch(peer: Peer, word: str = DEAD) -> RawChannel:
    """A new channel that consumes the queue *word*, by default the one for dead letters."""
    channel = peer.channel()
    channel.consume(peer.name(word), word, no_ack=True)
    return channel


def arrive(watching: RawChannel, *bodies: bytes) -> list[ContentReceived]:
    """Take just *bodies*, in this order, by the channel that consumes them."""
    deliveries = watching.deliveries(len(bodies))
    assert [delivery.body for delivery in deliveries] == list(bodies)
    return deliveries


def publish_all(
    channel: RawChannel, queue: str, *bodies: bytes, properties: Properties = NO_PROPERTIES
) -> None:
    """Publish *bodies* to *queue*."""
    for body in bodies:
        channel.publish("", queue, body, properties)


def confirming(peer: Peer) -> RawChannel:
    """A new channel in confirm mode."""
    channel = peer.channel()
    with peer.quiet():
        channel.call(ConfirmSelect())
    return channel
