"""Classic queues with a single active consumer: x-single-active-consumer."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicConsume,
    BasicGet,
    BasicQos,
    BasicReject,
    QueueDeclare,
    QueueDelete,
)
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import absent, count, fill
from conformance.timed import arrive, declared, publish_all

NEEDS = "single-active"
SINGLE = {"x-single-active-consumer": True}


def consumers(peer: Peer, queue: str, *tags: str) -> list[RawChannel]:
    """New channels, each of which consumes *queue* by one of *tags*."""
    channels = [peer.channel() for _ in tags]
    for channel, tag in zip(channels, tags, strict=True):
        channel.consume(queue, tag)
    return channels


@case("S-271", needs=NEEDS)
def the_first_gets_all(peer: Peer) -> None:
    """Only the consumer that came first gets messages; the others wait."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first, second = consumers(peer, queue, "first", "second")
    publish_all(channel, queue, b"1", b"2", b"3")
    arrive(first, b"1", b"2", b"3")
    second.round_trip()
    assert count(channel, queue) == (0, 2)


@case("S-271", needs=NEEDS)
def not_single(peer: Peer) -> None:
    """With the argument false consumers take turns, as usual."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-single-active-consumer": False})
    first, second = consumers(peer, queue, "first", "second")
    publish_all(channel, queue, b"1", b"2")
    with peer.any_order():
        bodies = [one.deliveries(1)[0].body for one in (first, second)]
    assert set(bodies) == {b"1", b"2"}


@case("S-271", needs=NEEDS)
def what_waits_goes_to_the_first(peer: Peer) -> None:
    """Messages that waited go to the first consumer."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    publish_all(channel, queue, b"1", b"2")
    (first,) = consumers(peer, queue, "first")
    arrive(first, b"1", b"2")


@case("S-271", "S-236", needs=NEEDS)
def the_active_one_is_cancelled(peer: Peer) -> None:
    """When the active consumer is cancelled, the next one gets what comes then."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first, second, _ = consumers(peer, queue, "first", "second", "third")
    channel.publish("", queue, b"1")
    arrive(first, b"1")
    first.call(BasicCancel("first"))
    publish_all(channel, queue, b"2", b"3")
    arrive(second, b"2", b"3")


@case("S-271", "S-236", needs=NEEDS)
def what_the_cancelled_one_holds(peer: Peer) -> None:
    """What the cancelled consumer holds stays with it; rejected, it goes to the next one."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first, second = consumers(peer, queue, "first", "second")
    publish_all(channel, queue, b"1", b"2")
    arrive(first, b"1", b"2")
    first.call(BasicCancel("first"))
    first.send(BasicAck(1))
    first.send(BasicReject(2, True))
    arrive(second, b"2")


@case("S-271", "S-008", needs=NEEDS)
def the_active_ones_channel_is_closed(peer: Peer) -> None:
    """When the channel of the active consumer is closed, the next one gets what it held first."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first, second = consumers(peer, queue, "first", "second")
    publish_all(channel, queue, b"1", b"2")
    arrive(first, b"1", b"2")
    first.close()
    channel.publish("", queue, b"3")
    arrive(second, b"1", b"2", b"3")


@case("S-271", "S-159", needs=NEEDS)
def the_active_ones_connection_is_lost(peer: Peer) -> None:
    """When the connection of the active consumer is lost, the next one gets what it held."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    connection = peer.connect()
    first = peer.channel(connection)
    first.consume(queue, "first")
    (second,) = consumers(peer, queue, "second")
    publish_all(channel, queue, b"1", b"2")
    arrive(first, b"1", b"2")
    connection.drop()
    arrive(second, b"1", b"2")


@case("S-271", needs=NEEDS)
def one_that_waits_is_cancelled(peer: Peer) -> None:
    """When a consumer that waits is cancelled, nothing changes, and it is passed over later."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first, second, third = consumers(peer, queue, "first", "second", "third")
    second.call(BasicCancel("second"))
    channel.publish("", queue, b"1")
    arrive(first, b"1")
    first.call(BasicCancel("first"))
    channel.publish("", queue, b"2")
    arrive(third, b"2")


@case("S-271", needs=NEEDS)
def who_comes_back_waits(peer: Peer) -> None:
    """A consumer that was cancelled and comes again waits behind the others."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first, second = consumers(peer, queue, "first", "second")
    first.call(BasicCancel("first"))
    first.consume(queue, "first again")
    channel.publish("", queue, b"1")
    arrive(second, b"1")
    second.call(BasicCancel("second"))
    channel.publish("", queue, b"2")
    arrive(first, b"2")


@case("S-271", needs=NEEDS)
def after_the_last_one(peer: Peer) -> None:
    """When all consumers have gone, the next one to come is the active one."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    (first,) = consumers(peer, queue, "first")
    first.call(BasicCancel("first"))
    channel.publish("", queue, b"1")
    second, _ = consumers(peer, queue, "second", "third")
    arrive(second, b"1")


@case("S-271", "S-245", needs=NEEDS)
def the_active_one_is_full(peer: Peer) -> None:
    """When the active consumer may not have more, messages wait; the others get nothing."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first = peer.channel()
    first.call(BasicQos(prefetch_count=1))
    first.consume(queue, "first")
    (second,) = consumers(peer, queue, "second")
    publish_all(channel, queue, b"1", b"2")
    arrive(first, b"1")
    channel.round_trip()
    fill(peer, queue, b"3")
    assert count(channel, queue) == (2, 2)
    second.round_trip()
    first.send(BasicAck(1))
    arrive(first, b"2")


@case("S-271", needs=NEEDS)
def within_a_channel(peer: Peer) -> None:
    """Consumers of one channel wait for each other, too."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    channel.consume(queue, "first", no_ack=True)
    channel.consume(queue, "second", no_ack=True)
    publish_all(channel, queue, b"1", b"2")
    arrive(channel, b"1", b"2")
    channel.call(BasicCancel("first"))
    publish_all(channel, queue, b"3")
    arrive(channel, b"3")


@case("S-271", "S-224", needs=NEEDS)
def get_beside_a_consumer(peer: Peer) -> None:
    """Anybody may get from a classic queue with a single active consumer."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first = peer.channel()
    first.call(BasicQos(prefetch_count=1))
    first.consume(queue, "first")
    publish_all(channel, queue, b"1", b"2")
    arrive(first, b"1")
    channel.call(BasicGet(queue=queue, no_ack=True))


@case("S-230", "S-271", needs=NEEDS)
def exclusive_consumer(peer: Peer) -> None:
    """A queue with a single active consumer refuses exclusive consumers, even as the first."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    channel.refused(BasicConsume(queue=queue, consumer_tag="c", exclusive=True))
    channel.open()
    channel.consume(queue, "c")
    other = peer.channel()
    other.refused(BasicConsume(queue=queue, consumer_tag="d", exclusive=True))


@case("S-272", "S-232", needs=NEEDS)
def higher_priority_comes_later(peer: Peer) -> None:
    """A consumer of higher priority that comes later waits, and is then the next one."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first, second = consumers(peer, queue, "first", "second")
    third = peer.channel()
    arguments = as_table({"x-priority": 10})
    third.call(BasicConsume(queue=queue, consumer_tag="third", arguments=arguments))
    channel.publish("", queue, b"1")
    arrive(first, b"1")
    first.call(BasicCancel("first"))
    channel.publish("", queue, b"2")
    arrive(third, b"2")
    third.call(BasicCancel("third"))
    channel.publish("", queue, b"3")
    arrive(second, b"3")


@case("S-272", needs=NEEDS)
def lower_priority_comes_first(peer: Peer) -> None:
    """The first consumer is the active one, whatever its priority."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first = peer.channel()
    arguments = as_table({"x-priority": -10})
    first.call(BasicConsume(queue=queue, consumer_tag="first", arguments=arguments))
    consumers(peer, queue, "second")
    publish_all(channel, queue, b"1", b"2")
    arrive(first, b"1", b"2")


@case("S-271", "S-192", needs=NEEDS)
def queue_is_deleted(peer: Peer) -> None:
    """When the queue is deleted, the consumers that wait are told, too."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first, second = consumers(peer, queue, "first", "second")
    channel.call(QueueDelete(queue=queue))
    first.expect(BasicCancel)
    second.expect(BasicCancel)


@case("S-271", "S-254", needs=NEEDS)
def requeued_by_the_active_one(peer: Peer) -> None:
    """What the active consumer requeues comes to it again."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", SINGLE)
    first, second = consumers(peer, queue, "first", "second")
    channel.publish("", queue, b"1")
    arrive(first, b"1")
    first.send(BasicReject(1, True))
    arrive(first, b"1")
    second.round_trip()


@case("S-271", "S-158", needs=NEEDS)
def auto_delete(peer: Peer) -> None:
    """An auto-delete queue stays as long as somebody waits."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, auto_delete=True, arguments=as_table(SINGLE)))
    first, second = consumers(peer, queue, "first", "second")
    first.call(BasicCancel("first"))
    channel.publish("", queue, b"1")
    arrive(second, b"1")
    second.call(BasicCancel("second"))
    absent(channel, queue)
