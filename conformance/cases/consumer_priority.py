"""Consumers with priorities, beyond those of basic_dispatch: who is next, and when it is full."""

from __future__ import annotations

from amqpbroker.spec.methods import BasicAck, BasicCancel, BasicConsume, BasicQos, QueueDeclare
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import count, fill, stocked
from conformance.timed import arrive, declared, publish_all

NEEDS = "priority"


def consumer(
    peer: Peer, queue: str, priority: int, *, prefetch_count: int = 0, no_ack: bool = False
) -> RawChannel:
    """A new channel that consumes *queue* with *priority*, which is its tag, too."""
    channel = peer.channel()
    if prefetch_count:
        channel.call(BasicQos(prefetch_count=prefetch_count))
    arguments = as_table({"x-priority": priority})
    channel.call(
        BasicConsume(queue=queue, consumer_tag=str(priority), no_ack=no_ack, arguments=arguments)
    )
    return channel


@case("S-233", "S-245")
def full_ones_let_others_have_some(peer: Peer) -> None:
    """When the highest consumer is full the next one gets messages, until that is full, too."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    low = consumer(peer, queue, 1, prefetch_count=1)
    high = consumer(peer, queue, 3, prefetch_count=2)
    middle = consumer(peer, queue, 2, prefetch_count=1)
    fill(peer, queue, b"1", b"2", b"3", b"4", b"5")
    arrive(high, b"1", b"2")
    arrive(middle, b"3")
    arrive(low, b"4")
    assert count(channel, queue) == (1, 3)


@case("S-233", "S-249")
def room_for_the_highest_again(peer: Peer) -> None:
    """When the highest consumer has acked, it gets the next message, before others with room."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    high = consumer(peer, queue, 2, prefetch_count=1)
    low = consumer(peer, queue, 1, prefetch_count=2)
    fill(peer, queue, b"1")
    arrive(high, b"1")
    fill(peer, queue, b"2")
    arrive(low, b"2")
    high.send(BasicAck(1))
    high.round_trip()
    fill(peer, queue, b"3")
    arrive(high, b"3")
    fill(peer, queue, b"4")
    arrive(low, b"4")


@case("S-233")
def a_higher_one_comes_later(peer: Peer) -> None:
    """A consumer of higher priority gets all that comes from its arrival on."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    low = consumer(peer, queue, 0, no_ack=True)
    fill(peer, queue, b"1")
    arrive(low, b"1")
    high = consumer(peer, queue, 1, no_ack=True)
    fill(peer, queue, b"2", b"3")
    arrive(high, b"2", b"3")
    high.call(BasicCancel("1"))
    fill(peer, queue, b"4")
    arrive(low, b"4")


@case("S-233", "S-246")
def channel_limit(peer: Peer) -> None:
    """A limit of the whole channel makes the highest consumer full, too."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    high = peer.channel()
    high.call(BasicQos(prefetch_count=1, global_=True))
    arguments = as_table({"x-priority": 5})
    high.call(BasicConsume(queue=queue, consumer_tag="high", arguments=arguments))
    low = consumer(peer, queue, 0)
    fill(peer, queue, b"1", b"2")
    arrive(high, b"1")
    arrive(low, b"2")


@case("S-233", "S-296", needs=NEEDS)
def priorities_of_both(peer: Peer) -> None:
    """Messages of high priority go to consumers of high priority as long as these have room."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    publish_all(channel, queue, b"1", b"2")
    low = consumer(peer, queue, 1, prefetch_count=1)
    arrive(low, b"1")
    high = consumer(peer, queue, 2, prefetch_count=1)
    arrive(high, b"2")


@case("S-233", "S-232", needs="quorum")
def on_a_quorum_queue(peer: Peer) -> None:
    """Quorum queues have consumers with priorities, too."""
    channel = peer.channel()
    queue = peer.queue()
    arguments = as_table({"x-queue-type": "quorum"})
    channel.call(QueueDeclare(queue=queue, durable=True, arguments=arguments))
    low = consumer(peer, queue, 1, prefetch_count=2)
    high = consumer(peer, queue, 2, prefetch_count=1)
    fill(peer, queue, b"1")
    arrive(high, b"1")
    fill(peer, queue, b"2")
    arrive(low, b"2")
    high.send(BasicAck(1))
    high.round_trip()
    fill(peer, queue, b"3")
    arrive(high, b"3")
