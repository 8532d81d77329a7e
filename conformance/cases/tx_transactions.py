"""tx.select, tx.commit and tx.rollback."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicConsume,
    BasicGet,
    BasicNack,
    BasicQos,
    BasicRecover,
    BasicReject,
    BasicReturn,
    ChannelCloseOk,
    QueueBind,
    QueueDeclare,
    QueueDelete,
    QueueUnbind,
    TxCommit,
    TxCommitOk,
    TxRollback,
    TxRollbackOk,
    TxSelect,
    TxSelectOk,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import breaks_connection, drain, fill, stocked, take


def transactional(peer: Peer) -> RawChannel:
    """A channel in transactions."""
    channel = peer.channel()
    with peer.quiet():
        channel.call(TxSelect())
    peer.note(f"channel {channel.number} is transactional")
    return channel


@case("S-216")
def select(peer: Peer) -> None:
    """A channel may select transactions more than once, and commit or roll back nothing."""
    channel = peer.channel()
    channel.call(TxSelect(), TxSelectOk)
    channel.call(TxSelect(), TxSelectOk)
    channel.call(TxCommit(), TxCommitOk)
    channel.call(TxRollback(), TxRollbackOk)
    channel.call(TxCommit(), TxCommitOk)


@case("S-216")
def select_within(peer: Peer) -> None:
    """Selecting again within a transaction does not end it."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other)
    channel.publish("", queue, b"1")
    channel.call(TxSelect())
    other.get(queue)
    channel.call(TxCommit())
    other.get(queue)


@case("S-216")
def commit_without_select(peer: Peer) -> None:
    """A channel that did not select transactions cannot commit."""
    peer.channel().refused(TxCommit())


@case("S-216")
def rollback_without_select(peer: Peer) -> None:
    """A channel that did not select transactions cannot roll back."""
    peer.channel().refused(TxRollback())


@case("S-216")
def mode_ends_with_the_channel(peer: Peer) -> None:
    """A channel that is opened again is not transactional."""
    channel = transactional(peer)
    channel.close()
    channel.open()
    channel.refused(TxCommit())


@case("S-217", "S-219")
def publish_and_commit(peer: Peer) -> None:
    """Messages are in their queue when commit-ok comes, and not before."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other)
    channel.publish("", queue, b"1")
    channel.publish("", queue, b"2", properties_of(delivery_mode=2))
    channel.round_trip()
    other.get(queue)
    channel.call(TxCommit())
    assert other.get_all(queue) == [b"1", b"2"]


@case("S-217")
def own_get_within(peer: Peer) -> None:
    """Messages are not in their queue for the publishing channel either."""
    channel = transactional(peer)
    queue = stocked(peer, channel)
    channel.publish("", queue, b"1")
    channel.get(queue)
    channel.call(TxCommit())
    channel.get(queue)


@case("S-218", "S-217")
def publish_and_rollback(peer: Peer) -> None:
    """Messages are forgotten by a rollback; the next transaction begins."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other)
    channel.publish("", queue, b"1")
    channel.call(TxRollback())
    channel.publish("", queue, b"2")
    channel.call(TxCommit())
    assert other.get_all(queue) == [b"2"]


@case("S-217", "S-206")
def order_of_several_queues(peer: Peer) -> None:
    """A commit keeps the order within each queue."""
    channel, other = transactional(peer), peer.channel()
    one, two = stocked(peer, other, word="one"), stocked(peer, other, word="two")
    for number in range(4):
        channel.publish("", (one, two)[number % 2], b"%d" % number)
    fill(peer, one, b"between")
    channel.call(TxCommit())
    assert other.get_all(one) == [b"between", b"0", b"2"]
    assert other.get_all(two) == [b"1", b"3"]


@case("S-217", "S-219")
def many_messages(peer: Peer) -> None:
    """A commit of hundreds of messages."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other)
    with peer.quiet():
        for number in range(300):
            channel.publish("", queue, b"%d" % number)
    peer.note("300 messages are published")
    channel.call(TxCommit())
    other.get(queue)


@case("S-217", "S-201")
def returned_at_commit(peer: Peer) -> None:
    """Mandatory messages that no queue gets come back at commit, before commit-ok."""
    channel = transactional(peer)
    queue = stocked(peer, channel)
    for key, body in (("nope", b"1"), (queue, b"2"), ("nor", b"3")):
        channel.publish("", key, body, mandatory=True)
    channel.round_trip()
    channel.send(TxCommit())
    channel.expect_content(BasicReturn)
    channel.expect_content(BasicReturn)
    channel.expect(TxCommitOk)
    channel.get(queue)


@case("S-217", "S-201")
def not_returned_at_rollback(peer: Peer) -> None:
    """A rollback forgets messages that would have come back."""
    channel = transactional(peer)
    channel.publish("", peer.queue("nope"), b"1", mandatory=True)
    channel.call(TxRollback())
    channel.call(TxCommit())


@case("S-217")
def missing_exchange(peer: Peer) -> None:
    """A publish to an exchange that is not there closes the channel at once; nothing is kept."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other)
    channel.publish("", queue, b"1")
    channel.publish(peer.exchange("nope"), "k", b"2")
    channel.expect_close()
    other.get(queue)


@case("S-217", "S-203")
def refused_message(peer: Peer) -> None:
    """A message that is refused closes the channel at once."""
    channel = transactional(peer)
    channel.publish("", peer.queue("nope"), b"1", properties_of(expiration="soon"))
    channel.expect_close()


@case("S-217")
def bound_before_commit(peer: Peer) -> None:
    """Messages go where bindings led when they were published, not where they lead at commit."""
    channel, other = transactional(peer), peer.channel()
    one, two = stocked(peer, other, word="one"), stocked(peer, other, word="two")
    key = peer.name("key")
    other.call(QueueBind(queue=one, exchange="amq.direct", routing_key=key))
    channel.publish("amq.direct", key, b"1", mandatory=True)
    channel.round_trip()
    other.call(QueueUnbind(queue=one, exchange="amq.direct", routing_key=key))
    other.call(QueueBind(queue=two, exchange="amq.direct", routing_key=key))
    channel.call(TxCommit())
    other.get(one)
    other.get(two)


@case("S-217")
def declared_before_commit(peer: Peer) -> None:
    """A queue that is declared behind the publish gets nothing at commit.

    In 3.10.8 it gets the message.
    """
    channel, other = transactional(peer), peer.channel()
    queue = peer.queue()
    channel.publish("", queue, b"1")
    channel.round_trip()
    other.call(QueueDeclare(queue=queue))
    channel.call(TxCommit())
    other.get(queue)


@case("S-217", "S-219")
def deleted_before_commit(peer: Peer) -> None:
    """A commit fails when the queue has been deleted meanwhile.

    In 3.10.8 it succeeds.
    """
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other)
    channel.publish("", queue, b"1")
    channel.round_trip()
    other.call(QueueDelete(queue=queue))
    channel.send(TxCommit())
    channel.receive()
    if not channel.is_open:
        channel.send(ChannelCloseOk())


@case("S-220")
def close_without_commit(peer: Peer) -> None:
    """A channel that is closed without commit has published nothing and acked nothing."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1", b"2")
    take(channel, queue, 2)
    channel.send(BasicAck(1))
    channel.send(BasicReject(2, requeue=False))
    channel.publish("", queue, b"3")
    channel.close()
    drain(other, queue, b"1", b"2")


@case("S-220", "S-072")
def connection_close_without_commit(peer: Peer) -> None:
    """A connection that is closed without commit has published nothing and acked nothing."""
    other = peer.channel(peer.connect())
    channel = peer.channel(peer.connect())
    channel.call(TxSelect())
    queue = stocked(peer, other, b"1")
    take(channel, queue, 1)
    channel.send(BasicAck(1))
    channel.publish("", queue, b"2")
    channel.connection.close()
    drain(other, queue, b"1")


@case("S-220", "S-008")
def error_without_commit(peer: Peer) -> None:
    """A channel that is closed for an error has acked nothing since its last commit."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1", b"2")
    take(channel, queue, 2)
    channel.send(BasicAck(1))
    channel.call(TxCommit())
    channel.send(BasicAck(2))
    channel.refused(BasicAck(9))
    other.consume(queue, "c")
    other.deliveries(1)


@case("S-218")
def ack_and_commit(peer: Peer) -> None:
    """Messages that were acked are gone after the commit."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1", b"2")
    take(channel, queue, 2)
    channel.send(BasicAck(2, multiple=True))
    channel.call(TxCommit())
    channel.close()
    other.get(queue)


@case("S-218")
def ack_and_rollback(peer: Peer) -> None:
    """After a rollback messages are out as before: they are not redelivered, and may be acked."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1", b"2")
    take(channel, queue, 2)
    channel.send(BasicAck(1))
    channel.send(BasicReject(2))
    channel.call(TxRollback())
    other.get(queue)
    channel.send(BasicAck(0, multiple=True))
    channel.call(TxCommit())
    channel.close()
    other.get(queue)


@case("S-218", "S-250")
def unknown_tag(peer: Peer) -> None:
    """A tag that was never delivered closes the channel at once, not at commit."""
    channel = transactional(peer)
    for request in (BasicAck(1), BasicNack(1), BasicReject(1)):
        channel.refused(request)
        channel.open()
        channel.call(TxSelect())


@case("S-218", "S-250")
def acked_twice(peer: Peer) -> None:
    """A tag can be settled once within a transaction."""
    channel = transactional(peer)
    queue = stocked(peer, channel, b"1")
    take(channel, queue, 1)
    channel.send(BasicAck(1))
    channel.refused(BasicReject(1))
    channel.open()
    drain(channel, queue, b"1")


@case("S-218", "S-250")
def acked_again_after_commit(peer: Peer) -> None:
    """A tag that was committed is unknown."""
    channel = transactional(peer)
    queue = stocked(peer, channel, b"1")
    take(channel, queue, 1)
    channel.send(BasicAck(1))
    channel.call(TxCommit())
    channel.refused(BasicAck(1))


@case("S-218", "S-251")
def all_that_is_out(peer: Peer) -> None:
    """The tag zero with multiple leaves out what the transaction has settled already."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1", b"2", b"3")
    take(channel, queue, 3)
    channel.send(BasicReject(2))
    channel.send(BasicAck(0, multiple=True))
    channel.call(TxCommit())
    assert other.get_all(queue) == [b"2"]


@case("S-218", "S-254")
def requeue_at_commit(peer: Peer) -> None:
    """Messages that are requeued return at commit, to their old places."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1", b"2", b"3", b"4")
    take(channel, queue, 3)
    channel.send(BasicReject(3))
    channel.send(BasicNack(1))
    channel.send(BasicNack(2, requeue=False))
    channel.round_trip()
    other.call(BasicGet(queue=queue))
    channel.call(TxCommit())
    assert other.get_all(queue) == [b"1", b"3"]


@case("S-218", "S-249")
def room_at_commit(peer: Peer) -> None:
    """An ack makes room for the next message at commit."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1", b"2", b"3")
    channel.call(BasicQos(prefetch_count=1))
    channel.call(BasicConsume(queue=queue, consumer_tag="c"))
    channel.deliveries(1)
    channel.send(BasicAck(1))
    channel.round_trip()
    other.get(queue)
    channel.call(TxCommit())
    channel.deliveries(1)


@case("S-218", "S-249")
def no_room_at_rollback(peer: Peer) -> None:
    """An ack that is rolled back makes no room."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1", b"2")
    channel.call(BasicQos(prefetch_count=1))
    channel.call(BasicConsume(queue=queue, consumer_tag="c"))
    channel.deliveries(1)
    channel.send(BasicAck(1))
    channel.call(TxRollback())
    other.get(queue)


@case("S-218", "S-249")
def gets_without_ack(peer: Peer) -> None:
    """Messages that are got without ack are gone at once."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1")
    channel.get(queue)
    channel.call(TxRollback())
    channel.close()
    other.get(queue)


@case("S-218", "S-259")
def recover_within(peer: Peer) -> None:
    """recover requeues at once what the transaction has not settled."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1", b"2", b"3")
    take(channel, queue, 3)
    channel.send(BasicAck(2))
    channel.call(BasicRecover(requeue=True))
    assert other.get_all(queue) == [b"1", b"3"]
    channel.call(TxCommit())
    channel.close()
    other.get(queue)


@case("S-217", "S-218")
def move_a_message(peer: Peer) -> None:
    """A publish and an ack are done by one commit."""
    channel, other = transactional(peer), peer.channel()
    source, target = stocked(peer, other, b"1", word="from"), stocked(peer, other, word="to")
    take(channel, source, 1)
    channel.publish("", target, b"1")
    channel.send(BasicAck(1))
    channel.call(TxCommit())
    channel.close()
    other.get(source)
    other.get(target)


@case("S-218", "S-251")
def tag_zero(peer: Peer) -> None:
    """The tag zero without multiple is unknown in a transaction, too."""
    channel = transactional(peer)
    queue = stocked(peer, channel, b"1")
    take(channel, queue, 1)
    channel.refused(BasicAck(0))


@case("S-218", "S-250")
def multiple_above_the_last(peer: Peer) -> None:
    """A tag above the last is unknown with multiple too; the transaction is lost with its acks."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1", b"2")
    take(channel, queue, 2)
    channel.send(BasicAck(1))
    channel.refused(BasicAck(5, multiple=True))
    drain(other, queue, b"1", b"2")


@case("S-218", "S-252")
def tag_of_another_channel(peer: Peer) -> None:
    """A delivery of another channel is unknown in a transaction."""
    channel, other = transactional(peer), peer.channel()
    queue = stocked(peer, other, b"1")
    take(other, queue, 1)
    channel.refused(BasicAck(1))


@case("S-197", "S-217")
def immediate(peer: Peer) -> None:
    """The immediate flag closes the connection at once."""
    channel = transactional(peer)
    channel.publish("", "k", b"now", immediate=True)
    channel.connection.expect_close()


@case("S-202", "S-133", "S-217")
def refused_properties(peer: Peer) -> None:
    """Bad user-ids and copies close the channel at once, not at commit."""
    for properties in (
        properties_of(user_id="somebody"),
        properties_of(headers=as_table({"CC": "text"})),
    ):
        channel = transactional(peer)
        channel.publish("", peer.queue("nope"), b"1", properties)
        channel.expect_close()


@case("S-109", "S-217")
def internal_exchange(peer: Peer) -> None:
    """A publish to an internal exchange closes the channel at once."""
    channel = transactional(peer)
    channel.publish("amq.rabbitmq.trace", "k", b"1")
    channel.expect_close()


@case("S-259", "S-218")
def recover_without_requeue(peer: Peer) -> None:
    """recover without requeue closes the connection within a transaction, too."""
    breaks_connection(transactional(peer), BasicRecover(requeue=False))
