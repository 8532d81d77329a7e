"""Limits of quorum queues: deliveries, time, length, priorities; and their dead letters."""

from __future__ import annotations

from collections.abc import Mapping

from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicNack,
    BasicQos,
    BasicReject,
    ExchangeDeclare,
    QueueBind,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import absent, fill
from conformance.timed import arrive, confirming, dead_lettering, declared, let_pass, watch

NEEDS = "quorum"
DEAD_NEEDS = "quorum dead-letter"


def quorum(
    peer: Peer, channel: RawChannel, arguments: Mapping[str, object] | None = None, word: str = "q"
) -> str:
    """The name of a new quorum queue."""
    return declared(
        peer, channel, word, {"x-queue-type": "quorum", **(arguments or {})}, durable=True
    )


def dying(peer: Peer, channel: RawChannel, arguments: Mapping[str, object] | None = None) -> str:
    """The name of a new quorum queue whose dead letters go to the queue ``dead``."""
    arguments = {"x-queue-type": "quorum", **(arguments or {})}
    return dead_lettering(peer, channel, arguments, durable=True)


def delivered_until_dead(channel: RawChannel, deliveries: int, *, nack: bool = False) -> None:
    """Return the message that *channel* gets *deliveries* times."""
    for tag in range(1, deliveries + 1):
        channel.deliveries(1)
        channel.send(BasicNack(tag, False, True) if nack else BasicReject(tag, True))


def publish_until(peer: Peer, channel: RawChannel, queue: str, *, acked: bool) -> None:
    """Publish until a message is confirmed as wanted.  The limit of a quorum queue is soft."""
    with peer.quiet():
        for _ in range(50):
            channel.publish("", queue, b"x")
            confirms = channel.expect_confirms()
            if confirms.acked if acked else confirms.nacked:
                return
    raise AssertionError("every publish had the other answer")


@case("S-308", "S-274", needs=DEAD_NEEDS)
def delivery_limit(peer: Peer) -> None:
    """A message that returns once more than its queue's limit allows is dead-lettered."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-delivery-limit": 2})
    watching = watch(peer)
    channel.consume(queue, "c")
    fill(peer, queue, b"poison")
    delivered_until_dead(channel, 3)
    arrive(watching, b"poison")


@case("S-308", "S-309", needs=DEAD_NEEDS)
def delivery_limit_by_nacks(peer: Peer) -> None:
    """Nacks count like rejects for the limit."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-delivery-limit": 1})
    watching = watch(peer)
    channel.consume(queue, "c")
    fill(peer, queue, b"poison")
    delivered_until_dead(channel, 2, nack=True)
    arrive(watching, b"poison")


@case("S-308", "S-008", needs=DEAD_NEEDS)
def delivery_limit_by_closed_channels(peer: Peer) -> None:
    """A message whose reader dies counts as delivered."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-delivery-limit": 1})
    watching = watch(peer)
    fill(peer, queue, b"poison")
    for _ in range(2):
        reader = peer.channel()
        reader.consume(queue, "c")
        arrive(reader, b"poison")
        reader.close()
    arrive(watching, b"poison")


@case("S-308", needs=DEAD_NEEDS)
def delivery_limit_of_zero(peer: Peer) -> None:
    """A limit of zero allows one delivery."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-delivery-limit": 0})
    watching = watch(peer)
    channel.consume(queue, "c")
    fill(peer, queue, b"poison")
    delivered_until_dead(channel, 1)
    arrive(watching, b"poison")


@case("S-308", needs=NEEDS)
def delivery_limit_without_dead_letters(peer: Peer) -> None:
    """Without a dead-letter exchange a message beyond the limit is dropped."""
    channel = peer.channel()
    queue = quorum(peer, channel, {"x-delivery-limit": 1})
    channel.consume(queue, "c")
    fill(peer, queue, b"poison")
    delivered_until_dead(channel, 2)
    fill(peer, queue, b"good")
    arrive(channel, b"good")


@case("S-308", needs=DEAD_NEEDS)
def delivery_limit_by_default(peer: Peer) -> None:
    """In 4.0.5 a message is dead-lettered when it returns for the 21st time.

    In 3.10.8 there is no limit unless one is declared.
    """
    channel = peer.channel()
    queue = dying(peer, channel)
    watching = watch(peer)
    channel.consume(queue, "c")
    fill(peer, queue, b"poison")
    with peer.quiet():
        for tag in range(1, 21):
            channel.deliveries(1)
            channel.send(BasicReject(tag, True))
    peer.note("the message returns 20 times")
    arrive(channel, b"poison")
    channel.send(BasicReject(21, True))
    channel.connection.receive()
    del watching


@case("S-308", needs=NEEDS)
def delivery_limit_that_is_negative(peer: Peer) -> None:
    """A negative limit is none in 4.0.5; 3.10.8 drops the message when it returns first."""
    channel = peer.channel()
    queue = quorum(peer, channel, {"x-delivery-limit": -1})
    channel.consume(queue, "c")
    fill(peer, queue, b"1")
    with peer.quiet():
        for tag in range(1, 26):
            channel.deliveries(1)
            channel.send(BasicReject(tag, True))
    peer.note("the message returns 25 times")
    channel.deliveries(1)


@case("S-308", "S-287", needs=DEAD_NEEDS)
def several_beyond_the_limit(peer: Peer) -> None:
    """Messages that are nacked together die in the order of their delivery."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-delivery-limit": 0})
    watching = watch(peer)
    channel.consume(queue, "c")
    fill(peer, queue, b"1", b"2", b"3")
    arrive(channel, b"1", b"2", b"3")
    channel.send(BasicNack(3, True, True))
    arrive(watching, b"1", b"2", b"3")


@case("S-274", "S-257", "S-280", needs=DEAD_NEEDS)
def rejected(peer: Peer) -> None:
    """A rejected message is dead-lettered with the headers that it gets from classic queues."""
    channel = peer.channel()
    queue = dying(peer, channel)
    watching = watch(peer)
    channel.consume(queue, "c")
    fill(peer, queue, b"bad")
    arrive(channel, b"bad")
    channel.send(BasicReject(1, False))
    arrive(watching, b"bad")


@case("S-274", "S-307", needs=DEAD_NEEDS)
def rejected_after_a_return(peer: Peer) -> None:
    """What becomes of x-delivery-count when a message is dead-lettered."""
    channel = peer.channel()
    queue = dying(peer, channel)
    watching = watch(peer)
    channel.consume(queue, "c")
    headers = as_table({"n": 1})
    channel.publish("", queue, b"bad", properties_of(headers=headers, expiration="60000"))
    arrive(channel, b"bad")
    channel.send(BasicReject(1, True))
    arrive(channel, b"bad")
    channel.send(BasicReject(2, False))
    arrive(watching, b"bad")


@case("S-274", "S-282", needs=DEAD_NEEDS)
def rejected_twice(peer: Peer) -> None:
    """Deaths in a quorum queue are counted like those in classic queues."""
    channel = peer.channel()
    queue = quorum(
        peer, channel,
        {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": peer.name("q")},
    )  # fmt: skip
    channel.consume(queue, "c")
    fill(peer, queue, b"bad")
    for tag in (1, 2):
        arrive(channel, b"bad")
        channel.send(BasicReject(tag, False))
    arrive(channel, b"bad")


@case("S-279", "S-307", needs=DEAD_NEEDS)
def delivery_count_in_the_next_quorum_queue(peer: Peer) -> None:
    """What a quorum queue makes of a dead letter of another that was delivered three times.

    The reference says that it is a new delivery; 4.0.5 remembers the deaths.
    """
    channel = peer.channel()
    next_queue = quorum(peer, channel, word="next")
    queue = quorum(
        peer, channel, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": next_queue}
    )
    channel.consume(queue, "c")
    fill(peer, queue, b"bad")
    for tag in (1, 2):
        arrive(channel, b"bad")
        channel.send(BasicReject(tag, True))
    arrive(channel, b"bad")
    channel.send(BasicReject(3, False))
    reader = peer.channel()
    reader.consume(next_queue, "d")
    arrive(reader, b"bad")
    reader.send(BasicReject(1, True))
    arrive(reader, b"bad")


@case("S-279", "S-307", needs="quorum dead-letter ttl length")
def delivery_count_after_other_deaths(peer: Peer) -> None:
    """Dead letters of other reasons in the next quorum queue."""
    channel = peer.channel()
    next_queue = quorum(peer, channel, word="next")
    reader = peer.channel()
    reader.consume(next_queue, "d", no_ack=True)
    routed = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": next_queue}
    for word, arguments in (
        ("expiring", {"x-message-ttl": 1}),
        ("short", {"x-max-length": 0}),
        ("limited", {"x-delivery-limit": 0}),
    ):
        queue = quorum(peer, channel, {**arguments, **routed}, word)
        if word == "limited":
            channel.consume(queue, "c")
        channel.publish("", queue, word.encode())
        if word == "limited":
            arrive(channel, b"limited")
            channel.send(BasicReject(1, True))
        arrive(reader, word.encode())


@case("S-279", "S-307", needs=DEAD_NEEDS)
def dead_letter_of_a_classic_queue(peer: Peer) -> None:
    """What a quorum queue makes of a dead letter of a classic one."""
    channel = peer.channel()
    next_queue = quorum(peer, channel, word="next")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": next_queue}
    queue = declared(peer, channel, "q", arguments)
    channel.consume(queue, "c")
    fill(peer, queue, b"bad")
    arrive(channel, b"bad")
    channel.send(BasicReject(1, True))
    arrive(channel, b"bad")
    channel.send(BasicReject(2, False))
    reader = peer.channel()
    reader.consume(next_queue, "d")
    arrive(reader, b"bad")


@case("S-279", "S-307", "S-308", needs=DEAD_NEEDS)
def delivery_limit_after_dead_lettering(peer: Peer) -> None:
    """Whether deliveries in one quorum queue count for the limit of the next one."""
    channel = peer.channel()
    dead = dying(peer, channel, {"x-delivery-limit": 1})
    watching = watch(peer)
    first = quorum(
        peer, channel, {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}, "first"
    )
    channel.consume(first, "c")
    fill(peer, first, b"bad")
    for tag in (1, 2):
        arrive(channel, b"bad")
        channel.send(BasicReject(tag, True))
    arrive(channel, b"bad")
    channel.send(BasicReject(3, False))
    reader = peer.channel()
    reader.consume(dead, "d")
    arrive(reader, b"bad")
    reader.send(BasicReject(1, True))
    channel.connection.receive()
    del watching


@case("S-291", "S-277", needs=DEAD_NEEDS)
def dead_letters_by_the_old_keys(peer: Peer) -> None:
    """Without a dead-letter routing key a message keeps its keys, as with classic queues."""
    channel = peer.channel()
    exchange = peer.exchange("dlx")
    channel.call(ExchangeDeclare(exchange=exchange, type="topic"))
    queue = quorum(peer, channel, {"x-dead-letter-exchange": exchange})
    channel.call(QueueBind(queue=queue, exchange="amq.topic", routing_key="orders.*"))
    dead = declared(peer, channel, "dead")
    for key in ("orders.new", "copy"):
        channel.call(QueueBind(queue=dead, exchange=exchange, routing_key=key))
    watching = watch(peer)
    channel.consume(queue, "c")
    headers = as_table({"CC": ["copy"]})
    channel.publish("amq.topic", "orders.new", b"bad", properties_of(headers=headers))
    arrive(channel, b"bad")
    channel.send(BasicReject(1, False))
    arrive(watching, b"bad")


@case("S-274", "S-292", needs="quorum dead-letter ttl")
def messages_expire(peer: Peer) -> None:
    """Messages of a quorum queue expire without a consumer (since 3.10)."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-message-ttl": 100})
    watching = watch(peer)
    fill(peer, queue, b"1", b"2")
    arrive(watching, b"1", b"2")


@case("S-292", "S-293", needs="quorum dead-letter ttl")
def messages_expire_at_the_head(peer: Peer) -> None:
    """An expired message behind one that has not expired stays until it is first."""
    channel = peer.channel()
    queue = dying(peer, channel)
    watching = watch(peer)
    for body, milliseconds in ((b"long", "60000"), (b"short", "50")):
        channel.publish("", queue, body, properties_of(expiration=milliseconds))
    let_pass(peer, 200)
    channel.consume(queue, "c")
    arrive(channel, b"long")
    arrive(watching, b"short")


@case("S-294", needs="quorum dead-letter ttl")
def returned_too_late(peer: Peer) -> None:
    """A message that is requeued after its time has passed is dead-lettered as expired."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-message-ttl": 200})
    watching = watch(peer)
    channel.consume(queue, "c")
    channel.publish("", queue, b"1")
    arrive(channel, b"1")
    channel.call(BasicCancel("c"))
    let_pass(peer, 500)
    channel.send(BasicReject(1, True))
    arrive(watching, b"1")


@case("S-295", needs="quorum dead-letter ttl")
def no_time_to_live(peer: Peer) -> None:
    """A message with no time to live goes to a consumer that is ready, or else it expires."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-message-ttl": 0})
    watching = watch(peer)
    channel.publish("", queue, b"1")
    arrive(watching, b"1")
    reader = peer.channel()
    reader.consume(queue, "c", no_ack=True)
    channel.publish("", queue, b"2")
    arrive(reader, b"2")


@case("S-195", needs="quorum expires ttl dead-letter", slow=True)
def queue_expires(peer: Peer) -> None:
    """A quorum queue that nobody uses expires; RabbitMQ looks every five seconds."""
    channel = peer.channel()
    queue = quorum(peer, channel, {"x-expires": 100})
    let_pass(peer, 12000)
    absent(channel, queue)


@case("S-301", "S-274", needs="quorum dead-letter length")
def too_many(peer: Peer) -> None:
    """A quorum queue drops the oldest messages, and dead-letters them."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-max-length": 2})
    watching = watch(peer)
    fill(peer, queue, b"1", b"2", b"3", b"4")
    arrive(watching, b"1", b"2")
    channel.consume(queue, "c", no_ack=True)
    arrive(channel, b"3", b"4")


@case("S-301", "S-300", needs="quorum dead-letter length")
def too_many_bytes(peer: Peer) -> None:
    """A limit in bytes counts the bodies."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-max-length-bytes": 10})
    watching = watch(peer)
    fill(peer, queue, b"12345", b"67890", b"x")
    arrive(watching, b"12345")
    channel.consume(queue, "c", no_ack=True)
    arrive(channel, b"67890", b"x")


@case("S-301", "S-255", needs="quorum dead-letter length")
def returned_into_a_full_queue(peer: Peer) -> None:
    """A message that returns to a full quorum queue stands first and is dropped."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-max-length": 1})
    watching = watch(peer)
    reader = peer.channel()
    reader.call(BasicQos(prefetch_count=1))
    reader.consume(queue, "c")
    fill(peer, queue, b"1")
    arrive(reader, b"1")
    fill(peer, queue, b"2")
    reader.call(BasicCancel("c"))
    reader.send(BasicReject(1, True))
    watching.deliveries(1)
    channel.consume(queue, "d", no_ack=True)
    channel.deliveries(1)


@case("S-301", needs="quorum dead-letter length")
def no_length(peer: Peer) -> None:
    """A quorum queue of length zero keeps nothing that no consumer is ready for."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-max-length": 0})
    watching = watch(peer)
    fill(peer, queue, b"1")
    arrive(watching, b"1")


@case("S-301", needs="quorum dead-letter length")
def no_length_with_a_consumer(peer: Peer) -> None:
    """A quorum queue of length zero hands over to a consumer that has room."""
    channel = peer.channel()
    queue = dying(peer, channel, {"x-max-length": 0})
    watching = watch(peer)
    reader = peer.channel()
    reader.call(BasicQos(prefetch_count=1))
    reader.consume(queue, "c")
    fill(peer, queue, b"1", b"2")
    arrive(reader, b"1")
    arrive(watching, b"2")


@case("S-304", "S-302", "S-362", needs="quorum length")
def rejecting_when_full(peer: Peer) -> None:
    """A full quorum queue rejects what comes; how many it takes beyond its limit is open."""
    channel = confirming(peer)
    queue = quorum(peer, channel, {"x-max-length": 1, "x-overflow": "reject-publish"})
    publish_until(peer, channel, queue, acked=False)
    peer.note("a publish was refused")
    with peer.quiet():
        channel.get_all(queue)
    publish_until(peer, channel, queue, acked=True)
    peer.note("the queue was emptied, and a publish was confirmed")


@case("S-177", "S-304", needs="quorum length")
def rejecting_with_dead_letters(peer: Peer) -> None:
    """Reject-publish-dlx on a quorum queue drops the oldest."""
    channel = confirming(peer)
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish-dlx"}
    queue = quorum(peer, channel, arguments)
    for body in (b"1", b"2", b"3"):
        channel.publish("", queue, body)
        channel.expect_confirms()
    channel.consume(queue, "c", no_ack=True)
    channel.deliveries(1)


@case("S-299", needs=NEEDS)
def two_priorities(peer: Peer) -> None:
    """In 4.0.5 two messages of priority 5 and above are served for each one below.

    In 3.10.8 priorities mean nothing.
    """
    channel = confirming(peer)
    queue = quorum(peer, channel)
    for word in ("0a", "4b", "-c", "5a", "9b", "6c", "5d", "5e"):
        properties = properties_of() if word[0] == "-" else properties_of(priority=int(word[0]))
        channel.publish("", queue, word.encode(), properties)
    channel.expect_confirms()
    reader = peer.channel()
    reader.consume(queue, "c", no_ack=True)
    reader.deliveries(8)


@case("S-299", "S-255", needs=NEEDS)
def two_priorities_and_returns(peer: Peer) -> None:
    """Messages that returned are served before those of any priority."""
    channel = confirming(peer)
    queue = quorum(peer, channel)
    reader = peer.channel()
    reader.call(BasicQos(prefetch_count=1))
    reader.consume(queue, "c")
    for word in ("0a", "9a", "9b", "0b"):
        channel.publish("", queue, word.encode(), properties_of(priority=int(word[0])))
    channel.expect_confirms()
    reader.deliveries(1)
    reader.send(BasicReject(1, True))
    for tag in range(2, 6):
        reader.deliveries(1)
        reader.send(BasicAck(tag))


@case("S-275", "S-288", needs="quorum dead-letter")
def at_least_once(peer: Peer) -> None:
    """With the strategy at-least-once a dead letter arrives, too."""
    channel = peer.channel()
    exchange = peer.exchange("dlx")
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    arguments = {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    queue = quorum(peer, channel, arguments)
    dead = declared(peer, channel, "dead")
    channel.call(QueueBind(queue=dead, exchange=exchange))
    watching = watch(peer)
    channel.consume(queue, "c")
    fill(peer, queue, b"bad")
    arrive(channel, b"bad")
    channel.send(BasicReject(1, False))
    arrive(watching, b"bad")
