"""Classic queues with priorities: x-max-priority."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicNack,
    BasicQos,
    BasicReject,
    QueueDeclare,
    QueuePurge,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import count, take
from conformance.timed import arrive, confirming, dead_lettering, declared, let_pass, watch

NEEDS = "priority"


def publish_by_priority(channel: RawChannel, queue: str, *words: str) -> None:
    """Publish each of *words*: a body whose first character is its priority, ``-`` for none."""
    for word in words:
        properties = properties_of() if word[0] == "-" else properties_of(priority=int(word[0]))
        channel.publish("", queue, word.encode(), properties)


@case("S-296", "S-173", needs=NEEDS)
def highest_first(peer: Peer) -> None:
    """Messages of higher priority come first, those of the same priority in their order."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    publish_by_priority(channel, queue, "1a", "3a", "2a", "3b", "1b", "5a", "2b")
    assert channel.get_all(queue) == [b"5a", b"3a", b"3b", b"2a", b"2b", b"1a", b"1b"]


@case("S-296", needs=NEEDS)
def without_a_priority(peer: Peer) -> None:
    """A message without a priority has priority zero."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    publish_by_priority(channel, queue, "-a", "0a", "1a", "0b", "-b")
    assert channel.get_all(queue) == [b"1a", b"-a", b"0a", b"0b", b"-b"]


@case("S-296", needs=NEEDS)
def above_the_maximum(peer: Peer) -> None:
    """A priority above the queue's maximum counts as the maximum; the property stays."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 3})
    publish_by_priority(channel, queue, "2a", "9a", "3a", "4a")
    channel.publish("", queue, b"255", properties_of(priority=255))
    assert channel.get_all(queue) == [b"9a", b"3a", b"4a", b"255", b"2a"]


@case("S-296", "S-173", needs=NEEDS)
def as_many_as_there_can_be(peer: Peer) -> None:
    """A queue may have 255 priorities."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 255})
    for priority in (0, 254, 255, 1, 128):
        properties = properties_of(priority=priority)
        channel.publish("", queue, str(priority).encode(), properties)
    assert channel.get_all(queue) == [b"255", b"254", b"128", b"1", b"0"]


@case("S-173", needs=NEEDS)
def maximum_of_zero(peer: Peer) -> None:
    """A maximum of zero: 4.0.5 has the priorities zero and one then, 3.10.8 only one."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 0})
    publish_by_priority(channel, queue, "0a", "1a", "2a", "0b")
    channel.get_all(queue)


@case("S-296", needs=NEEDS)
def maximum_of_one(peer: Peer) -> None:
    """A maximum of one makes two levels."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 1})
    publish_by_priority(channel, queue, "0a", "1a", "2a", "0b", "1b")
    assert channel.get_all(queue) == [b"1a", b"2a", b"1b", b"0a", b"0b"]


@case("S-296", needs=NEEDS)
def queue_without_priorities(peer: Peer) -> None:
    """Without x-max-priority the property means nothing."""
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    publish_by_priority(channel, queue, "1a", "9a", "-a")
    assert channel.get_all(queue) == [b"1a", b"9a", b"-a"]


@case("S-296", needs=NEEDS)
def delivered_to_a_consumer(peer: Peer) -> None:
    """A consumer gets what waits in the order of priority."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    publish_by_priority(channel, queue, "1a", "3a", "2a")
    channel.consume(queue, "c", no_ack=True)
    arrive(channel, b"3a", b"2a", b"1a")


@case("S-296", needs=NEEDS)
def prefetched_is_prefetched(peer: Peer) -> None:
    """What a consumer has got is not overtaken; what waits behind it is."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    channel.call(BasicQos(prefetch_count=1))
    channel.consume(queue, "c")
    publish_by_priority(channel, queue, "1a", "2a", "3a")
    arrive(channel, b"1a")
    channel.round_trip()
    assert count(peer.channel(), queue) == (2, 1)
    channel.send(BasicAck(1))
    arrive(channel, b"3a")
    channel.send(BasicAck(2))
    arrive(channel, b"2a")


@case("S-297", "S-254", needs=NEEDS)
def requeued(peer: Peer) -> None:
    """A message that is requeued returns to its place among those of its priority."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    publish_by_priority(channel, queue, "2a", "2b", "1a")
    first, second = take(channel, queue, 2)
    publish_by_priority(channel, queue, "2c", "3a")
    channel.send(BasicReject(second, True))
    channel.send(BasicReject(first, True))
    assert channel.get_all(queue) == [b"3a", b"2a", b"2b", b"2c", b"1a"]


@case("S-297", needs=NEEDS)
def requeued_together(peer: Peer) -> None:
    """Messages of several priorities that are requeued together return to their places."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    publish_by_priority(channel, queue, "1a", "5a", "3a", "1b")
    tag = take(channel, queue, 4)[-1]
    channel.send(BasicNack(tag, True, True))
    assert channel.get_all(queue) == [b"5a", b"3a", b"1a", b"1b"]


@case("S-297", "S-298", needs="priority dead-letter")
def rejected(peer: Peer) -> None:
    """Messages of several priorities that are rejected die in the order of their delivery."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-priority": 5})
    publish_by_priority(channel, queue, "1a", "5a", "3a")
    tag = take(channel, queue, 3)[-1]
    channel.send(BasicNack(tag, True, False))
    watching = watch(peer)
    letters = watching.deliveries(3)
    assert {letter.body for letter in letters} == {b"5a", b"3a", b"1a"}


@case("S-296", "S-146", "S-194", needs=NEEDS)
def counted_and_purged(peer: Peer) -> None:
    """Messages of all priorities are counted and purged together."""
    channel = confirming(peer)
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    publish_by_priority(channel, queue, "1a", "5a", "-a")
    channel.expect_confirms()
    assert count(channel, queue) == (3, 0)
    channel.call(QueuePurge(queue=queue))
    assert channel.get(queue) is None


@case("S-298", "S-301", needs="priority length")
def too_many(peer: Peer) -> None:
    """Which message is dropped when there are too many.

    The reference says: the head of the highest level.
    """
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5, "x-max-length": 3})
    publish_by_priority(channel, queue, "3a", "1a", "2a", "2b")
    channel.get_all(queue)


@case("S-298", "S-301", needs="priority length dead-letter")
def too_many_one_after_the_other(peer: Peer) -> None:
    """In which order messages are dropped from a full queue with priorities."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-priority": 5, "x-max-length": 2})
    publish_by_priority(channel, queue, "1a", "1b", "5a", "3a", "0a", "5b")
    watching = watch(peer)
    watching.deliveries(4)
    channel.get_all(queue)


@case("S-298", "S-301", needs="priority length dead-letter")
def too_many_bytes(peer: Peer) -> None:
    """A limit in bytes drops messages of several priorities to make room for one."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-priority": 5, "x-max-length-bytes": 8})
    publish_by_priority(channel, queue, "1aa", "2aa", "0aaaaa")
    watching = watch(peer)
    watching.deliveries(2)
    channel.get_all(queue)


@case("S-298", "S-302", needs="priority length")
def rejecting_when_full(peer: Peer) -> None:
    """A full queue rejects a message of any priority."""
    channel = confirming(peer)
    arguments = {"x-max-priority": 5, "x-max-length": 2, "x-overflow": "reject-publish"}
    queue = declared(peer, channel, "q", arguments)
    publish_by_priority(channel, queue, "1a", "1b", "5a")
    assert channel.expect_confirms().nacked == (3,)
    assert channel.get_all(queue) == [b"1a", b"1b"]


@case("S-298", "S-293", needs="priority ttl dead-letter")
def expired_below(peer: Peer) -> None:
    """An expired message of a low priority behind one of a higher priority that has not expired.

    The reference says that it stays until then.
    """
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    channel.publish("", queue, b"low", properties_of(priority=1, expiration="50"))
    channel.publish("", queue, b"high", properties_of(priority=2))
    let_pass(peer, 200)
    count(channel, queue)
    channel.get_all(queue)


@case("S-298", "S-293", needs="priority ttl dead-letter")
def expired_above(peer: Peer) -> None:
    """An expired message of a high priority does not hold up those below."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-priority": 5})
    watching = watch(peer)
    channel.publish("", queue, b"low", properties_of(priority=1, expiration="100"))
    channel.publish("", queue, b"high", properties_of(priority=2, expiration="50"))
    channel.publish("", queue, b"none")
    arrive(watching, b"high", b"low")
    assert channel.get_all(queue) == [b"none"]


@case("S-298", "S-292", needs="priority ttl dead-letter")
def all_expire(peer: Peer) -> None:
    """Messages of several priorities that expire at about the same time."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel, {"x-max-priority": 5, "x-message-ttl": 100})
    watching = watch(peer)
    publish_by_priority(channel, queue, "1a", "3a", "2a", "3b")
    letters = watching.deliveries(4)
    assert {letter.body for letter in letters} == {b"1a", b"3a", b"2a", b"3b"}


@case("S-298", "S-293", needs="priority ttl dead-letter")
def expired_in_front(peer: Peer) -> None:
    """A message that overtakes others and expires in front of them.

    RabbitMQ looks for expired messages when one comes into an empty queue, when a timer fires that
    was set then, and when one leaves: nobody notices this one, and it is delivered.
    """
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    channel.publish("", queue, b"low", properties_of(priority=1))
    channel.publish("", queue, b"high", properties_of(priority=2, expiration="50"))
    let_pass(peer, 200)
    count(channel, queue)
    channel.get_all(queue)


@case("S-298", "S-295", needs="priority ttl")
def no_time_to_live_in_front(peer: Peer) -> None:
    """A message with no time to live that overtakes others is delivered, too."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    channel.publish("", queue, b"low", properties_of(priority=1))
    channel.publish("", queue, b"1", properties_of(priority=2, expiration="0"))
    channel.publish("", queue, b"2", properties_of(priority=2, expiration="0"))
    channel.get_all(queue)


@case("S-296", "S-279", needs="priority dead-letter")
def dead_letters_by_priority(peer: Peer) -> None:
    """Dead letters keep their priority in a queue that has priorities."""
    channel = peer.channel()
    target = declared(peer, channel, "target", {"x-max-priority": 5})
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": target}
    queue = declared(peer, channel, "q", arguments)
    publish_by_priority(channel, queue, "1a", "3a", "2a")
    tag = take(channel, queue, 3)[-1]
    channel.send(BasicNack(tag, True, False))
    assert channel.get(queue) is None
    assert channel.get_all(target) == [b"3a", b"2a", b"1a"]


@case("S-149", "S-173", needs=NEEDS)
def declared_with_another_maximum(peer: Peer) -> None:
    """A queue cannot be declared again with another maximum, or without one."""
    channel = peer.channel()
    queue = declared(peer, channel, "q", {"x-max-priority": 5})
    channel.call(QueueDeclare(queue=queue, arguments=as_table({"x-max-priority": 5})))
    channel.refused(QueueDeclare(queue=queue, arguments=as_table({"x-max-priority": 6})))
    channel.open()
    channel.refused(QueueDeclare(queue=queue))


@case("S-296", "S-306", needs=NEEDS)
def lazy_and_durable(peer: Peer) -> None:
    """Lazy durable queues of either version have priorities, too."""
    channel = peer.channel()
    for version in (1, 2):
        arguments = {"x-max-priority": 3, "x-queue-mode": "lazy", "x-queue-version": version}
        queue = declared(peer, channel, f"lazy-{version}", arguments, durable=True)
        for priority in (1, 3, 2):
            properties = properties_of(priority=priority, delivery_mode=2)
            channel.publish("", queue, str(priority).encode(), properties)
        assert channel.get_all(queue) == [b"3", b"2", b"1"]
