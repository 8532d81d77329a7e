"""Which of several consumers gets a message.

Messages are published one at a time, each confirmed, so that every consumer is known to have room
or not.  Where the order of equal consumers is open, what they got is written down sorted.
"""

from __future__ import annotations

from amqpbroker.spec.methods import BasicAck, BasicCancel, BasicConsume, BasicNack, BasicQos
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import count, fill, stocked


def consume(channel: RawChannel, queue: str, tag: str, *, priority: int, prefetch: int) -> None:
    """Start a consumer of *priority* that may have *prefetch* messages out."""
    channel.call(BasicQos(prefetch_count=prefetch))
    arguments = as_table({"x-priority": priority})
    channel.call(BasicConsume(queue=queue, consumer_tag=tag, arguments=arguments))


@case("S-233")
def in_turns(peer: Peer) -> None:
    """Consumers of one queue get messages in turns."""
    channels = [peer.channel() for _ in range(3)]
    queue = stocked(peer, channels[0])
    for number, channel in enumerate(channels):
        channel.consume(queue, f"c{number}", no_ack=True)
    fill(peer, queue, *(b"%d" % number for number in range(9)))
    for channel in channels:
        channel.deliveries(3)


@case("S-233")
def in_turns_within_a_channel(peer: Peer) -> None:
    """Consumers of one channel get messages in turns."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    for tag in ("a", "b"):
        channel.consume(queue, tag)
    fill(peer, queue, b"1", b"2", b"3", b"4")
    channel.deliveries(4)


@case("S-233", "S-245")
def who_is_full_is_passed_over(peer: Peer) -> None:
    """A consumer that has as many messages as it may is passed over."""
    slow, quick = peer.channel(), peer.channel()
    queue = stocked(peer, slow)
    for channel in (slow, quick):
        channel.call(BasicQos(prefetch_count=1))
        channel.consume(queue, "c")
    fill(peer, queue, b"1", b"2")
    slow.deliveries(1)
    quick.deliveries(1)
    for tag in (1, 2, 3):
        quick.send(BasicAck(tag))
        quick.round_trip()
        fill(peer, queue, b"%d" % (tag + 2))
        quick.deliveries(1)
    slow.send(BasicAck(1))
    fill(peer, queue, b"last")
    slow.deliveries(1)


@case("S-233")
def a_backlog_goes_to_the_first(peer: Peer) -> None:
    """Messages that wait go to the first consumer, as many as it may have, then to the next."""
    first, second = peer.channel(), peer.channel()
    queue = stocked(peer, first, b"1", b"2", b"3", b"4", b"5")
    for channel, prefetch in ((first, 3), (second, 1)):
        channel.call(BasicQos(prefetch_count=prefetch))
        channel.consume(queue, "c")
        channel.deliveries(prefetch)
    count(first, queue)


@case("S-233", "S-236")
def after_a_cancel(peer: Peer) -> None:
    """What a cancelled consumer would have got goes to the others."""
    first, second = peer.channel(), peer.channel()
    queue = stocked(peer, first)
    for channel in (first, second):
        channel.consume(queue, "c")
    fill(peer, queue, b"1", b"2")
    first.deliveries(1)
    second.deliveries(1)
    first.call(BasicCancel("c"))
    fill(peer, queue, b"3", b"4")
    second.deliveries(2)


@case("S-233", "S-085")
def after_a_channel_close(peer: Peer) -> None:
    """What a closed channel held goes to the others."""
    first, second = peer.channel(), peer.channel()
    queue = stocked(peer, first)
    for channel in (first, second):
        channel.consume(queue, "c")
    fill(peer, queue, b"1", b"2", b"3", b"4")
    first.deliveries(2)
    second.deliveries(2)
    first.close()
    second.deliveries(2)


@case("S-233")
def higher_priority_first(peer: Peer) -> None:
    """A consumer of higher priority gets all, as long as it has room."""
    low, high = peer.channel(), peer.channel()
    queue = stocked(peer, low)
    consume(low, queue, "low", priority=-1, prefetch=0)
    consume(high, queue, "high", priority=1, prefetch=3)
    fill(peer, queue, b"1", b"2", b"3", b"4", b"5")
    high.deliveries(3)
    low.deliveries(2)
    high.send(BasicAck(3, multiple=True))
    high.round_trip()
    fill(peer, queue, b"6")
    high.deliveries(1)


@case("S-233")
def no_priority_is_zero(peer: Peer) -> None:
    """A consumer without a priority stands between one and minus one."""
    channels = [peer.channel() for _ in range(3)]
    queue = stocked(peer, channels[0])
    middle, low, high = channels
    middle.call(BasicQos(prefetch_count=1))
    middle.consume(queue, "middle")
    consume(low, queue, "low", priority=-1, prefetch=1)
    consume(high, queue, "high", priority=1, prefetch=1)
    fill(peer, queue, b"1", b"2", b"3")
    for channel in (high, middle, low):
        channel.deliveries(1)


@case("S-233")
def equal_priorities_take_turns(peer: Peer) -> None:
    """Consumers of the same priority get messages in turns, before those of lower priority."""
    channels = [peer.channel() for _ in range(3)]
    queue = stocked(peer, channels[0])
    consume(channels[0], queue, "low", priority=0, prefetch=0)
    for channel in channels[1:]:
        consume(channel, queue, "high", priority=5, prefetch=2)
    fill(peer, queue, b"1", b"2", b"3", b"4", b"5")
    for channel in channels[1:]:
        channel.deliveries(2)
    channels[0].deliveries(1)


@case("S-233", "S-254")
def requeued_to_a_lower_priority(peer: Peer) -> None:
    """A message that the high consumer requeues comes to it again; it has room."""
    low, high = peer.channel(), peer.channel()
    queue = stocked(peer, low)
    consume(low, queue, "low", priority=0, prefetch=1)
    consume(high, queue, "high", priority=9, prefetch=1)
    fill(peer, queue, b"1")
    high.deliveries(1)
    high.send(BasicNack(1))
    high.deliveries(1)
    fill(peer, queue, b"2")
    low.deliveries(1)


@case("S-233", "S-236")
def highest_priority_leaves(peer: Peer) -> None:
    """When the consumer of the highest priority leaves, the next one gets what it held."""
    low, high = peer.channel(), peer.channel()
    queue = stocked(peer, low)
    consume(low, queue, "low", priority=1, prefetch=0)
    consume(high, queue, "high", priority=2, prefetch=0)
    fill(peer, queue, b"1", b"2")
    high.deliveries(2)
    high.close()
    low.deliveries(2)


@case("S-233", "S-239")
def consumers_of_one_channel_by_priority(peer: Peer) -> None:
    """Priorities hold between the consumers of one channel, too."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    consume(channel, queue, "low", priority=0, prefetch=2)
    consume(channel, queue, "high", priority=1, prefetch=2)
    fill(peer, queue, b"1", b"2", b"3")
    channel.deliveries(3)
