"""Queues with a maximum length that drop messages from their head: x-max-length and -bytes."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicNack,
    BasicQos,
    BasicRecover,
    BasicReject,
    ExchangeDeclare,
    QueueBind,
    TxCommit,
    TxSelect,
)
from amqpbroker.spec.properties import properties_of
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import count, fill, take
from conformance.timed import (
    arrive,
    confirming,
    dead_lettering,
    declared,
    publish_all,
    watch,
)

NEEDS = "length"
DEAD_NEEDS = "length dead-letter"


@case("S-300", "S-301", "S-172", needs=NEEDS)
def the_oldest_are_dropped(peer: Peer) -> None:
    """A queue of at most three messages keeps the last three."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length": 3})
    publish_all(channel, queue, b"1", b"2", b"3", b"4", b"5")
    assert channel.get_all(queue) == [b"3", b"4", b"5"]


@case("S-301", "S-177", needs=NEEDS)
def drop_head_is_the_default(peer: Peer) -> None:
    """That the oldest messages are dropped may be said by x-overflow."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length": 1, "x-overflow": "drop-head"})
    publish_all(channel, queue, b"1", b"2")
    assert channel.get_all(queue) == [b"2"]


@case("S-301", "S-274", needs=DEAD_NEEDS)
def dropped_messages_are_dead_lettered(peer: Peer) -> None:
    """What is dropped is dead-lettered, in the order of the queue."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length": 2})
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2", b"3", b"4")
    arrive(watching, b"1", b"2")
    assert channel.get_all(queue) == [b"3", b"4"]


@case("S-300", "S-301", needs=NEEDS)
def bytes_of_the_bodies(peer: Peer) -> None:
    """A maximum length in bytes counts the bodies, not the properties."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length-bytes": 10})
    heavy = properties_of(message_id="m" * 200)
    publish_all(channel, queue, b"12345", b"67890", properties=heavy)
    assert channel.get_all(queue) == [b"12345", b"67890"]
    publish_all(channel, queue, b"12345", b"67890", b"x", properties=heavy)
    assert channel.get_all(queue) == [b"67890", b"x"]


@case("S-301", needs=DEAD_NEEDS)
def one_message_drives_out_many(peer: Peer) -> None:
    """A large message drives out as many as it must."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length-bytes": 10})
    watching = watch(peer)
    publish_all(channel, queue, b"123", b"456", b"789", b"1234567")
    arrive(watching, b"123", b"456")
    assert channel.get_all(queue) == [b"789", b"1234567"]


@case("S-301", needs=DEAD_NEEDS)
def a_message_that_is_too_large(peer: Peer) -> None:
    """A message larger than the queue may be drives out all, and is dropped itself."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length-bytes": 10})
    watching = watch(peer)
    publish_all(channel, queue, b"12345", b"67890", b"12345678901")
    arrive(watching, b"12345", b"67890", b"12345678901")
    assert channel.get(queue) is None


@case("S-300", needs=NEEDS)
def empty_bodies_have_no_bytes(peer: Peer) -> None:
    """Any number of empty messages fits into a queue of few bytes, even none."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length-bytes": 0})
    publish_all(channel, queue, b"", b"", b"")
    channel.publish("", queue, b"x")
    assert channel.get_all(queue) == []
    publish_all(channel, queue, b"", b"", b"")
    assert channel.get_all(queue) == [b"", b"", b""]


@case("S-300", needs=NEEDS)
def both_limits(peer: Peer) -> None:
    """With both limits, each of them is kept."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length": 3, "x-max-length-bytes": 10})
    publish_all(channel, queue, b"1", b"2", b"3", b"4")
    assert channel.get_all(queue) == [b"2", b"3", b"4"]
    publish_all(channel, queue, b"123456", b"7890", b"1")
    assert channel.get_all(queue) == [b"7890", b"1"]


@case("S-301", "S-212", needs=NEEDS)
def dropped_messages_are_confirmed(peer: Peer) -> None:
    """Messages that are dropped are acked, and not returned."""
    channel = confirming(peer)
    queue = declared(peer, channel, "q", {"x-max-length": 1})
    for body in (b"1", b"2", b"3"):
        channel.publish("", queue, body, mandatory=True)
    channel.expect_confirms()
    assert channel.get_all(queue) == [b"3"]


@case("S-301", "S-211", needs=NEEDS)
def persistent_messages(peer: Peer) -> None:
    """Persistent messages that are dropped from a durable queue are acked."""
    channel = confirming(peer)
    queue = declared(peer, channel, "q", {"x-max-length": 1}, durable=True)
    persistent = properties_of(delivery_mode=2)
    publish_all(channel, queue, b"1", b"2", b"3", properties=persistent)
    channel.expect_confirms()
    assert channel.get_all(queue) == [b"3"]


@case("S-301", needs=DEAD_NEEDS)
def no_length_without_a_consumer(peer: Peer) -> None:
    """A queue of length zero drops what no consumer is ready for."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length": 0})
    publish_all(channel, queue, b"1", b"2")
    assert channel.get(queue) is None
    arrive(watch(peer), b"1", b"2")


@case("S-301", needs=DEAD_NEEDS)
def no_length_with_a_consumer(peer: Peer) -> None:
    """A queue of length zero hands over to a consumer that has room, and drops the rest."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length": 0})
    watching = watch(peer)
    consumer = peer.channel()
    consumer.call(BasicQos(prefetch_count=2))
    consumer.consume(queue, "c")
    publish_all(channel, queue, b"1", b"2", b"3")
    arrive(consumer, b"1", b"2")
    arrive(watching, b"3")


@case("S-301", needs=DEAD_NEEDS)
def no_length_requeued(peer: Peer) -> None:
    """What returns to a queue of length zero is dropped, though its consumer has room."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length": 0})
    watching = watch(peer)
    consumer = peer.channel()
    consumer.consume(queue, "c")
    channel.publish("", queue, b"1")
    arrive(consumer, b"1")
    consumer.send(BasicReject(1, True))
    arrive(watching, b"1")


@case("S-300", needs=NEEDS)
def unacked_messages_do_not_count(peer: Peer) -> None:
    """Messages that somebody holds do not count."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length": 2})
    publish_all(channel, queue, b"1", b"2")
    take(channel, queue, 2)
    fill(peer, queue, b"3", b"4", b"5")
    assert count(channel, queue) == (2, 0)
    channel.send(BasicAck(2, True))
    assert channel.get_all(queue) == [b"4", b"5"]


@case("S-300", needs=NEEDS)
def bytes_of_unacked_messages_do_not_count(peer: Peer) -> None:
    """The bytes of messages that somebody holds do not count."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length-bytes": 5})
    publish_all(channel, queue, b"12345")
    take(channel, queue, 1)
    publish_all(channel, queue, b"67", b"890", b"1")
    assert channel.get_all(queue) == [b"890", b"1"]


@case("S-301", "S-254", needs=DEAD_NEEDS)
def requeued_into_a_full_queue(peer: Peer) -> None:
    """A message that returns to a full queue stands at its head, and is dropped."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length": 2})
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2")
    (tag,) = take(channel, queue, 1)
    channel.publish("", queue, b"3")
    channel.send(BasicReject(tag, True))
    arrive(watching, b"1")
    assert channel.get_all(queue) == [b"2", b"3"]


@case("S-301", "S-254", needs=DEAD_NEEDS)
def several_requeued_into_a_full_queue(peer: Peer) -> None:
    """Of several messages that return to a full queue the oldest are dropped."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length": 3})
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2", b"3")
    last = take(channel, queue, 3)[-1]
    publish_all(channel, queue, b"4", b"5")
    channel.send(BasicNack(last, True))
    arrive(watching, b"1", b"2")
    assert channel.get_all(queue) == [b"3", b"4", b"5"]


@case("S-301", "S-259", needs=DEAD_NEEDS)
def recovered_into_a_full_queue(peer: Peer) -> None:
    """Messages that are recovered are dropped where there are too many."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length": 2})
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2")
    take(channel, queue, 2)
    channel.publish("", queue, b"3")
    channel.call(BasicRecover(True))
    arrive(watching, b"1")
    assert channel.get_all(queue) == [b"2", b"3"]


@case("S-301", "S-008", needs=DEAD_NEEDS)
def returned_by_a_closed_channel(peer: Peer) -> None:
    """Messages that return because their channel was closed may be too many."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length": 2})
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2")
    holder = peer.channel()
    take(holder, queue, 2)
    channel.publish("", queue, b"3")
    channel.round_trip()
    fill(peer, queue, b"4")
    holder.close()
    arrive(watching, b"1", b"2")
    assert channel.get_all(queue) == [b"3", b"4"]


@case("S-301", "S-233", needs=NEEDS)
def what_consumers_take_is_not_too_much(peer: Peer) -> None:
    """While a consumer takes everything, nothing is dropped."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length": 1})
    consumer = peer.channel()
    consumer.consume(queue, "c")
    publish_all(channel, queue, b"1", b"2", b"3")
    arrive(consumer, b"1", b"2", b"3")


@case("S-301", needs=NEEDS)
def a_consumer_with_a_limit(peer: Peer) -> None:
    """A consumer holds what it may have, the queue keeps the last ones, and drops between."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length": 1})
    consumer = peer.channel()
    consumer.call(BasicQos(prefetch_count=1))
    consumer.consume(queue, "c")
    publish_all(channel, queue, b"1", b"2", b"3")
    arrive(consumer, b"1")
    channel.round_trip()
    fill(peer, queue, b"4")
    consumer.send(BasicAck(1))
    arrive(consumer, b"4")


@case("S-301", needs=DEAD_NEEDS)
def dead_letters_of_a_chain_of_full_queues(peer: Peer) -> None:
    """What one full queue drops may drive messages out of the next."""
    channel = peer.channel()
    second = dead_lettering(peer, channel, {"x-max-length": 1}, word="second")
    watching = watch(peer)
    first = declared(
        peer, channel, "first",
        {"x-max-length": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": second},
    )  # fmt: skip
    publish_all(channel, first, b"1", b"2", b"3", b"4")
    arrive(watching, b"1", b"2")
    assert channel.get_all(first) == [b"4"]
    assert channel.get_all(second) == [b"3"]


@case("S-301", needs=NEEDS)
def each_queue_has_its_own_limit(peer: Peer) -> None:
    """A message that one queue drops stays in another."""
    channel = peer.channel()
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    short = declared(peer, channel, "short", {"x-max-length": 1})
    long = declared(peer, channel, "long", {"x-max-length": 10})
    for queue in (short, long):
        channel.call(QueueBind(queue=queue, exchange=exchange))
    for body in (b"1", b"2"):
        channel.publish(exchange, "", body)
    assert channel.get_all(short) == [b"2"]
    assert channel.get_all(long) == [b"1", b"2"]


@case("S-301", "S-217", needs=NEEDS)
def published_in_a_transaction(peer: Peer) -> None:
    """A transaction may publish more than the queue keeps."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-length": 2})
    channel.call(TxSelect())
    publish_all(channel, queue, b"1", b"2", b"3")
    channel.call(TxCommit())
    assert channel.get_all(queue) == [b"2", b"3"]


@case("S-301", "S-294", needs="length ttl dead-letter")
def expired_messages_make_room(peer: Peer) -> None:
    """Messages that have expired at the head are no longer there to be dropped."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-length": 2})
    watching = watch(peer)
    channel.publish("", queue, b"1", properties_of(expiration="50"))
    channel.publish("", queue, b"2")
    arrive(watching, b"1")
    channel.publish("", queue, b"3")
    assert channel.get_all(queue) == [b"2", b"3"]


@case("S-301", "S-306", needs=NEEDS)
def in_a_lazy_queue(peer: Peer) -> None:
    """Lazy queues of either version have limits, too."""
    channel = peer.channel()
    for version in (1, 2):
        arguments = {"x-max-length": 2, "x-queue-mode": "lazy", "x-queue-version": version}
        queue = declared(peer, channel, f"lazy-{version}", arguments)
        publish_all(channel, queue, b"1", b"2", b"3")
        assert channel.get_all(queue) == [b"2", b"3"]
