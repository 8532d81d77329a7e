"""basic.qos: how many messages may be out at a time.

That nothing more is delivered shows in what other consumers and basic.get find in the queue.
"""

from __future__ import annotations

from amqpbroker.spec.methods import BasicAck, BasicCancel, BasicNack, BasicQos, BasicReject
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import ack_each, breaks_connection, count, fill, stocked, take


@case("S-244")
def prefetch_size(peer: Peer) -> None:
    """A prefetch size is not implemented: the connection is closed."""
    breaks_connection(peer.channel(), BasicQos(prefetch_size=1))


@case("S-244")
def prefetch_size_of_all_consumers(peer: Peer) -> None:
    """A prefetch size is not implemented for the channel either."""
    breaks_connection(
        peer.channel(), BasicQos(prefetch_size=2**32 - 1, prefetch_count=1, global_=True)
    )


@case("S-245", "S-249")
def limit_of_a_consumer(peer: Peer) -> None:
    """A consumer gets as many messages as its prefetch says, and more when it acks."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4", b"5")
    channel.call(BasicQos(prefetch_count=2))
    channel.consume(queue, "c")
    channel.deliveries(2)
    count(other, queue)
    channel.send(BasicAck(1))
    channel.deliveries(1)
    channel.send(BasicAck(3, multiple=True))
    channel.deliveries(2)
    other.get(queue)


@case("S-245")
def limit_by_nack_and_reject(peer: Peer) -> None:
    """nack and reject make room as well as ack."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=1))
    channel.consume(queue, "c")
    channel.deliveries(1)
    channel.send(BasicNack(1, requeue=False))
    channel.deliveries(1)
    channel.send(BasicReject(2, requeue=False))
    channel.deliveries(1)


@case("S-245")
def each_consumer_has_its_own_limit(peer: Peer) -> None:
    """Two consumers of a channel get as many messages as its prefetch says each."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4", b"5")
    channel.call(BasicQos(prefetch_count=2))
    channel.consume(queue, "a")
    channel.deliveries(2)
    channel.consume(queue, "b")
    channel.deliveries(2)
    count(other, queue)


@case("S-245")
def consumers_keep_their_limit(peer: Peer) -> None:
    """A new prefetch is for consumers to come."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4", b"5", b"6")
    channel.call(BasicQos(prefetch_count=1))
    channel.consume(queue, "a")
    channel.deliveries(1)
    channel.call(BasicQos(prefetch_count=3))
    count(other, queue)
    channel.consume(queue, "b")
    channel.deliveries(3)
    count(other, queue)
    channel.call(BasicQos(prefetch_count=0))
    count(other, queue)
    channel.consume(queue, "c")
    channel.deliveries(2)


@case("S-245", "S-247")
def no_limit(peer: Peer) -> None:
    """A prefetch of zero is no limit, as is none at all."""
    channel = peer.channel()
    queue = stocked(peer, channel, *(b"%d" % number for number in range(20)))
    channel.consume(queue, "a")
    channel.deliveries(20)
    channel.close()
    other = peer.channel()
    other.call(BasicQos(prefetch_count=1))
    other.call(BasicQos())
    other.consume(queue, "b")
    other.deliveries(20)


@case("S-246")
def limit_of_a_channel(peer: Peer) -> None:
    """A global prefetch is shared by all consumers of the channel."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4")
    channel.call(BasicQos(prefetch_count=2, global_=True))
    channel.consume(queue, "a")
    channel.deliveries(2)
    channel.consume(queue, "b")
    count(other, queue)
    channel.send(BasicAck(1))
    channel.deliveries(1)
    count(other, queue)


@case("S-246")
def limit_of_a_channel_over_queues(peer: Peer) -> None:
    """A global prefetch is shared by the consumers of several queues."""
    channel, other = peer.channel(), peer.channel()
    one = stocked(peer, channel, b"1", b"2", word="one")
    two = stocked(peer, channel, b"3", b"4", word="two")
    channel.call(BasicQos(prefetch_count=1, global_=True))
    channel.consume(one, "of one")
    channel.deliveries(1)
    channel.consume(two, "of two")
    count(other, one)
    count(other, two)
    channel.call(BasicCancel("of one"))
    channel.send(BasicAck(1))
    channel.deliveries(1)
    count(other, two)


@case("S-246")
def limit_of_a_channel_is_raised(peer: Peer) -> None:
    """A higher global prefetch is for consumers that are there, too."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4")
    channel.call(BasicQos(prefetch_count=1, global_=True))
    channel.consume(queue, "c")
    channel.deliveries(1)
    channel.call(BasicQos(prefetch_count=3, global_=True))
    channel.deliveries(2)
    count(other, queue)


@case("S-246")
def limit_of_a_channel_is_lowered(peer: Peer) -> None:
    """A lower global prefetch lets nothing through until enough was acked."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4", b"5")
    channel.call(BasicQos(prefetch_count=3, global_=True))
    channel.consume(queue, "c")
    channel.deliveries(3)
    channel.call(BasicQos(prefetch_count=1, global_=True))
    channel.send(BasicAck(1))
    channel.send(BasicAck(2))
    channel.round_trip()
    other.get(queue)
    channel.send(BasicAck(3))
    channel.deliveries(1)


@case("S-246")
def limit_of_a_channel_is_removed(peer: Peer) -> None:
    """A global prefetch of zero removes the limit."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=1, global_=True))
    channel.consume(queue, "c")
    channel.deliveries(1)
    channel.call(BasicQos(prefetch_count=0, global_=True))
    channel.deliveries(2)


@case("S-245", "S-246")
def limit_of_a_channel_is_removed_by_the_other_kind(peer: Peer) -> None:
    """A prefetch for consumers removes the global one."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=1, global_=True))
    channel.consume(queue, "c")
    channel.deliveries(1)
    channel.call(BasicQos(prefetch_count=1))
    channel.deliveries(2)


@case("S-246")
def both_limits(peer: Peer) -> None:
    """The limits of a consumer and of its channel both hold."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4", b"5", b"6")
    channel.call(BasicQos(prefetch_count=2))
    channel.call(BasicQos(prefetch_count=3, global_=True))
    channel.consume(queue, "a")
    channel.deliveries(2)
    count(other, queue)
    channel.consume(queue, "b")
    channel.deliveries(1)
    count(other, queue)


@case("S-246", "S-223")
def limit_of_a_channel_and_gets(peer: Peer) -> None:
    """What was got before a global prefetch is set counts against it.

    It does so even after its ack: only acks of deliveries make room.
    """
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4")
    take(channel, queue, 2)
    channel.call(BasicQos(prefetch_count=2, global_=True))
    channel.consume(queue, "c")
    channel.send(BasicAck(1))
    channel.round_trip()
    other.get(queue)
    channel.call(BasicQos(prefetch_count=3, global_=True))
    channel.deliveries(1)


@case("S-246", "S-223")
def gets_under_the_limit_of_a_channel(peer: Peer) -> None:
    """What is got after a global prefetch is set does not count against it."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4")
    channel.call(BasicQos(prefetch_count=2, global_=True))
    take(channel, queue, 1)
    channel.consume(queue, "c")
    channel.deliveries(2)
    count(other, queue)


@case("S-249")
def no_ack(peer: Peer) -> None:
    """Consumers without acks have no limit."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=1))
    channel.consume(queue, "c", no_ack=True)
    channel.deliveries(3)


@case("S-249", "S-246")
def no_ack_and_the_limit_of_a_channel(peer: Peer) -> None:
    """Consumers without acks have no limit, not that of the channel either."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=1, global_=True))
    channel.consume(queue, "c", no_ack=True)
    channel.deliveries(3)


@case("S-245", "S-254")
def requeue_under_a_limit(peer: Peer) -> None:
    """A message that is requeued under a prefetch of one comes again before the next."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.call(BasicQos(prefetch_count=1))
    channel.consume(queue, "c")
    for tag in (1, 2, 3):
        channel.deliveries(1)
        channel.send(BasicNack(tag))
    channel.deliveries(1)
    channel.send(BasicAck(4))
    channel.deliveries(1)


@case("S-245", "S-236")
def room_of_a_cancelled_consumer(peer: Peer) -> None:
    """What a cancelled consumer holds does not count against the next one."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=1))
    for tag in ("a", "b", "c"):
        channel.consume(queue, tag)
        channel.deliveries(1)
        channel.call(BasicCancel(tag))


@case("S-245")
def limit_is_the_channels_own(peer: Peer) -> None:
    """A prefetch is forgotten when its channel is closed, and unknown to other channels."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=1))
    other.consume(queue, "c")
    ack_each(other, other.deliveries(3))
    channel.close()
    channel.open()
    other.call(BasicCancel("c"))
    fill(peer, queue, b"4", b"5")
    channel.consume(queue, "d")
    channel.deliveries(2)


@case("S-245")
def largest_limit(peer: Peer) -> None:
    """The largest prefetch."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.call(BasicQos(prefetch_count=65535))
    channel.consume(queue, "c")
    channel.deliveries(2)
