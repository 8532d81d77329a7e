"""Messages that expire: x-message-ttl of the queue, and the expiration of a message."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicGet,
    BasicGetOk,
    BasicNack,
    BasicQos,
    BasicReject,
    ExchangeDeclare,
    QueueBind,
    QueueDelete,
    QueuePurge,
    TxCommit,
    TxRollback,
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
    let_pass,
    publish_all,
    watch,
)

SOON = properties_of(expiration="100")
LATE = properties_of(expiration="60000")
NEEDS = "ttl dead-letter"  # without dead letters a case cannot tell the time


@case("S-292", "S-170", needs=NEEDS)
def messages_of_a_queue_expire(peer: Peer) -> None:
    """A message that has been in its queue for x-message-ttl is gone."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-message-ttl": 100})
    publish_all(channel, queue, b"1", b"2")
    let_pass(peer, 300)
    assert count(channel, queue) == (0, 0)
    assert channel.get_all(queue) == []


@case("S-292", "S-203", needs=NEEDS)
def a_message_expires(peer: Peer) -> None:
    """A message that has been in its queue for its expiration is gone; others stay."""
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    channel.publish("", queue, b"short", SOON)
    channel.publish("", queue, b"long", LATE)
    channel.publish("", queue, b"forever")
    let_pass(peer, 300)
    assert channel.get_all(queue) == [b"long", b"forever"]


@case("S-292", needs=NEEDS)
def the_shorter_of_both_counts(peer: Peer) -> None:
    """Of the queue's time to live and the message's expiration the shorter one counts."""
    channel = peer.channel()
    short = declared(peer, channel, "short", {"x-message-ttl": 100})
    long = declared(peer, channel, "long", {"x-message-ttl": 60000})
    for queue, properties in ((short, LATE), (long, SOON), (long, LATE)):
        channel.publish("", queue, b"hello", properties)
    let_pass(peer, 300)
    assert channel.get_all(short) == []
    assert channel.get_all(long) == [b"hello"]


@case("S-292", "S-278", needs=NEEDS)
def properties_stay_as_they_are(peer: Peer) -> None:
    """A message keeps its expiration; that its queue has a shorter time does not show."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-message-ttl": 50000})
    channel.publish("", queue, b"timed", LATE)
    channel.publish("", queue, b"plain")
    channel.get_all(queue)


@case("S-293", needs=NEEDS)
def without_a_consumer(peer: Peer) -> None:
    """Messages expire by themselves, in the order of the queue, without a consumer or a get."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 100})
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2", b"3")
    arrive(watching, b"1", b"2", b"3")
    assert count(channel, queue) == (0, 0)


@case("S-293", needs=NEEDS)
def only_at_the_head(peer: Peer) -> None:
    """A message that has expired behind one that has not stays, and counts, until it is first."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    channel.publish("", queue, b"long", LATE)
    channel.publish("", queue, b"short", SOON)
    let_pass(peer, 300)
    assert count(channel, queue) == (2, 0)
    take(channel, queue, 1)
    arrive(watching, b"short")
    assert count(channel, queue) == (0, 0)


@case("S-293", "S-221", needs=NEEDS)
def got_from_before_the_expired(peer: Peer) -> None:
    """What get-ok says to be left includes the expired messages that were behind the first."""
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    channel.publish("", queue, b"long", LATE)
    publish_all(channel, queue, b"1", b"2", properties=SOON)
    channel.publish("", queue, b"forever")
    let_pass(peer, 300)
    assert channel.get_all(queue) == [b"long", b"forever"]


@case("S-293", needs=NEEDS)
def behind_a_message_that_never_expires(peer: Peer) -> None:
    """Expired messages that nobody can see are purged like others."""
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    channel.publish("", queue, b"forever")
    publish_all(channel, queue, b"1", b"2", properties=SOON)
    let_pass(peer, 300)
    channel.call(QueuePurge(queue=queue))
    channel.call(QueueDelete(queue=queue))


@case("S-293", needs=NEEDS)
def purged_before_it_expires(peer: Peer) -> None:
    """A message that was purged does not expire."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 100})
    watching = watch(peer)
    publish_all(channel, queue, b"purged")
    channel.call(QueuePurge(queue=queue))
    channel.publish("", queue, b"later")
    arrive(watching, b"later")


@case("S-293", "S-192", needs=NEEDS)
def queue_deleted_before_it_expires(peer: Peer) -> None:
    """The messages of a queue that was deleted do not expire, nor are they dead-lettered."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 100})
    watching = watch(peer)
    channel.publish("", queue, b"deleted")
    channel.call(QueueDelete(queue=queue))
    queue = dead_lettering(peer, channel, {"x-message-ttl": 100})
    channel.publish("", queue, b"later")
    arrive(watching, b"later")


@case("S-294", needs=NEEDS)
def expired_messages_are_not_delivered(peer: Peer) -> None:
    """A consumer that comes late gets only what has not expired."""
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    publish_all(channel, queue, b"1", b"2", properties=SOON)
    channel.publish("", queue, b"forever")
    let_pass(peer, 300)
    channel.consume(queue, "c")
    assert [delivery.body for delivery in channel.deliveries(1)] == [b"forever"]


@case("S-294", needs=NEEDS)
def unacked_messages_do_not_expire(peer: Peer) -> None:
    """A message that somebody holds does not expire."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 100})
    watching = watch(peer)
    channel.publish("", queue, b"held")
    (tag,) = take(channel, queue, 1)
    let_pass(peer, 300)
    channel.send(BasicAck(tag))
    channel.publish("", queue, b"later")
    arrive(watching, b"later")


@case("S-294", needs=NEEDS)
def requeued_messages_keep_their_time(peer: Peer) -> None:
    """A message that is requeued after its time has passed expires at once."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 150})
    watching = watch(peer)
    channel.publish("", queue, b"held")
    (tag,) = take(channel, queue, 1)
    let_pass(peer, 300)
    channel.send(BasicReject(tag, True))
    assert channel.get(queue) is None
    arrive(watching, b"held")


@case("S-294", "S-008", needs=NEEDS)
def returned_by_a_closed_channel(peer: Peer) -> None:
    """A message that returns because its channel was closed expires when its time has passed."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 150})
    watching = watch(peer)
    channel.publish("", queue, b"held")
    take(channel, queue, 1)
    let_pass(peer, 300)
    channel.close()
    arrive(watching, b"held")


@case("S-294", "S-254", needs=NEEDS)
def requeued_before_one_that_waits(peer: Peer) -> None:
    """A requeued message stands at its old place also when it expires before its successor."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 300})
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2", b"3")
    first, second = take(channel, queue, 2)
    channel.send(BasicNack(second))
    channel.send(BasicNack(first))
    arrive(watching, b"1", b"2", b"3")


@case("S-294", needs=NEEDS)
def requeued_behind_a_later_time(peer: Peer) -> None:
    """A message that returns to a place in front becomes the one whose time is waited for."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    channel.publish("", queue, b"short", properties_of(expiration="300"))
    (tag,) = take(channel, queue, 1)
    channel.publish("", queue, b"long", LATE)
    channel.send(BasicNack(tag))
    arrive(watching, b"short")
    assert channel.get_all(queue) == [b"long"]


@case("S-295", needs=NEEDS)
def zero_with_a_consumer(peer: Peer) -> None:
    """A message with no time to live at all is delivered when a consumer is ready."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 0})
    consumer = peer.channel()
    consumer.consume(queue, "c", no_ack=True)
    publish_all(channel, queue, b"1", b"2")
    arrive(consumer, b"1", b"2")


@case("S-295", needs=NEEDS)
def zero_without_a_consumer(peer: Peer) -> None:
    """A message with no time to live at all expires at once when no consumer is ready."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 0})
    publish_all(channel, queue, b"1", b"2")
    assert channel.get(queue) is None
    arrive(watch(peer), b"1", b"2")


@case("S-295", "S-203", needs=NEEDS)
def expiration_of_zero(peer: Peer) -> None:
    """An expiration of zero works like a queue's time to live of zero."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    zero = properties_of(expiration="0")
    channel.publish("", queue, b"nobody", zero)
    assert channel.get(queue) is None
    arrive(watch(peer), b"nobody")
    consumer = peer.channel()
    consumer.consume(queue, "c", no_ack=True)
    channel.publish("", queue, b"somebody", zero)
    arrive(consumer, b"somebody")


@case("S-295", needs=NEEDS)
def zero_with_a_full_consumer(peer: Peer) -> None:
    """A consumer that may not have more does not save a message with no time to live."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 0})
    watching = watch(peer)
    consumer = peer.channel()
    consumer.call(BasicQos(prefetch_count=1))
    consumer.consume(queue, "c")
    publish_all(channel, queue, b"1", b"2")
    arrive(watching, b"2")
    (delivery,) = arrive(consumer, b"1")
    consumer.send(BasicAck(dict(delivery.method.arguments_by_name())["delivery_tag"]))
    consumer.round_trip()


@case("S-295", "S-293", needs=NEEDS)
def zero_behind_others(peer: Peer) -> None:
    """A message with no time to live waits behind one that has some."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    channel.publish("", queue, b"long", LATE)
    channel.publish("", queue, b"zero", properties_of(expiration="0"))
    fill(peer, queue, b"third")
    assert count(channel, queue) == (3, 0)
    take(channel, queue, 1)
    arrive(watching, b"zero")
    assert channel.get_all(queue) == [b"third"]


@case("S-295", "S-294", needs=NEEDS)
def zero_requeued(peer: Peer) -> None:
    """A message with no time to live that is requeued expires, though its consumer is ready."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 0})
    watching = watch(peer)
    consumer = peer.channel()
    consumer.consume(queue, "c")
    channel.publish("", queue, b"1")
    arrive(consumer, b"1")
    consumer.send(BasicReject(1, True))
    arrive(watching, b"1")


@case("S-295", "S-212", needs="ttl")
def zero_is_confirmed(peer: Peer) -> None:
    """Messages that expire on their arrival are acked, and not returned."""
    channel = confirming(peer)
    queue = declared(peer, channel, "q", {"x-message-ttl": 0})
    for body in (b"1", b"2"):
        channel.publish("", queue, body, mandatory=True)
    channel.expect_confirms()


@case("S-293", "S-212", needs=NEEDS)
def confirmed_before_they_expire(peer: Peer) -> None:
    """Persistent messages that expire soon are acked."""
    channel = confirming(peer)
    queue = declared(peer, channel, "q", {"x-message-ttl": 1}, durable=True)
    persistent = properties_of(delivery_mode=2)
    publish_all(channel, queue, b"1", b"2", b"3", properties=persistent)
    channel.expect_confirms()
    let_pass(peer, 100)
    assert channel.get(queue) is None


@case("S-292", "S-117", needs=NEEDS)
def each_queue_has_its_own_time(peer: Peer) -> None:
    """A message that several queues have expires in each by itself."""
    channel = peer.channel()
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    short = declared(peer, channel, "short", {"x-message-ttl": 100})
    long = declared(peer, channel, "long", {"x-message-ttl": 60000})
    for queue in (short, long):
        channel.call(QueueBind(queue=queue, exchange=exchange))
    channel.publish(exchange, "", b"hello")
    let_pass(peer, 300)
    assert channel.get_all(short) == []
    assert channel.get_all(long) == [b"hello"]


@case("S-293", "S-249", needs=NEEDS)
def consumer_in_time(peer: Peer) -> None:
    """What a consumer got in time it keeps, also when it acks too late."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 100})
    watching = watch(peer)
    consumer = peer.channel()
    consumer.call(BasicQos(prefetch_count=2))
    consumer.consume(queue, "c")
    publish_all(channel, queue, b"1", b"2", b"3")
    arrive(consumer, b"1", b"2")
    arrive(watching, b"3")
    consumer.send(BasicAck(2, True))
    consumer.round_trip()


@case("S-293", "S-217", needs="ttl dead-letter")
def time_counts_from_the_commit(peer: Peer) -> None:
    """A message's time begins when its transaction is committed."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-message-ttl": 400})
    channel.call(TxSelect())
    channel.publish("", queue, b"hello")
    let_pass(peer, 500)
    channel.call(TxCommit())
    assert channel.get_all(queue) == [b"hello"]


@case("S-294", "S-218", needs=NEEDS)
def ack_rolled_back_too_late(peer: Peer) -> None:
    """A message whose ack is rolled back is still held, and does not expire."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-message-ttl": 100})
    watching = watch(peer)
    channel.publish("", queue, b"held")
    channel.call(TxSelect())
    (tag,) = take(channel, queue, 1)
    channel.send(BasicAck(tag))
    let_pass(peer, 300)
    channel.call(TxRollback())
    channel.send(BasicNack(tag))
    channel.call(TxCommit())
    arrive(watching, b"held")


@case("S-292", needs=NEEDS)
def one_after_the_other(peer: Peer) -> None:
    """Messages with different times that stand in the order of these expire one by one."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    for milliseconds in ("50", "150", "250"):
        channel.publish("", queue, milliseconds.encode(), properties_of(expiration=milliseconds))
    arrive(watching, b"50", b"150", b"250")


@case("S-293", needs=NEEDS)
def in_the_opposite_order(peer: Peer) -> None:
    """Messages with different times in the opposite order expire together, with the first."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    for milliseconds in ("250", "150", "50"):
        channel.publish("", queue, milliseconds.encode(), properties_of(expiration=milliseconds))
    arrive(watching, b"250", b"150", b"50")


@case("S-292", "S-178", "S-306", needs=NEEDS)
def in_a_lazy_queue(peer: Peer) -> None:
    """The messages of a lazy queue of either version expire, too."""
    channel = peer.channel()
    for version in (1, 2):
        arguments = {"x-message-ttl": 100, "x-queue-mode": "lazy", "x-queue-version": version}
        queue = declared(peer, channel, f"lazy-{version}", arguments)
        channel.publish("", queue, b"hello")
        let_pass(peer, 300)
        assert channel.get(queue) is None


@case("S-293", "S-158", needs=NEEDS)
def expiry_does_not_count_as_use(peer: Peer) -> None:
    """An expired message that is got is the next one; delivery tags have no gap."""
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    channel.publish("", queue, b"short", SOON)
    channel.publish("", queue, b"1")
    channel.publish("", queue, b"2", SOON)
    channel.publish("", queue, b"3")
    let_pass(peer, 300)
    for _ in range(2):
        channel.call(BasicGet(queue=queue), BasicGetOk)
    channel.send(BasicNack(0, True, True))
    assert channel.get_all(queue) == [b"1", b"3"]
