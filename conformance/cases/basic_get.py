"""basic.get."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicConsume,
    BasicGet,
    BasicNack,
    BasicQos,
    ExchangeDeclare,
    QueueBind,
)
from amqpbroker.spec.properties import properties_of
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import count, fill, stocked, take


@case("S-221")
def empty_queue(peer: Peer) -> None:
    """A queue without messages answers get-empty."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.call(BasicGet(queue=queue))
    channel.call(BasicGet(queue=queue, no_ack=True))


@case("S-238", "S-240", "S-092")
def absent_queue(peer: Peer) -> None:
    """Nothing can be got from a queue that is not there."""
    peer.channel().refused(BasicGet(queue=peer.queue("nope")))


@case("S-238", "S-200")
def name_of_an_exchange(peer: Peer) -> None:
    """The name of an exchange is not the name of a queue."""
    peer.channel().refused(BasicGet(queue="amq.direct"))


@case("S-221")
def counts_what_is_left(peer: Peer) -> None:
    """get-ok counts the ready messages behind it."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 2)
    fill(peer, queue, b"4")
    take(channel, queue, 2)
    channel.call(BasicGet(queue=queue))


@case("S-221", "S-120")
def names_of_exchange_and_key(peer: Peer) -> None:
    """get-ok names the exchange and the routing key of the publish."""
    channel = peer.channel()
    queue, exchange = stocked(peer, channel), peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="topic"))
    channel.call(QueueBind(queue=queue, exchange=exchange, routing_key="#"))
    channel.publish(exchange, "a.b", b"1", properties_of(priority=1))
    channel.get(queue)


@case("S-222", "S-261")
def tags_are_shared_with_consumers(peer: Peer) -> None:
    """Gets and deliveries of a channel count together, those without acks too."""
    channel = peer.channel()
    queue, other = stocked(peer, channel, b"1", b"2"), stocked(peer, channel, b"3", word="other")
    channel.call(BasicGet(queue=queue))
    channel.consume(other, "c")
    channel.deliveries(1)
    channel.get(queue)
    fill(peer, other, b"4")
    channel.deliveries(1)
    channel.send(BasicAck(4, multiple=True))
    channel.round_trip()


@case("S-222", "S-250")
def no_ack(peer: Peer) -> None:
    """A message that was got without ack is gone, and its tag is unknown."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    channel.get(queue)
    channel.refused(BasicAck(1))
    channel.open()
    channel.get(queue)


@case("S-223", "S-244")
def prefetch_does_not_count(peer: Peer) -> None:
    """Gets are not limited by the prefetch."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=1))
    channel.call(BasicQos(prefetch_count=1, global_=True))
    take(channel, queue, 3)


@case("S-223", "S-249")
def does_not_use_up_the_prefetch(peer: Peer) -> None:
    """What was got does not count against a consumer's own prefetch."""
    channel = peer.channel()
    queue, other = stocked(peer, channel, b"1"), stocked(peer, channel, b"2", word="other")
    channel.call(BasicQos(prefetch_count=1))
    channel.consume(other, "c")
    channel.deliveries(1)
    take(channel, queue, 1)
    channel.send(BasicAck(1))
    fill(peer, other, b"3")
    channel.deliveries(1)


@case("S-223", "S-230")
def beside_an_exclusive_consumer(peer: Peer) -> None:
    """A queue with an exclusive consumer can still be asked by get."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.call(BasicQos(prefetch_count=1))
    channel.call(BasicConsume(queue=queue, consumer_tag="c", exclusive=True))
    channel.deliveries(1)
    other.call(BasicGet(queue=queue))
    count(other, queue)


@case("S-258", "S-221")
def redelivered(peer: Peer) -> None:
    """A message that was got and came back is redelivered; another is not."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.call(BasicGet(queue=queue))
    channel.send(BasicNack(1))
    take(channel, queue, 2)


@case("S-221")
def all_messages_are_out(peer: Peer) -> None:
    """A queue whose messages are all out answers get-empty."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1")
    take(channel, queue, 1)
    other.call(BasicGet(queue=queue))
    channel.send(BasicNack(1))
    channel.round_trip()
    other.call(BasicGet(queue=queue))
