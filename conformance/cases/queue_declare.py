"""queue.declare: counts, passive, names that the server gives, auto-delete, exclusive."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicCancel,
    BasicConsume,
    BasicConsumeOk,
    BasicQos,
    QueueDeclare,
    QueueDeclareOk,
    QueueDelete,
    QueuePurge,
)
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import absent, count, fill, stocked, take


@case("S-146")
def new_queue_is_empty(peer: Peer) -> None:
    """A new queue has no messages and no consumers."""
    channel = peer.channel()
    channel.call(QueueDeclare(queue=peer.queue("plain")))
    channel.call(QueueDeclare(queue=peer.queue("lasting"), durable=True))
    channel.call(QueueDeclare(queue=peer.queue("passing"), auto_delete=True))
    channel.call(QueueDeclare(queue=peer.queue("own"), exclusive=True))


@case("S-146", "S-150")
def equal_declare_is_repeatable(peer: Peer) -> None:
    """A queue that is declared again with the same flags stays as it is."""
    channel = peer.channel()
    for durable in (False, True):
        for auto_delete in (False, True):
            queue = peer.queue(f"q-{durable}-{auto_delete}")
            request = QueueDeclare(queue=queue, durable=durable, auto_delete=auto_delete)
            channel.call(request)
            fill(peer, queue, b"kept")
            channel.call(request)


@case("S-146", "S-222")
def counts_of_ready_messages_and_all_consumers(peer: Peer) -> None:
    """declare-ok counts the messages that are ready, and consumers even while they are full."""
    channel, consumer = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3", b"4")
    take(channel, queue, 1)
    count(channel, queue)
    consumer.call(BasicQos(prefetch_count=1))
    for tag in ("first", "second"):
        consumer.consume(queue, tag)
        consumer.deliveries(1)
        count(channel, queue)


@case("S-147", "S-146", "S-094")
def server_named_queue(peer: Peer) -> None:
    """The server names a queue whose name is empty."""
    channel = peer.channel()
    ok = channel.call(QueueDeclare(exclusive=True), QueueDeclareOk)
    channel.call(QueueDeclare(queue=ok.queue, passive=True), QueueDeclareOk)


@case("S-147")
def each_server_named_queue_is_new(peer: Peer) -> None:
    """Every declare without a name makes another queue."""
    channel = peer.channel()
    names = {channel.call(QueueDeclare(exclusive=True), QueueDeclareOk).queue for _ in range(3)}
    assert len(names) == 3


@case("S-148")
def server_named_queue_declared_again(peer: Peer) -> None:
    """A queue that the server named can be declared again passively only."""
    channel = peer.channel()
    name = channel.call(QueueDeclare(exclusive=True), QueueDeclareOk).queue
    channel.call(QueueDeclare(queue=name, passive=True, exclusive=True))
    channel.refused(QueueDeclare(queue=name, exclusive=True))


@case("S-148")
def reserved_name(peer: Peer) -> None:
    """Names that start with amq. are the server's."""
    channel = peer.channel()
    for name in ("amq.jobs", "amq.", "amq.gen-", "amq.direct"):
        channel.refused(QueueDeclare(queue=name))
        channel.open()


@case("S-148")
def nearly_reserved_name(peer: Peer) -> None:
    """Names that only look like the server's can be declared."""
    channel = peer.channel()
    for word in ("amq", "AMQ.jobs", " amq.jobs", "amqp.jobs"):
        channel.call(QueueDeclare(queue=peer.queue(word)))


@case("S-148", "S-154")
def passive_declare_of_a_reserved_name(peer: Peer) -> None:
    """A passive declare asks for a queue, whatever its name."""
    channel = peer.channel()
    absent(channel, "amq.jobs")


@case("S-092", "S-154")
def passive_declare_of_an_absent_queue(peer: Peer) -> None:
    """A passive declare of an absent queue closes the channel, not the connection."""
    channel = peer.channel()
    channel.refused(QueueDeclare(queue=peer.queue("nope"), passive=True))
    channel.open()
    channel.round_trip()


@case("S-154", "S-147")
def passive_declare_without_a_name(peer: Peer) -> None:
    """A passive declare without a name finds no queue, also when one was declared before."""
    channel = peer.channel()
    channel.call(QueueDeclare(queue=peer.queue()))
    channel.refused(QueueDeclare(passive=True))


@case("S-154")
def passive_declare_looks_at_the_name_only(peer: Peer) -> None:
    """Flags and arguments of a passive declare are not compared."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue))
    request = QueueDeclare(queue=queue, passive=True, durable=True, auto_delete=True)
    channel.call(request)
    channel.call(QueueDeclare(queue=queue, passive=True, exclusive=True))


@case("S-093", "S-146")
def nowait(peer: Peer) -> None:
    """A declare that wants no answer gets none."""
    channel = peer.channel()
    queue = peer.queue()
    channel.send(QueueDeclare(queue=queue, no_wait=True))
    channel.round_trip()
    channel.send(QueueDeclare(queue=queue, passive=True, no_wait=True))
    count(channel, queue)


@case("S-093")
def nowait_hides_no_error(peer: Peer) -> None:
    """A declare that wants no answer is told that it failed."""
    channel = peer.channel()
    channel.refused(QueueDeclare(queue=peer.queue("nope"), passive=True, no_wait=True))
    channel.open()
    channel.refused(QueueDeclare(queue="amq.jobs", no_wait=True))


@case("S-093", "S-087", "S-147")
def nowait_without_a_name(peer: Peer) -> None:
    """A server-named queue whose name was never told is still the last declared queue."""
    channel = peer.channel()
    channel.send(QueueDeclare(exclusive=True, no_wait=True))
    channel.call(QueuePurge())
    channel.call(QueueDelete())


@case("S-158")
def auto_delete_by_cancel(peer: Peer) -> None:
    """An auto-delete queue goes with its last consumer, before cancel-ok."""
    channel, other = peer.channel(), peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, auto_delete=True))
    for tag in ("first", "second"):
        channel.consume(queue, tag)
    channel.call(BasicCancel("first"))
    count(other, queue)
    channel.call(BasicCancel("second"))
    absent(other, queue)


@case("S-158")
def auto_delete_waits_for_a_first_consumer(peer: Peer) -> None:
    """An auto-delete queue that never had a consumer stays; basic.get is none."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, auto_delete=True))
    channel.publish("", queue, b"hello")
    channel.get(queue)
    channel.get(queue)
    channel.close()
    count(peer.channel(), queue)


@case("S-158", "S-085")
def auto_delete_by_channel_close(peer: Peer) -> None:
    """An auto-delete queue is gone when the close of its last consumer's channel is answered."""
    channel, other = peer.channel(), peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, auto_delete=True))
    channel.publish("", queue, b"unacked")
    channel.consume(queue, "only")
    channel.deliveries(1)
    channel.close()
    absent(other, queue)


@case("S-158", "S-071")
def auto_delete_by_connection_close(peer: Peer) -> None:
    """An auto-delete queue is gone when the close of its last consumer's connection is answered."""
    other = peer.channel(peer.connect())
    channel = peer.channel(peer.connect())
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, auto_delete=True))
    channel.consume(queue, "only")
    channel.connection.close()
    absent(other, queue)


@case("S-158", "S-008")
def auto_delete_by_channel_error(peer: Peer) -> None:
    """An auto-delete queue is gone when the server has closed its last consumer's channel."""
    channel, other = peer.channel(), peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, auto_delete=True))
    channel.consume(queue, "only")
    channel.refused(QueueDeclare(queue="amq.jobs"))
    absent(other, queue)


@case("S-158")
def auto_delete_by_nowait_cancel(peer: Peer) -> None:
    """An auto-delete queue goes with its last consumer also when the cancel wants no answer."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, auto_delete=True))
    channel.consume(queue, "only")
    channel.send(BasicCancel("only", no_wait=True))
    absent(channel, queue)


@case("S-158", "S-230")
def auto_delete_after_a_refused_consumer(peer: Peer) -> None:
    """A consumer that was refused is not one that an auto-delete queue has had."""
    channel, other = peer.channel(), peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, auto_delete=True))
    channel.consume(queue, "only")
    other.refused(BasicConsume(queue=queue, consumer_tag="greedy", exclusive=True))
    count(channel, queue)


@case("S-159", "S-071")
def exclusive_queue_goes_with_its_connection(peer: Peer) -> None:
    """An exclusive queue is gone when the close of its connection is answered."""
    other = peer.channel(peer.connect())
    channel = peer.channel(peer.connect())
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    channel.publish("", queue, b"lost")
    channel.connection.close()
    absent(other, queue)
    other.call(QueueDeclare(queue=queue))


@case("S-159")
def exclusive_queue_belongs_to_the_connection(peer: Peer) -> None:
    """An exclusive queue outlives its channel and serves the connection's other channels."""
    channel, other = peer.channel(), peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    channel.publish("", queue, b"kept")
    channel.close()
    other.call(QueueDeclare(queue=queue, exclusive=True))
    other.call(BasicConsume(queue=queue, consumer_tag="c", no_ack=True), BasicConsumeOk)
    other.deliveries(1)


@case("S-158", "S-159")
def exclusive_auto_delete_queue(peer: Peer) -> None:
    """A queue that is exclusive and auto-delete goes with its last consumer too."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, exclusive=True, auto_delete=True))
    channel.consume(queue, "only")
    channel.call(BasicCancel("only"))
    absent(channel, queue)
