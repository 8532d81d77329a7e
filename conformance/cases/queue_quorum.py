"""Quorum queues on one node, as clients see them: deliveries, returns, counts, refusals."""

from __future__ import annotations

from collections.abc import Mapping

from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicConsume,
    BasicGet,
    BasicNack,
    BasicQos,
    BasicRecover,
    BasicReject,
    ExchangeDeclare,
    QueueBind,
    QueueDeclare,
    QueueDelete,
    QueuePurge,
    TxCommit,
    TxSelect,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import breaks_connection, fill
from conformance.timed import arrive, confirming, declared

NEEDS = "quorum"


def quorum(
    peer: Peer, channel: RawChannel, arguments: Mapping[str, object] | None = None, word: str = "q"
) -> str:
    """The name of a new quorum queue."""
    return declared(
        peer, channel, word, {"x-queue-type": "quorum", **(arguments or {})}, durable=True
    )


def consuming(
    peer: Peer, queue: str, tag: str = "c", *, prefetch_count: int = 0, no_ack: bool = False
) -> RawChannel:
    """A new channel that consumes *queue*."""
    channel = peer.channel()
    if prefetch_count:
        channel.call(BasicQos(prefetch_count=prefetch_count))
    channel.consume(queue, tag, no_ack=no_ack)
    return channel


@case("S-188", "S-146", needs=NEEDS)
def declared_and_deleted(peer: Peer) -> None:
    """A quorum queue is declared, declared again, filled, and deleted."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    channel.call(QueueDeclare(queue=queue, passive=True))
    fill(peer, queue, b"1", b"2")
    channel.call(QueueDelete(queue=queue))


@case("S-188", "S-211", needs=NEEDS)
def published_and_got(peer: Peer) -> None:
    """Messages are confirmed, wait in order, and are got, transient or persistent."""
    channel = confirming(peer)
    queue = quorum(peer, channel)
    for number, properties in enumerate((properties_of(), properties_of(delivery_mode=2))):
        channel.publish("", queue, str(number).encode(), properties)
    channel.expect_confirms()
    assert channel.get_all(queue) == [b"0", b"1"]


@case("S-225", "S-307", needs=NEEDS)
def got_for_the_first_time(peer: Peer) -> None:
    """A message that is got for the first time: 3.10.8 counts its deliveries at once."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    fill(peer, queue, b"1")
    channel.call(BasicGet(queue=queue))
    channel.send(BasicAck(1))
    channel.call(BasicGet(queue=queue))


@case("S-225", "S-307", "S-258", needs=NEEDS)
def got_again(peer: Peer) -> None:
    """A message that is got again tells how often it was delivered before."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    fill(peer, queue, b"1")
    reader = consuming(peer, queue, prefetch_count=1)
    arrive(reader, b"1")
    reader.send(BasicNack(1, False, True))
    arrive(reader, b"1")
    reader.call(BasicCancel("c"))
    reader.send(BasicReject(2, True))
    arrive(consuming(peer, queue), b"1")


@case("S-307", "S-258", needs=NEEDS)
def delivery_count(peer: Peer) -> None:
    """Each return of a message is counted: by nack, by reject, by recover."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    channel.consume(queue, "c")
    fill(peer, queue, b"1")
    arrive(channel, b"1")
    channel.send(BasicNack(1, False, True))
    arrive(channel, b"1")
    channel.send(BasicReject(2, True))
    arrive(channel, b"1")
    channel.call(BasicRecover(True))
    arrive(channel, b"1")


@case("S-307", "S-258", "S-008", needs=NEEDS)
def count_after_a_lost_channel(peer: Peer) -> None:
    """A message that returns because its channel was closed is counted, too."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    reader = consuming(peer, queue)
    fill(peer, queue, b"1", b"2")
    arrive(reader, b"1", b"2")
    reader.close()
    arrive(consuming(peer, queue), b"1", b"2")


@case("S-307", "S-159", needs=NEEDS)
def count_after_a_lost_connection(peer: Peer) -> None:
    """A message that returns because its connection was lost is counted, too."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    connection = peer.connect()
    reader = peer.channel(connection)
    reader.consume(queue, "c")
    fill(peer, queue, b"1")
    arrive(reader, b"1")
    connection.drop()
    arrive(consuming(peer, queue), b"1")


@case("S-307", "S-205", needs=NEEDS)
def clients_own_delivery_count(peer: Peer) -> None:
    """An x-delivery-count of a client is replaced when the message comes again."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    channel.consume(queue, "c")
    headers = as_table({"x-delivery-count": "many", "n": 1})
    channel.publish("", queue, b"1", properties_of(headers=headers))
    arrive(channel, b"1")
    channel.send(BasicReject(1, True))
    arrive(channel, b"1")


@case("S-205", needs=NEEDS)
def properties_are_kept(peer: Peer) -> None:
    """A quorum queue delivers all properties and kinds of headers."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    properties = properties_of(
        content_type="text/plain", content_encoding="utf-8", delivery_mode=1, priority=3,
        correlation_id="c", reply_to="r", expiration="60000", message_id="m",
        timestamp=1700000000, type="t", user_id="guest", app_id="a", cluster_id="cluster",
        headers=as_table({"z": 1, "a": ["text", {"deep": 1.5}], "none": None, "yes": True}),
    )  # fmt: skip
    channel.consume(queue, "c")
    channel.publish("", queue, b"1", properties)
    arrive(channel, b"1")


@case("S-255", needs=NEEDS)
def returned_to_the_front(peer: Peer) -> None:
    """Where a nacked message stands: in front in 4.0.5, at the back in 3.10.8."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    reader = consuming(peer, queue, prefetch_count=1)
    fill(peer, queue, b"1", b"2", b"3")
    arrive(reader, b"1")
    reader.send(BasicNack(1, False, True))
    for tag in range(2, 5):
        reader.deliveries(1)
        reader.send(BasicAck(tag))


@case("S-255", needs=NEEDS)
def returned_one_by_one(peer: Peer) -> None:
    """Messages that are requeued one by one stand in the order of their return."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    reader = consuming(peer, queue, prefetch_count=3)
    fill(peer, queue, b"1", b"2", b"3", b"4")
    arrive(reader, b"1", b"2", b"3")
    reader.call(BasicCancel("c"))
    for tag in (2, 3, 1):
        reader.send(BasicReject(tag, True))
    reader.round_trip()
    with peer.quiet():
        fill(peer, queue, b"5")
    other = consuming(peer, queue, "other", no_ack=True)
    other.deliveries(5)


@case("S-255", needs=NEEDS)
def returned_together(peer: Peer) -> None:
    """Messages that are nacked together stand in the order of their delivery."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    reader = consuming(peer, queue, prefetch_count=3)
    fill(peer, queue, b"1", b"2", b"3", b"4")
    arrive(reader, b"1", b"2", b"3")
    reader.call(BasicCancel("c"))
    reader.send(BasicNack(3, True, True))
    reader.round_trip()
    with peer.quiet():
        fill(peer, queue, b"5")
    other = consuming(peer, queue, "other", no_ack=True)
    other.deliveries(5)


@case("S-255", "S-008", needs=NEEDS)
def returned_by_a_closed_channel(peer: Peer) -> None:
    """Messages that return because their channel was closed stand before the others."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    reader = consuming(peer, queue, prefetch_count=2)
    fill(peer, queue, b"1", b"2", b"3")
    arrive(reader, b"1", b"2")
    reader.close()
    fill(peer, queue, b"4")
    arrive(consuming(peer, queue, no_ack=True), b"1", b"2", b"3", b"4")


@case("S-312", needs=NEEDS)
def no_ack(peer: Peer) -> None:
    """A consumer may take messages without acks."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    reader = consuming(peer, queue, no_ack=True)
    fill(peer, queue, b"1", b"2")
    arrive(reader, b"1", b"2")
    channel.call(QueueDeclare(queue=queue, passive=True))


@case("S-312", "S-236", needs=NEEDS)
def cancelled_consumer_keeps_its_messages(peer: Peer) -> None:
    """What a cancelled consumer holds stays with it until its channel is closed."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    first = consuming(peer, queue, "first", prefetch_count=2)
    fill(peer, queue, b"1", b"2", b"3")
    arrive(first, b"1", b"2")
    first.call(BasicCancel("first"))
    second = consuming(peer, queue, "second")
    arrive(second, b"3")
    first.send(BasicAck(1))
    first.close()
    arrive(second, b"2")


@case("S-312", "S-194", needs=NEEDS)
def purged(peer: Peer) -> None:
    """A purge removes what is ready, not what is held."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    reader = consuming(peer, queue, prefetch_count=1)
    fill(peer, queue, b"1", b"2", b"3")
    arrive(reader, b"1")
    channel.call(QueuePurge(queue=queue))
    reader.send(BasicReject(1, True))
    arrive(reader, b"1")


@case("S-233", needs=NEEDS)
def in_turns(peer: Peer) -> None:
    """Consumers of a quorum queue get messages in turns."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    first = consuming(peer, queue, "first")
    second = consuming(peer, queue, "second")
    for number in (1, 2, 3, 4):
        fill(peer, queue, str(number).encode())
    arrive(first, b"1", b"3")
    arrive(second, b"2", b"4")


@case("S-245", needs=NEEDS)
def prefetch(peer: Peer) -> None:
    """A consumer does not get more than it may have."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    reader = consuming(peer, queue, prefetch_count=2)
    fill(peer, queue, b"1", b"2", b"3")
    arrive(reader, b"1", b"2")
    fill(peer, queue, b"4")
    reader.round_trip()
    reader.send(BasicAck(2, True))
    arrive(reader, b"3", b"4")


@case("S-247", "S-311", needs=NEEDS)
def global_prefetch(peer: Peer) -> None:
    """A channel with a limit for all its consumers cannot consume a quorum queue."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    channel.call(BasicQos(prefetch_count=5, global_=True))
    breaks_connection(channel, BasicConsume(queue=queue, consumer_tag="c"))


@case("S-247", "S-246", needs=NEEDS)
def global_prefetch_afterwards(peer: Peer) -> None:
    """Setting a limit for all consumers of a channel that consumes a quorum queue already."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    channel.consume(queue, "c")
    channel.call(BasicQos(prefetch_count=1, global_=True))
    fill(peer, queue, b"1", b"2")
    arrive(channel, b"1", b"2")


@case("S-230", needs=NEEDS)
def exclusive_consumer(peer: Peer) -> None:
    """Exclusive consumers of a quorum queue are not exclusive."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    channel.call(BasicConsume(queue=queue, consumer_tag="first", exclusive=True))
    channel.call(BasicConsume(queue=queue, consumer_tag="second", exclusive=True))
    peer.channel().call(BasicConsume(queue=queue, consumer_tag="third"))


@case("S-250", needs=NEEDS)
def unknown_tag(peer: Peer) -> None:
    """A tag that was settled is unknown, as with classic queues."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    fill(peer, queue, b"1")
    channel.consume(queue, "c")
    arrive(channel, b"1")
    channel.send(BasicAck(1))
    channel.refused(BasicAck(1))


@case("S-217", needs=NEEDS)
def published_in_a_transaction(peer: Peer) -> None:
    """A transaction publishes to a quorum queue and acks its messages."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    channel.call(TxSelect())
    channel.publish("", queue, b"1")
    channel.call(TxCommit())
    channel.consume(queue, "c")
    arrive(channel, b"1")
    channel.send(BasicAck(1))
    channel.call(TxCommit())


@case("S-192", "S-193", needs=NEEDS)
def deleted_with_a_consumer(peer: Peer) -> None:
    """The consumers of a quorum queue that is deleted are told."""
    channel = peer.channel()
    queue = quorum(peer, channel)
    fill(peer, queue, b"1")
    reader = consuming(peer, queue)
    arrive(reader, b"1")
    channel.call(QueueDelete(queue=queue))
    reader.expect(BasicCancel)


@case("S-192", "S-210", needs=NEEDS)
def deleted_and_published_to(peer: Peer) -> None:
    """A message for a quorum queue that was deleted is unroutable, and acked."""
    channel = confirming(peer)
    queue = quorum(peer, channel)
    channel.call(QueueDelete(queue=queue))
    channel.publish("", queue, b"1")
    channel.expect_confirms()


@case("S-117", "S-213", needs=NEEDS)
def beside_a_classic_queue(peer: Peer) -> None:
    """A message that goes to a quorum queue and a classic one is confirmed once."""
    channel = confirming(peer)
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    queue = quorum(peer, channel)
    classic = declared(peer, channel, "classic")
    for name in (queue, classic):
        channel.call(QueueBind(queue=name, exchange=exchange))
    channel.publish(exchange, "", b"1")
    channel.expect_confirms()
    assert channel.get_all(classic) == [b"1"]
    assert channel.get_all(queue) == [b"1"]


@case("S-271", "S-273", needs="quorum single-active")
def single_active_consumer(peer: Peer) -> None:
    """When the active consumer is cancelled, the next one starts; what was held is held."""
    channel = peer.channel()
    queue = quorum(peer, channel, {"x-single-active-consumer": True})
    first = consuming(peer, queue, "first", prefetch_count=2)
    second = consuming(peer, queue, "second")
    fill(peer, queue, b"1", b"2", b"3")
    arrive(first, b"1", b"2")
    second.round_trip()
    first.call(BasicCancel("first"))
    arrive(second, b"3")
    first.send(BasicReject(1, True))
    arrive(second, b"1")


@case("S-271", "S-008", needs="quorum single-active")
def single_active_consumer_is_lost(peer: Peer) -> None:
    """When the channel of the active consumer is closed, the next one gets what it held."""
    channel = peer.channel()
    queue = quorum(peer, channel, {"x-single-active-consumer": True})
    first = consuming(peer, queue, "first", prefetch_count=2)
    second = consuming(peer, queue, "second")
    fill(peer, queue, b"1", b"2", b"3")
    arrive(first, b"1", b"2")
    first.close()
    arrive(second, b"1", b"2", b"3")


@case("S-224", "S-311", needs="quorum single-active")
def single_active_consumer_and_get(peer: Peer) -> None:
    """Nobody may get from a quorum queue with a single active consumer."""
    channel = peer.channel()
    queue = quorum(peer, channel, {"x-single-active-consumer": True})
    channel.refused(BasicGet(queue=queue))


@case("S-272", "S-232", needs="quorum single-active")
def single_active_consumer_with_a_higher_priority(peer: Peer) -> None:
    """A consumer of higher priority takes over when the active one holds nothing (4.0.5)."""
    channel = peer.channel()
    queue = quorum(peer, channel, {"x-single-active-consumer": True})
    first = consuming(peer, queue, "first", prefetch_count=1)
    fill(peer, queue, b"1")
    arrive(first, b"1")
    second = peer.channel()
    arguments = as_table({"x-priority": 5})
    second.call(BasicConsume(queue=queue, consumer_tag="second", arguments=arguments))
    fill(peer, queue, b"2")
    first.send(BasicAck(1))
    channel.connection.receive()
