"""Why messages are dead-lettered, and why not."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicGet,
    BasicNack,
    BasicRecover,
    BasicReject,
    QueueDelete,
    QueuePurge,
    TxCommit,
    TxRollback,
    TxSelect,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import fill, take
from conformance.timed import arrive, dead_lettering, declared, publish_all, watch

NEEDS = "dead-letter"


@case("S-274", "S-257", "S-279", needs=NEEDS)
def rejected(peer: Peer) -> None:
    """A message that is rejected and not requeued is dead-lettered, as a new delivery."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    channel.publish("", queue, b"bad")
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    arrive(watching, b"bad")
    assert channel.get(queue) is None


@case("S-274", "S-257", needs=NEEDS)
def nacked(peer: Peer) -> None:
    """A message that is nacked and not requeued is dead-lettered with the reason rejected."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    channel.publish("", queue, b"bad")
    (tag,) = take(channel, queue, 1)
    channel.send(BasicNack(tag, False, False))
    arrive(watching, b"bad")


@case("S-287", needs=NEEDS)
def several_at_once(peer: Peer) -> None:
    """Messages that are nacked together are dead-lettered in the order of their delivery."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2", b"3", b"4")
    take(channel, queue, 4)
    channel.send(BasicNack(3, True, False))
    arrive(watching, b"1", b"2", b"3")
    channel.send(BasicNack(0, True, False))
    arrive(watching, b"4")


@case("S-287", needs=NEEDS)
def one_by_one_backwards(peer: Peer) -> None:
    """Messages that are rejected one by one are dead-lettered in the order of the rejections."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    publish_all(channel, queue, b"1", b"2", b"3")
    for tag in reversed(take(channel, queue, 3)):
        channel.send(BasicReject(tag, False))
    arrive(watching, b"3", b"2", b"1")


@case("S-287", needs=NEEDS)
def several_of_a_consumer(peer: Peer) -> None:
    """What a consumer got is dead-lettered when it is nacked, after its cancel, too."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    consumer = peer.channel()
    consumer.consume(queue, "c")
    publish_all(channel, queue, b"1", b"2", b"3")
    arrive(consumer, b"1", b"2", b"3")
    consumer.send(BasicNack(2, False, False))
    arrive(watching, b"2")
    consumer.call(BasicCancel("c"))
    consumer.send(BasicNack(3, True, False))
    arrive(watching, b"1", b"3")


@case("S-287", "S-253", needs=NEEDS)
def several_of_two_queues(peer: Peer) -> None:
    """A nack of several messages may reach one queue that dead-letters and one that drops."""
    channel = peer.channel()
    dead = dead_lettering(peer, channel)
    plain = declared(peer, channel, "plain")
    watching = watch(peer)
    for queue in (dead, plain):
        publish_all(channel, queue, b"1", b"2")
    for queue in (dead, plain, plain, dead):
        take(channel, queue, 1)
    channel.send(BasicNack(4, True, False))
    arrive(watching, b"1", b"2")
    assert channel.get(plain) is None


@case("S-257", needs=NEEDS)
def requeued_first(peer: Peer) -> None:
    """A message that was requeued before is dead-lettered when it is rejected."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    channel.publish("", queue, b"bad")
    for requeue in (True, True, False):
        (tag,) = take(channel, queue, 1)
        channel.send(BasicReject(tag, requeue))
    arrive(watching, b"bad")


@case("S-274", needs=NEEDS)
def no_other_end_of_a_message(peer: Peer) -> None:
    """What is acked, taken with no-ack, or purged is not dead-lettered."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    publish_all(channel, queue, b"acked", b"taken", b"purged", b"rejected")
    (tag,) = take(channel, queue, 1)
    channel.send(BasicAck(tag))
    channel.get(queue)
    channel.call(QueuePurge(queue=queue))
    channel.publish("", queue, b"bad")
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    arrive(watching, b"bad")


@case("S-274", "S-192", needs=NEEDS)
def not_when_its_queue_is_deleted(peer: Peer) -> None:
    """The messages of a queue that is deleted are not dead-lettered, nor those that are out."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    publish_all(channel, queue, b"ready", b"held")
    (tag,) = take(channel, queue, 1)
    channel.call(QueueDelete(queue=queue))
    channel.send(BasicReject(tag, False))
    channel.round_trip()
    fill(peer, peer.name("dead"), b"the only one")
    arrive(watching, b"the only one")


@case("S-274", "S-008", needs=NEEDS)
def not_when_it_returns(peer: Peer) -> None:
    """A message that returns by a recover or a closed channel is not dead-lettered."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    channel.publish("", queue, b"good")
    take(channel, queue, 1)
    channel.call(BasicRecover(True))
    holder = peer.channel()
    take(holder, queue, 1)
    holder.close()
    channel.consume(queue, "c")
    arrive(channel, b"good")
    fill(peer, peer.name("dead"), b"the only one")
    arrive(watching, b"the only one")


@case("S-257", "S-275", needs=NEEDS)
def nowhere_to_go(peer: Peer) -> None:
    """Without a dead-letter exchange what is rejected is dropped."""
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    channel.publish("", queue, b"bad")
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    assert channel.get(queue) is None


@case("S-218", "S-274", needs=NEEDS)
def rejected_in_a_transaction(peer: Peer) -> None:
    """A message is dead-lettered when its rejection is committed, not when it is rolled back."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    publish_all(channel, queue, b"1")
    channel.call(TxSelect())
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    channel.call(TxRollback())
    fill(peer, peer.name("dead"), b"not yet")
    arrive(watching, b"not yet")
    channel.send(BasicReject(tag, False))
    channel.call(TxCommit())
    arrive(watching, b"1")


@case("S-278", "S-279", needs=NEEDS)
def properties_are_kept(peer: Peer) -> None:
    """A dead letter has all properties of the message, except its expiration."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    properties = properties_of(
        content_type="text/plain", content_encoding="utf-8", delivery_mode=2, priority=3,
        correlation_id="c", reply_to="r", expiration="60000", message_id="m",
        timestamp=1700000000, type="t", user_id="guest", app_id="a", cluster_id="cluster",
        headers=as_table({"z": 1, "a": "text"}),
    )  # fmt: skip
    channel.publish("", queue, b"bad", properties)
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    arrive(watching, b"bad")


@case("S-278", "S-294", needs="dead-letter ttl")
def expiration_is_removed(peer: Peer) -> None:
    """A message that expired does not expire again where it comes to."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    dead = peer.name("dead")
    channel.publish("", queue, b"1", properties_of(expiration="1"))
    later = declared(
        peer, channel, "later",
        {"x-message-ttl": 100, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead},
    )  # fmt: skip
    channel.publish("", later, b"2")
    watching = watch(peer)
    arrive(watching, b"1", b"2")


@case("S-274", "S-290", needs="dead-letter ttl")
def each_time_for_another_reason(peer: Peer) -> None:
    """A message may be rejected here, expire there, and be one too many in the end."""
    channel = peer.channel()
    dead = peer.queue("dead")
    declared(peer, channel, "dead")
    last = declared(
        peer, channel, "last",
        {"x-max-length": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead},
    )  # fmt: skip
    middle = declared(
        peer, channel, "middle",
        {"x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": last},
    )  # fmt: skip
    first = declared(
        peer, channel, "first",
        {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": middle},
    )  # fmt: skip
    watching = watch(peer)
    channel.publish("", first, b"unlucky")
    (tag,) = take(channel, first, 1)
    channel.send(BasicReject(tag, False))
    arrive(watching, b"unlucky")


@case("S-289", needs=NEEDS)
def there_before_the_next_is_gone(peer: Peer) -> None:
    """A dead letter is in its queue when the queue that it came from has answered."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    publish_all(channel, queue, b"1", b"2")
    take(channel, queue, 2)
    channel.send(BasicNack(2, True, False))
    assert channel.get(queue) is None
    assert channel.get_all(peer.name("dead")) == [b"1", b"2"]


@case("S-278", "S-198", needs=NEEDS)
def large_message(peer: Peer) -> None:
    """A message of many frames is dead-lettered whole."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    body = b"large " * 50000
    channel.publish("", queue, body)
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    arrive(watching, body)


@case("S-279", "S-258", needs=NEEDS)
def not_redelivered(peer: Peer) -> None:
    """A dead letter that was redelivered before is not marked so; when it is requeued, it is."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    channel.publish("", queue, b"bad")
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, True))
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    channel.get(queue)
    dead = peer.name("dead")
    (tag,) = take(channel, dead, 1)
    channel.send(BasicReject(tag, True))
    channel.call(BasicGet(queue=dead, no_ack=True))
