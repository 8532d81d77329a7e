"""queue.delete and queue.purge, and what becomes of consumers and messages."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicCancelOk,
    BasicConsume,
    BasicNack,
    BasicQos,
    BasicReject,
    ConfirmSelect,
    QueueDeclare,
    QueueDelete,
    QueuePurge,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_client import CAPABILITIES
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import absent, breaks_connection, count, stocked, take


@case("S-189")
def absent_queue(peer: Peer) -> None:
    """Deleting a queue that is not there succeeds."""
    channel = peer.channel()
    channel.call(QueueDelete(queue=peer.queue("nope")))
    channel.call(QueueDelete(queue=peer.queue("nope"), if_empty=True, if_unused=True))


@case("S-189")
def reserved_name(peer: Peer) -> None:
    """A reserved name is nothing special for delete."""
    channel = peer.channel()
    channel.call(QueueDelete(queue="amq.jobs"))
    channel.call(QueueDelete(queue="amq.direct"))


@case("S-189")
def counts_ready_messages(peer: Peer) -> None:
    """delete-ok counts the messages that were ready, not those that were out."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 1)
    channel.call(QueueDelete(queue=queue))
    absent(channel, queue)


@case("S-093")
def nowait(peer: Peer) -> None:
    """A delete that wants no answer gets none."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    channel.send(QueueDelete(queue=queue, no_wait=True))
    absent(channel, queue)


@case("S-190")
def if_empty(peer: Peer) -> None:
    """A queue with ready messages is not deleted if-empty."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.refused(QueueDelete(queue=queue, if_empty=True))
    channel.open()
    count(channel, queue)


@case("S-190", "S-093")
def if_empty_nowait(peer: Peer) -> None:
    """A delete that wants no answer is told that it failed."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    channel.refused(QueueDelete(queue=queue, if_empty=True, no_wait=True))


@case("S-190")
def if_empty_with_unacked(peer: Peer) -> None:
    """A queue whose messages are all out is empty."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    take(channel, queue, 2)
    channel.call(QueueDelete(queue=queue, if_empty=True))


@case("S-190")
def if_unused(peer: Peer) -> None:
    """A queue with a consumer is not deleted if-unused."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    channel.consume(queue, "c")
    other.refused(QueueDelete(queue=queue, if_unused=True))
    channel.call(BasicCancel("c"))
    other.open()
    other.call(QueueDelete(queue=queue, if_unused=True))


@case("S-190", "S-223")
def if_unused_with_unacked(peer: Peer) -> None:
    """A queue from which somebody got a message is unused."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    take(channel, queue, 1)
    channel.call(QueueDelete(queue=queue, if_unused=True))


@case("S-190")
def if_empty_is_looked_at_first(peer: Peer) -> None:
    """Of a queue that is neither empty nor unused it is said that it is not empty."""
    channel, consumer = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    consumer.call(BasicQos(prefetch_count=1))
    consumer.consume(queue, "c")
    consumer.deliveries(1)
    channel.refused(QueueDelete(queue=queue, if_empty=True, if_unused=True))


@case("S-190")
def if_unused_with_the_messages_out(peer: Peer) -> None:
    """Of a queue whose messages are all with its consumer it is said that it is in use."""
    channel, consumer = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1")
    consumer.consume(queue, "c")
    consumer.deliveries(1)
    channel.refused(QueueDelete(queue=queue, if_empty=True, if_unused=True))


@case("S-192", "S-193")
def consumers_are_cancelled(peer: Peer) -> None:
    """Consumers of a queue that is deleted get basic.cancel."""
    channel, consumer = peer.channel(), peer.channel()
    stranger = peer.channel(peer.connect())
    queue = stocked(peer, channel)
    consumer.consume(queue, "here")
    stranger.consume(queue, "there")
    channel.call(QueueDelete(queue=queue))
    consumer.expect(BasicCancel)
    stranger.expect(BasicCancel)


@case("S-192", "S-193")
def own_consumer_is_cancelled(peer: Peer) -> None:
    """Who deletes a queue gets basic.cancel for its own consumers too."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.consume(queue, "c")
    with peer.any_order():
        channel.send(QueueDelete(queue=queue))
        channel.receive()
        channel.receive()


@case("S-192")
def two_consumers_of_one_channel_are_cancelled(peer: Peer) -> None:
    """Every consumer gets a basic.cancel of its own."""
    channel, consumer = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    for tag in ("a", "b", "c"):
        consumer.consume(queue, tag)
    channel.call(QueueDelete(queue=queue))
    with peer.any_order():
        for _ in range(3):
            consumer.expect(BasicCancel)


@case("S-192", "S-021")
def cancel_is_an_extension(peer: Peer) -> None:
    """A client that did not ask for consumer_cancel_notify gets no basic.cancel."""
    channel = peer.channel()
    capabilities = tuple(name for name in CAPABILITIES if name != "consumer_cancel_notify")
    consumer = peer.channel(peer.connect(capabilities=capabilities))
    queue = stocked(peer, channel)
    consumer.consume(queue, "c")
    channel.call(QueueDelete(queue=queue))
    consumer.round_trip()
    consumer.call(BasicCancel("c"))


@case("S-234")
def cancel_is_not_answered(peer: Peer) -> None:
    """A client may not answer the server's basic.cancel."""
    channel, consumer = peer.channel(), peer.channel(peer.connect())
    queue = stocked(peer, channel)
    consumer.consume(queue, "c")
    channel.call(QueueDelete(queue=queue))
    consumer.expect(BasicCancel)
    breaks_connection(consumer, BasicCancelOk("c"))


@case("S-234", "S-236", "S-237")
def tag_after_the_servers_cancel(peer: Peer) -> None:
    """A tag that the server cancelled may be cancelled again, and be used again."""
    channel, consumer = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    consumer.consume(queue, "c")
    channel.call(QueueDelete(queue=queue))
    consumer.expect(BasicCancel)
    consumer.call(BasicCancel("c"))
    channel.call(QueueDeclare(queue=queue))
    channel.publish("", queue, b"again")
    consumer.consume(queue, "c")
    consumer.deliveries(1)


@case("S-192")
def settling_after_the_delete(peer: Peer) -> None:
    """Messages of a queue that was deleted can still be settled."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4")
    take(channel, queue, 4)
    channel.call(QueueDelete(queue=queue))
    channel.send(BasicAck(1))
    channel.send(BasicNack(2))
    channel.send(BasicReject(3))
    channel.send(BasicNack(4, requeue=False))
    channel.round_trip()


@case("S-192", "S-250")
def settling_twice_after_the_delete(peer: Peer) -> None:
    """A delivery of a queue that was deleted can be settled once."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    take(channel, queue, 2)
    channel.call(QueueDelete(queue=queue))
    channel.send(BasicAck(1))
    channel.refused(BasicAck(1))


@case("S-192", "S-254")
def requeue_into_a_new_queue_of_the_name(peer: Peer) -> None:
    """A message of a queue that was deleted does not return to a new queue of the same name."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"old")
    take(channel, queue, 1)
    channel.call(QueueDelete(queue=queue))
    channel.call(QueueDeclare(queue=queue))
    channel.send(BasicNack(1))
    count(channel, queue)
    channel.close()
    count(peer.channel(), queue)


@case("S-192", "S-213")
def pending_confirm(peer: Peer) -> None:
    """A publish to a queue that is deleted at once is confirmed."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, durable=True))
    channel.call(ConfirmSelect())
    with peer.any_order():
        channel.publish("", queue, b"lasting", properties_of(delivery_mode=2))
        channel.send(QueueDelete(queue=queue))
        channel.receive()
        channel.receive()


@case("S-189", "S-146")
def declared_again(peer: Peer) -> None:
    """A queue that is deleted can be declared again, with other flags, and is empty."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    channel.call(QueueDelete(queue=queue))
    channel.call(QueueDeclare(queue=queue, durable=True, auto_delete=True))


@case("S-194")
def purge(peer: Peer) -> None:
    """Purge removes the ready messages and leaves those that are out."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 1)
    channel.call(QueuePurge(queue=queue))
    channel.call(QueuePurge(queue=queue))
    channel.send(BasicNack(1))
    channel.get(queue)


@case("S-194", "S-238", "S-092")
def purge_of_an_absent_queue(peer: Peer) -> None:
    """A queue that is not there cannot be purged."""
    peer.channel().refused(QueuePurge(queue=peer.queue("nope")))


@case("S-194", "S-093")
def purge_nowait(peer: Peer) -> None:
    """A purge that wants no answer gets none, but its error."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    channel.send(QueuePurge(queue=queue, no_wait=True))
    channel.get(queue)
    channel.refused(QueuePurge(queue=peer.queue("nope"), no_wait=True))


@case("S-194", "S-251")
def acks_after_a_purge(peer: Peer) -> None:
    """Messages that were out during a purge can be acked, and are gone then."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    take(channel, queue, 2)
    channel.call(QueuePurge(queue=queue))
    channel.send(BasicAck(0, multiple=True))
    channel.close()
    count(peer.channel(), queue)


@case("S-192", "S-239")
def consume_after_the_delete(peer: Peer) -> None:
    """A queue that was deleted can no longer be consumed."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.call(QueueDelete(queue=queue))
    channel.refused(BasicConsume(queue=queue, consumer_tag="c"))


@case("S-190", "S-223")
def if_unused_by_its_own_consumer(peer: Peer) -> None:
    """A queue whose only consumer is who deletes it is in use; the error cancels that consumer."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.consume(queue, "c")
    channel.refused(QueueDelete(queue=queue, if_unused=True))
    channel.open()
    channel.call(QueueDelete(queue=queue, if_unused=True))


@case("S-190", "S-093")
def if_unused_nowait(peer: Peer) -> None:
    """A delete if-unused that wants no answer is told that it failed."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    channel.consume(queue, "c")
    other.refused(QueueDelete(queue=queue, if_unused=True, no_wait=True))


@case("S-194", "S-092")
def purge_of_a_deleted_queue(peer: Peer) -> None:
    """A queue that was deleted can no longer be purged."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    channel.call(QueueDelete(queue=queue))
    channel.refused(QueuePurge(queue=queue))
