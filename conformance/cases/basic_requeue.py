"""Where messages go that come back, and the redelivered flag."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicGet,
    BasicNack,
    BasicQos,
    BasicRecover,
    BasicRecoverAsync,
    BasicReject,
    QueueDeclare,
)
from amqpbroker.spec.properties import properties_of
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import breaks_connection, drain, fill, stocked, take


@case("S-254")
def in_the_order_of_delivery(peer: Peer) -> None:
    """Messages that are requeued one by one stand in their old order."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 3)
    for tag in (1, 2, 3):
        channel.send(BasicReject(tag))
    assert channel.get_all(queue) == [b"1", b"2", b"3"]


@case("S-254")
def in_the_opposite_order(peer: Peer) -> None:
    """Messages that are requeued backwards stand in their old order."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 3)
    for tag in (3, 2, 1):
        channel.send(BasicReject(tag))
    assert channel.get_all(queue) == [b"1", b"2", b"3"]


@case("S-254")
def one_from_the_middle(peer: Peer) -> None:
    """A message that is requeued stands before those that were behind it."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4", b"5")
    take(channel, queue, 3)
    channel.send(BasicReject(2))
    assert channel.get_all(queue) == [b"2", b"4", b"5"]


@case("S-254")
def before_what_came_later(peer: Peer) -> None:
    """A message that is requeued stands before what was published while it was out."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    take(channel, queue, 2)
    fill(peer, queue, b"3", b"4")
    channel.send(BasicNack(2))
    channel.send(BasicNack(1))
    assert channel.get_all(queue) == [b"1", b"2", b"3", b"4"]


@case("S-254")
def again_and_again(peer: Peer) -> None:
    """Messages keep their place however often they are requeued."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4")
    take(channel, queue, 2)
    channel.send(BasicNack(2))
    take(channel, queue, 2)
    channel.send(BasicNack(4))
    channel.send(BasicNack(1))
    channel.send(BasicNack(3))
    assert channel.get_all(queue) == [b"1", b"2", b"3", b"4"]


@case("S-254")
def from_two_channels(peer: Peer) -> None:
    """Messages that two channels requeue stand in their old order."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4", b"5")
    for one in (channel, other, channel, other):
        take(one, queue, 1)
    other.send(BasicNack(0, multiple=True))
    other.round_trip()
    channel.send(BasicNack(0, multiple=True))
    assert channel.get_all(queue) == [b"1", b"2", b"3", b"4", b"5"]


@case("S-254", "S-253")
def one_nack_for_two_queues(peer: Peer) -> None:
    """Messages of two queues that are requeued together return to their own."""
    channel = peer.channel()
    one = stocked(peer, channel, b"1", b"2", word="one")
    two = stocked(peer, channel, b"3", b"4", word="two")
    for queue in (one, two, one, two):
        take(channel, queue, 1)
    channel.send(BasicNack(3, multiple=True))
    assert channel.get_all(one) == [b"1", b"2"]
    assert channel.get_all(two) == [b"3"]


@case("S-254", "S-085")
def by_channel_close(peer: Peer) -> None:
    """What a channel holds returns to its place when the channel is closed."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 2)
    fill(peer, queue, b"4")
    channel.close()
    other.call(BasicQos(prefetch_count=1))
    other.consume(queue, "c")
    for tag in (1, 2, 3, 4):
        other.deliveries(1)
        other.send(BasicAck(tag))


@case("S-254", "S-085")
def by_channel_close_of_a_consumer(peer: Peer) -> None:
    """What a consumer holds returns to its place when the channel is closed."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=2))
    channel.consume(queue, "c")
    channel.deliveries(2)
    channel.close()
    assert other.get_all(queue) == [b"1", b"2", b"3"]


@case("S-254", "S-071")
def by_connection_close(peer: Peer) -> None:
    """What a connection holds returns to its place when the connection is closed."""
    channel, other = peer.channel(peer.connect()), peer.channel(peer.connect())
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=2))
    channel.consume(queue, "c")
    channel.deliveries(2)
    channel.connection.close()
    drain(other, queue, b"1", b"2", b"3")


@case("S-254", "S-072")
def by_connection_loss(peer: Peer) -> None:
    """What a lost connection held is delivered to who waits for it, in its old order."""
    channel, other = peer.channel(peer.connect()), peer.channel(peer.connect())
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.consume(queue, "lost")
    channel.deliveries(3)
    other.consume(queue, "waiting")
    peer.note("the first connection is lost")
    channel.connection.drop()
    other.deliveries(3)


@case("S-254", "S-256")
def to_the_only_consumer(peer: Peer) -> None:
    """A message that is requeued may come to the same consumer again."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.consume(queue, "c")
    channel.deliveries(2)
    channel.send(BasicNack(1))
    channel.deliveries(1)
    channel.send(BasicNack(3))
    channel.deliveries(1)


@case("S-254", "S-256", "S-233")
def with_two_consumers_at_one(peer: Peer) -> None:
    """A message that is requeued goes to who has room: the one that requeued it."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    for one in (channel, other):
        one.call(BasicQos(prefetch_count=1))
        one.consume(queue, "c")
        one.deliveries(1)
    channel.send(BasicNack(1))
    channel.deliveries(1)
    other.send(BasicAck(1))
    other.deliveries(1)


@case("S-254", "S-256")
def to_the_other_consumer(peer: Peer) -> None:
    """A message that is requeued goes to who waits for one."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1")
    take(channel, queue, 1)
    other.consume(queue, "c")
    channel.send(BasicReject(1))
    other.deliveries(1)


@case("S-254", "S-236")
def after_the_cancel(peer: Peer) -> None:
    """What a cancelled consumer requeues stays in the queue, before what is behind it."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=2))
    channel.consume(queue, "c")
    channel.deliveries(2)
    channel.call(BasicCancel("c"))
    channel.send(BasicNack(2, multiple=True))
    assert channel.get_all(queue) == [b"1", b"2", b"3"]


@case("S-254", "S-205")
def unchanged(peer: Peer) -> None:
    """A message that was requeued has its properties and body still."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, durable=True))
    channel.publish("", queue, b"body", properties_of(delivery_mode=2, message_id="m"))
    take(channel, queue, 1)
    channel.send(BasicNack(1))
    channel.get(queue)


@case("S-258")
def redelivered(peer: Peer) -> None:
    """A message is redelivered once it was out, by whatever way, to whomever."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    take(channel, queue, 1)
    channel.send(BasicNack(1))
    channel.consume(queue, "c")
    channel.deliveries(2)
    channel.close()
    other.call(BasicGet(queue=queue))
    other.call(BasicGet(queue=queue))


@case("S-258")
def redelivered_is_not_for_the_neighbours(peer: Peer) -> None:
    """Messages that were never out are not redelivered."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 2)
    channel.send(BasicAck(1))
    channel.send(BasicReject(2))
    take(channel, queue, 2)


@case("S-259")
def recover(peer: Peer) -> None:
    """recover requeues all that is out; recover-ok comes before the redeliveries."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.consume(queue, "c")
    channel.deliveries(3)
    channel.send(BasicAck(2))
    channel.call(BasicRecover(requeue=True))
    channel.deliveries(2)


@case("S-259")
def recover_async(peer: Peer) -> None:
    """recover-async requeues all that is out without an answer."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 2)
    channel.send(BasicRecoverAsync(requeue=True))
    assert channel.get_all(queue) == [b"1", b"2", b"3"]


@case("S-259")
def recover_nothing(peer: Peer) -> None:
    """recover is fine when nothing is out."""
    channel = peer.channel()
    channel.call(BasicRecover(requeue=True))
    channel.send(BasicRecoverAsync(requeue=True))
    channel.round_trip()


@case("S-259")
def recover_without_requeue(peer: Peer) -> None:
    """recover without requeue is not implemented: the connection is closed."""
    breaks_connection(peer.channel(), BasicRecover(requeue=False))


@case("S-259")
def recover_async_without_requeue(peer: Peer) -> None:
    """recover-async without requeue is not implemented either."""
    breaks_connection(peer.channel(), BasicRecoverAsync(requeue=False))


@case("S-259", "S-250")
def tags_after_recover(peer: Peer) -> None:
    """Tags from before a recover are unknown."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    take(channel, queue, 1)
    channel.call(BasicRecover(requeue=True))
    channel.refused(BasicAck(1))


@case("S-259", "S-252")
def recover_is_about_its_own_channel(peer: Peer) -> None:
    """recover leaves alone what other channels hold, and goes to whoever waits."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    take(channel, queue, 1)
    take(other, queue, 1)
    channel.call(BasicRecover(requeue=True))
    assert other.get_all(queue) == [b"1"]


@case("S-259", "S-245")
def recover_under_a_limit(peer: Peer) -> None:
    """What recover requeues makes room for as many messages, the same ones first."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4")
    channel.call(BasicQos(prefetch_count=2))
    channel.consume(queue, "c")
    channel.deliveries(2)
    channel.call(BasicRecover(requeue=True))
    channel.deliveries(2)
    channel.send(BasicAck(3))
    channel.deliveries(1)
