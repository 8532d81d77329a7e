"""Queues with a maximum length that take no more: x-overflow reject-publish and -dlx."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicNack,
    BasicQos,
    BasicReject,
    ConfirmSelect,
    ExchangeDeclare,
    QueueBind,
    QueuePurge,
    TxCommit,
    TxSelect,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_channel import RawChannel
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import count, fill, stocked, take
from conformance.timed import arrive, confirming, dead_lettering, declared, publish_all, watch

NEEDS = "length"
DEAD_NEEDS = "length dead-letter"


def rejecting(
    peer: Peer, channel: RawChannel, length: int, *, word: str = "q", durable: bool = False
) -> str:
    """The name of a new queue that takes *length* messages and no more."""
    arguments = {"x-max-length": length, "x-overflow": "reject-publish"}
    return declared(peer, channel, word, arguments, durable=durable)


@case("S-302", "S-213", needs=NEEDS)
def too_many_are_nacked(peer: Peer) -> None:
    """A publish that a full queue does not take is nacked; what is there stays."""
    channel = confirming(peer)
    queue = rejecting(peer, channel, 2)
    publish_all(channel, queue, b"1", b"2", b"3", b"4")
    assert channel.expect_confirms().nacked == (3, 4)
    assert channel.get_all(queue) == [b"1", b"2"]


@case("S-302", needs=NEEDS)
def too_many_without_confirms(peer: Peer) -> None:
    """Without confirms a publish that a full queue does not take is dropped silently."""
    channel = peer.channel()
    queue = rejecting(peer, channel, 1)
    publish_all(channel, queue, b"1", b"2")
    assert channel.get_all(queue) == [b"1"]


@case("S-302", "S-201", needs=NEEDS)
def mandatory(peer: Peer) -> None:
    """A mandatory message that a full queue does not take is nacked, not returned."""
    channel = confirming(peer)
    queue = rejecting(peer, channel, 0)
    channel.publish("", queue, b"1", mandatory=True)
    assert channel.expect_confirms().nacked == (1,)


@case("S-302", "S-211", needs=NEEDS)
def persistent_messages(peer: Peer) -> None:
    """Persistent messages for a full durable queue are nacked."""
    channel = confirming(peer)
    queue = rejecting(peer, channel, 1, durable=True)
    publish_all(channel, queue, b"1", b"2", properties=properties_of(delivery_mode=2))
    assert channel.expect_confirms().nacked == (2,)
    assert channel.get_all(queue) == [b"1"]


@case("S-302", "S-300", needs=NEEDS)
def too_many_bytes(peer: Peer) -> None:
    """A publish that would exceed the bytes of a queue is nacked; a smaller one may fit still."""
    channel = confirming(peer)
    arguments = {"x-max-length-bytes": 10, "x-overflow": "reject-publish"}
    queue = declared(peer, channel, "q", arguments)
    publish_all(channel, queue, b"123456", b"12345", b"1234", b"x", b"")
    assert channel.expect_confirms().nacked == (2, 4)
    assert channel.get_all(queue) == [b"123456", b"1234", b""]


@case("S-302", needs=NEEDS)
def larger_than_the_queue(peer: Peer) -> None:
    """A message that is larger than the whole queue may be is nacked."""
    channel = confirming(peer)
    arguments = {"x-max-length-bytes": 10, "x-overflow": "reject-publish"}
    queue = declared(peer, channel, "q", arguments)
    publish_all(channel, queue, b"12345678901", b"1234567890")
    assert channel.expect_confirms().nacked == (1,)
    assert channel.get_all(queue) == [b"1234567890"]


@case("S-302", needs=NEEDS)
def no_length_with_a_consumer(peer: Peer) -> None:
    """A queue of length zero takes nothing, though a consumer waits for it."""
    channel = confirming(peer)
    queue = rejecting(peer, channel, 0)
    consumer = peer.channel()
    consumer.consume(queue, "c", no_ack=True)
    channel.publish("", queue, b"1")
    assert channel.expect_confirms().nacked == (1,)


@case("S-302", "S-300", needs=NEEDS)
def room_again(peer: Peer) -> None:
    """A queue from which a message was taken takes one more."""
    channel = confirming(peer)
    queue = rejecting(peer, channel, 2)
    publish_all(channel, queue, b"1", b"2", b"3")
    assert channel.expect_confirms().nacked == (3,)
    channel.get(queue)
    publish_all(channel, queue, b"4", b"5")
    assert channel.expect_confirms().nacked == (5,)
    channel.call(QueuePurge(queue=queue))
    publish_all(channel, queue, b"6")
    assert channel.expect_confirms().nacked == ()
    assert channel.get_all(queue) == [b"6"]


@case("S-302", "S-300", needs=NEEDS)
def unacked_messages_do_not_count(peer: Peer) -> None:
    """Messages that somebody holds leave room for others."""
    channel = confirming(peer)
    queue = rejecting(peer, channel, 1)
    consumer = peer.channel()
    consumer.call(BasicQos(prefetch_count=2))
    consumer.consume(queue, "c")
    for body in (b"1", b"2", b"3", b"4"):
        channel.publish("", queue, body)
        channel.expect_confirms()
    arrive(consumer, b"1", b"2")
    consumer.send(BasicAck(1))
    arrive(consumer, b"3")


@case("S-302", "S-254", needs=NEEDS)
def requeued_into_a_full_queue(peer: Peer) -> None:
    """A message that returns to a full queue stays; there are more than may be, then."""
    channel = confirming(peer)
    queue = rejecting(peer, channel, 1)
    publish_all(channel, queue, b"1")
    channel.expect_confirms()
    (tag,) = take(channel, queue, 1)
    publish_all(channel, queue, b"2")
    channel.expect_confirms()
    channel.send(BasicReject(tag, True))
    publish_all(channel, queue, b"3")
    assert channel.expect_confirms().nacked == (3,)
    assert channel.get_all(queue) == [b"1", b"2"]


@case("S-302", "S-213", needs=NEEDS)
def one_of_two_queues_rejects(peer: Peer) -> None:
    """A message that one queue takes and another rejects is nacked, and stays where it is."""
    channel = confirming(peer)
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    full = rejecting(peer, channel, 0, word="full")
    free = stocked(peer, channel, word="free")
    for queue in (full, free):
        channel.call(QueueBind(queue=queue, exchange=exchange))
    channel.publish(exchange, "", b"1")
    assert channel.expect_confirms().nacked == (1,)
    assert channel.get_all(free) == [b"1"]


@case("S-302", "S-214", needs=NEEDS)
def acks_and_nacks_between_each_other(peer: Peer) -> None:
    """Acks of one queue do not cover the nacks of another, nor the other way round."""
    channel = confirming(peer)
    full = rejecting(peer, channel, 0, word="full")
    free = stocked(peer, channel, word="free")
    for queue in (free, full, free, full, full, free, free):
        channel.publish("", queue, b"hello")
    assert channel.expect_confirms().nacked == (2, 4, 5)
    assert count(channel, free) == (4, 0)


@case("S-302", "S-219", needs=NEEDS)
def published_in_a_transaction(peer: Peer) -> None:
    """A commit that a full queue does not take closes the channel; the rest is published."""
    channel = peer.channel()
    queue = rejecting(peer, channel, 1)
    channel.call(TxSelect())
    publish_all(channel, queue, b"1", b"2")
    channel.refused(TxCommit())
    channel.open()
    assert channel.get_all(queue) == [b"1"]


@case("S-302", "S-219", needs=NEEDS)
def acks_in_the_same_transaction(peer: Peer) -> None:
    """A commit that a full queue does not take; the acks of the transaction hold."""
    channel = peer.channel()
    queue = rejecting(peer, channel, 0)
    work = stocked(peer, channel, b"work", word="work")
    channel.call(TxSelect())
    (tag,) = take(channel, work, 1)
    publish_all(channel, queue, b"1")
    channel.send(BasicAck(tag))
    channel.refused(TxCommit())
    channel.open()
    fill(peer, work, b"more")
    channel.consume(work, "c", no_ack=True)
    arrive(channel, b"more")


@case("S-303", "S-274", needs=DEAD_NEEDS)
def rejected_messages_are_dead_lettered(peer: Peer) -> None:
    """With reject-publish-dlx what the queue does not take is nacked and dead-lettered."""
    channel = confirming(peer)
    queue = dead_lettering(peer, channel, {"x-max-length": 1, "x-overflow": "reject-publish-dlx"})
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2", b"3")
    assert channel.expect_confirms().nacked == (2, 3)
    arrive(watching, b"2", b"3")
    assert channel.get_all(queue) == [b"1"]


@case("S-303", "S-302", needs=DEAD_NEEDS)
def rejected_messages_are_not_dead_lettered(peer: Peer) -> None:
    """With reject-publish what the queue does not take is not dead-lettered."""
    channel = confirming(peer)
    queue = dead_lettering(peer, channel, {"x-max-length": 1, "x-overflow": "reject-publish"})
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2")
    assert channel.expect_confirms().nacked == (2,)
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    arrive(watching, b"1")


@case("S-303", needs=DEAD_NEEDS)
def dead_lettered_without_confirms(peer: Peer) -> None:
    """With reject-publish-dlx messages are dead-lettered without confirms, too."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length": 0, "x-overflow": "reject-publish-dlx"})
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2")
    arrive(watching, b"1", b"2")


@case("S-303", needs=NEEDS)
def nowhere_to_dead_letter(peer: Peer) -> None:
    """Reject-publish-dlx without a dead-letter exchange works like reject-publish."""
    channel = confirming(peer)
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish-dlx"}
    queue = declared(peer, channel, "q", arguments)
    publish_all(channel, queue, b"1", b"2")
    assert channel.expect_confirms().nacked == (2,)
    assert channel.get_all(queue) == [b"1"]


@case("S-302", "S-275", needs=DEAD_NEEDS)
def dead_letters_for_a_full_queue(peer: Peer) -> None:
    """A dead letter that a full queue does not take is dropped."""
    channel = peer.channel()
    full = rejecting(peer, channel, 1, word="full")
    queue = declared(
        peer, channel, "q", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": full}
    )
    publish_all(channel, queue, b"1", b"2")
    take(channel, queue, 2)
    channel.send(BasicNack(2, True, False))
    assert channel.get(queue) is None
    channel.consume(full, "c", no_ack=True)
    arrive(channel, b"1")
    fill(peer, full, b"3")
    arrive(channel, b"3")


@case("S-302", "S-208", needs=NEEDS)
def the_channel_goes_on(peer: Peer) -> None:
    """Nacks change nothing about a channel: confirm.select again, other queues, other numbers."""
    channel = confirming(peer)
    full = rejecting(peer, channel, 0, word="full")
    free = stocked(peer, channel, word="free")
    channel.publish("", full, b"1")
    channel.expect_confirms()
    channel.call(ConfirmSelect())
    channel.publish("", free, b"2")
    assert channel.expect_confirms().acked == (2,)
