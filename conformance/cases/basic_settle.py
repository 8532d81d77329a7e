"""basic.ack, basic.nack and basic.reject: which delivery tags they may name."""

from __future__ import annotations

from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicNack,
    BasicReject,
    QueueDelete,
)
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import drain, stocked, take


def each_verb(tag: int) -> list[Method]:
    """The three ways to settle the delivery *tag*."""
    return [BasicAck(tag), BasicNack(tag), BasicReject(tag)]


@case("S-250")
def unknown_tag(peer: Peer) -> None:
    """A tag that was never delivered is unknown, whatever is done with it."""
    channel = peer.channel()
    for request in each_verb(1):
        channel.refused(request)
        channel.open()


@case("S-250")
def tag_above_the_last(peer: Peer) -> None:
    """A tag above the last delivery is unknown."""
    for request in each_verb(2):
        channel = peer.channel()
        queue = stocked(peer, channel, b"1")
        take(channel, queue, 1)
        channel.refused(request)
        channel.open()
        drain(channel, queue, b"1")


@case("S-250")
def multiple_above_the_last(peer: Peer) -> None:
    """With multiple too, the tag itself must have been delivered; nothing is settled."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    take(channel, queue, 2)
    channel.refused(BasicAck(3, multiple=True))
    channel.open()
    drain(channel, queue, b"1", b"2")


@case("S-250")
def nack_multiple_above_the_last(peer: Peer) -> None:
    """nack with multiple above the last delivery drops nothing."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    take(channel, queue, 2)
    channel.refused(BasicNack(9, multiple=True, requeue=False))
    channel.open()
    drain(channel, queue, b"1", b"2")


@case("S-250")
def settled_twice(peer: Peer) -> None:
    """A delivery can be settled once."""
    channel = peer.channel()
    for first in each_verb(1):
        for second in each_verb(1):
            queue = stocked(peer, channel, b"1")
            take(channel, queue, 1)
            channel.send(first)
            channel.refused(second)
            channel.open()
            with peer.quiet():
                channel.call(QueueDelete(queue=queue))


@case("S-250")
def multiple_up_to_a_settled_tag(peer: Peer) -> None:
    """With multiple, a tag that was settled is unknown though lower ones are out."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 3)
    channel.send(BasicAck(2))
    channel.refused(BasicAck(2, multiple=True))
    channel.open()
    drain(channel, queue, b"1", b"3")


@case("S-250", "S-251")
def multiple_twice(peer: Peer) -> None:
    """multiple settles all lower tags, which are unknown then."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 3)
    channel.send(BasicAck(2, multiple=True))
    channel.refused(BasicAck(1))
    channel.open()
    drain(channel, queue, b"3")


@case("S-253", "S-250")
def multiple_over_a_hole(peer: Peer) -> None:
    """multiple passes over tags that were settled before."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4", b"5")
    take(channel, queue, 5)
    channel.send(BasicAck(3))
    channel.send(BasicAck(4, multiple=True))
    channel.send(BasicAck(5))
    channel.round_trip()
    channel.close()
    peer.channel().get(queue)


@case("S-251")
def tag_zero(peer: Peer) -> None:
    """The tag zero without multiple is unknown, even when something is out."""
    channel = peer.channel()
    for request in each_verb(0):
        queue = stocked(peer, channel, b"1")
        take(channel, queue, 1)
        channel.refused(request)
        channel.open()
        drain(channel, queue, b"1")


@case("S-251")
def all_that_is_out(peer: Peer) -> None:
    """The tag zero with multiple means all that is out."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 3)
    channel.send(BasicAck(0, multiple=True))
    channel.refused(BasicAck(3))
    channel.open()
    channel.get(queue)


@case("S-251")
def all_of_nothing(peer: Peer) -> None:
    """The tag zero with multiple is fine when nothing is out."""
    channel = peer.channel()
    channel.send(BasicAck(0, multiple=True))
    channel.send(BasicNack(0, multiple=True))
    channel.round_trip()
    queue = stocked(peer, channel, b"1")
    channel.get(queue)
    channel.send(BasicAck(0, multiple=True))
    channel.round_trip()


@case("S-250")
def largest_tag(peer: Peer) -> None:
    """A tag has 64 bits without a sign; the error text shows it whole."""
    channel = peer.channel()
    for request in each_verb(2**64 - 1):
        channel.refused(request)
        channel.open()
    channel.refused(BasicAck(2**63, multiple=True))


@case("S-250", "S-261")
def delivery_without_ack(peer: Peer) -> None:
    """A delivery to a no-ack consumer has a tag, which is unknown."""
    channel = peer.channel()
    for request in each_verb(1):
        queue = stocked(peer, channel, b"1")
        channel.consume(queue, "c", no_ack=True)
        channel.deliveries(1)
        channel.refused(request)
        channel.open()


@case("S-250", "S-261")
def multiple_over_deliveries_without_ack(peer: Peer) -> None:
    """multiple passes over deliveries without ack, but may not name one."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 1)
    channel.get(queue)
    take(channel, queue, 1)
    channel.send(BasicAck(3, multiple=True))
    channel.round_trip()
    channel.refused(BasicAck(2, multiple=True))


@case("S-252")
def tag_of_another_channel(peer: Peer) -> None:
    """A delivery of another channel is unknown, and stays out."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1")
    take(channel, queue, 1)
    for request in each_verb(1):
        other.refused(request)
        other.open()
    other.get(queue)
    channel.send(BasicAck(1))
    channel.round_trip()


@case("S-252", "S-261")
def tags_begin_with_each_channel(peer: Peer) -> None:
    """Tags are counted from one on every channel, and again after it was opened again."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4")
    take(channel, queue, 1)
    take(other, queue, 1)
    channel.send(BasicAck(1))
    channel.close()
    channel.open()
    take(channel, queue, 2)
    channel.send(BasicAck(2, multiple=True))
    channel.round_trip()


@case("S-253")
def multiple_over_queues(peer: Peer) -> None:
    """multiple settles deliveries of several queues and consumers."""
    channel = peer.channel()
    one = stocked(peer, channel, b"1", b"2", word="one")
    two = stocked(peer, channel, b"3", b"4", word="two")
    take(channel, one, 1)
    channel.consume(two, "c")
    channel.deliveries(2)
    take(channel, one, 1)
    channel.send(BasicAck(0, multiple=True))
    channel.close()
    other = peer.channel()
    other.get(one)
    other.get(two)


@case("S-253", "S-236")
def after_the_cancel(peer: Peer) -> None:
    """What a consumer got can be settled after its cancel."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.consume(queue, "c")
    channel.deliveries(3)
    channel.call(BasicCancel("c"))
    channel.send(BasicAck(1))
    channel.send(BasicNack(2))
    channel.send(BasicReject(3, requeue=False))
    channel.round_trip()
    assert other.get_all(queue) == [b"2"]


@case("S-257")
def dropped(peer: Peer) -> None:
    """nack and reject without requeue drop the message, when there is no dead-letter exchange."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4")
    take(channel, queue, 4)
    channel.send(BasicReject(1, requeue=False))
    channel.send(BasicNack(3, multiple=True, requeue=False))
    channel.send(BasicNack(4))
    assert channel.get_all(queue) == [b"4"]


@case("S-260", "S-254")
def nack_multiple(peer: Peer) -> None:
    """nack with multiple requeues all that is out up to its tag."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 3)
    channel.send(BasicNack(2, multiple=True))
    assert channel.get_all(queue) == [b"1", b"2"]


@case("S-251", "S-260")
def nack_of_all_that_is_out(peer: Peer) -> None:
    """nack with multiple and the tag zero requeues all that is out."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 3)
    channel.send(BasicNack(0, multiple=True))
    assert channel.get_all(queue) == [b"1", b"2", b"3"]


@case("S-250", "S-008")
def bad_tag_returns_what_is_out(peer: Peer) -> None:
    """When a bad tag closes the channel, all that was out returns to its queue."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 3)
    channel.send(BasicAck(2))
    channel.refused(BasicAck(7))
    drain(other, queue, b"1", b"3")
