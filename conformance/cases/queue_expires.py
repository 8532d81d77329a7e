"""Queues that expire when nobody has used them for a while: x-expires."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicGet,
    ExchangeDeclare,
    QueueBind,
    QueueDeclare,
    QueuePurge,
    QueueUnbind,
)
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import absent, take, unroutable
from conformance.timed import arrive, confirming, dead_lettering, declared, let_pass, watch

NEEDS = "expires ttl dead-letter"


def expiring(peer: Peer, channel: RawChannel, duration_ms: int = 100) -> str:
    """The name of a new queue that lives for *duration_ms* when nobody uses it."""
    return declared(peer, channel, "q", {"x-expires": duration_ms})


@case("S-195", "S-171", needs=NEEDS)
def unused_queue(peer: Peer) -> None:
    """A queue that nobody has used for x-expires is deleted, and its bindings with it."""
    channel = peer.channel()
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    queue = expiring(peer, channel)
    channel.call(QueueBind(queue=queue, exchange=exchange))
    let_pass(peer, 300)
    absent(channel, queue)
    unroutable(channel, exchange, "")
    unroutable(channel, "", queue)


@case("S-195", "S-110", needs=NEEDS)
def durable_queue(peer: Peer) -> None:
    """A durable queue expires like any other."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-expires": 100}, durable=True)
    let_pass(peer, 300)
    absent(channel, queue)


@case("S-195", "S-159", needs=NEEDS)
def exclusive_queue(peer: Peer) -> None:
    """An exclusive queue expires while its connection lives."""
    channel = peer.channel()
    queue = peer.queue()
    arguments = as_table({"x-expires": 100})
    channel.call(QueueDeclare(queue=queue, exclusive=True, arguments=arguments))
    let_pass(peer, 300)
    absent(channel, queue)


@case("S-195", "S-171", needs=NEEDS)
def one_millisecond(peer: Peer) -> None:
    """A queue may live for no longer than a millisecond."""
    channel = peer.channel()
    queue = expiring(peer, channel, 1)
    let_pass(peer, 100)
    absent(channel, queue)


@case("S-195", needs=NEEDS)
def a_consumer_keeps_it(peer: Peer) -> None:
    """A queue that has a consumer does not expire; it does some time after the last one left."""
    channel = peer.channel()
    queue = expiring(peer, channel)
    for tag in ("one", "two"):
        channel.consume(queue, tag)
    let_pass(peer, 300)
    channel.call(BasicCancel("one"))
    let_pass(peer, 300)
    channel.publish("", queue, b"still there")
    arrive(channel, b"still there")
    channel.call(BasicCancel("two"))
    let_pass(peer, 300)
    absent(channel, queue)


@case("S-195", "S-158", needs=NEEDS)
def a_consumer_whose_channel_is_closed(peer: Peer) -> None:
    """A queue expires some time after the channel of its last consumer was closed."""
    channel = peer.channel()
    queue = expiring(peer, channel)
    consumer = peer.channel()
    consumer.consume(queue, "c")
    consumer.close()
    let_pass(peer, 300)
    absent(channel, queue)


@case("S-195", needs=NEEDS, slow=True)
def publishing_does_not_keep_it(peer: Peer) -> None:
    """Publishing is no use of a queue, nor are binding, unbinding and purging it."""
    channel = peer.channel()
    queue = expiring(peer, channel, 900)
    let_pass(peer, 700)
    channel.publish("", queue, b"hello")
    channel.call(QueueBind(queue=queue, exchange="amq.fanout"))
    channel.call(QueueUnbind(queue=queue, exchange="amq.fanout"))
    channel.call(QueuePurge(queue=queue))
    channel.publish("", queue, b"hello")
    let_pass(peer, 600)
    absent(channel, queue)


@case("S-195", needs=NEEDS, slow=True)
def declaring_keeps_it(peer: Peer) -> None:
    """A queue that is declared again now and then does not expire."""
    channel = peer.channel()
    queue = expiring(peer, channel, 600)
    for _ in range(4):
        let_pass(peer, 250)
        channel.call(QueueDeclare(queue=queue, arguments=as_table({"x-expires": 600})))
    let_pass(peer, 1800)
    absent(channel, queue)


@case("S-195", "S-154", needs=NEEDS, slow=True)
def declaring_passively_keeps_it(peer: Peer) -> None:
    """A queue that is declared passively now and then does not expire."""
    channel = peer.channel()
    queue = expiring(peer, channel, 600)
    for _ in range(4):
        let_pass(peer, 250)
        channel.call(QueueDeclare(queue=queue, passive=True))
    let_pass(peer, 1800)
    absent(channel, queue)


@case("S-195", "S-221", needs=NEEDS, slow=True)
def getting_keeps_it(peer: Peer) -> None:
    """A queue from which somebody gets now and then does not expire, empty or not."""
    channel = peer.channel()
    queue = expiring(peer, channel, 600)
    for number in range(4):
        let_pass(peer, 250)
        if number == 2:
            channel.publish("", queue, b"hello")
        channel.call(BasicGet(queue=queue, no_ack=True))
    let_pass(peer, 1800)
    absent(channel, queue)


@case("S-195", needs=NEEDS)
def unacked_messages_do_not_keep_it(peer: Peer) -> None:
    """A queue expires though somebody holds messages that were got; they can be settled still."""
    channel = peer.channel()
    queue = expiring(peer, channel)
    channel.publish("", queue, b"held")
    take(channel, queue, 1)
    let_pass(peer, 300)
    absent(peer.channel(), queue)
    channel.send(BasicAck(1))
    channel.round_trip()


@case("S-195", "S-274", needs=NEEDS)
def messages_are_not_dead_lettered(peer: Peer) -> None:
    """The messages of an expired queue are dropped."""
    channel = peer.channel()
    dead_lettering(peer, channel, {"x-expires": 100})
    channel.publish("", peer.name("q"), b"dropped")
    let_pass(peer, 300)
    absent(channel, peer.name("q"))
    sentinel = dead_lettering(peer, channel, {"x-message-ttl": 1}, word="sentinel")
    channel.publish("", sentinel, b"the only one")
    arrive(watch(peer), b"the only one")


@case("S-195", "S-192", needs=NEEDS)
def publishing_to_it_afterwards(peer: Peer) -> None:
    """A message for a queue that has expired is unroutable, and acked."""
    queue = expiring(peer, peer.channel())
    let_pass(peer, 300)
    channel = confirming(peer)
    channel.publish("", queue, b"hello")
    channel.expect_confirms()


@case("S-195", needs=NEEDS)
def declared_again_afterwards(peer: Peer) -> None:
    """A queue that has expired can be declared again, empty, and otherwise than before."""
    channel = peer.channel()
    queue = expiring(peer, channel)
    channel.publish("", queue, b"old")
    let_pass(peer, 300)
    channel.call(QueueDeclare(queue=queue, durable=True))
    assert channel.get(queue) is None
