"""Dead letters that come back to where they died: when they are dropped, and when not."""

from __future__ import annotations

from collections.abc import Mapping

from amqpbroker.spec.methods import BasicReject, ExchangeDeclare, QueueBind
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import fill, take
from conformance.timed import arrive, declared, let_pass, watch

NEEDS = "dead-letter ttl"


def linked(
    peer: Peer, channel: RawChannel, links: Mapping[str, tuple[str, Mapping[str, object]]]
) -> list[str]:
    """The names of new queues: {word: (the word of the queue for its dead letters, arguments)}."""
    for word, (next_word, arguments) in links.items():
        routed = {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": peer.name(next_word),
        }
        declared(peer, channel, word, {**arguments, **routed})
    return [peer.name(word) for word in links]


def show_what_is_left(peer: Peer, channel: RawChannel, queue: str) -> None:
    """Consume *queue*, to which a message of a circle would come; then send it another one."""
    channel.consume(queue, "c", no_ack=True)
    let_pass(peer, 300)
    fill(peer, queue, b"the only one")
    channel.deliveries(1)


EXPIRES: Mapping[str, object] = {"x-message-ttl": 50}


@case("S-286", "S-290", needs=NEEDS)
def expired_to_itself(peer: Peer) -> None:
    """A message that expires and would come back to its own queue is dropped."""
    channel = peer.channel()
    (queue,) = linked(peer, channel, {"q": ("q", {})})
    channel.publish("", queue, b"short", properties_of(expiration="1"))
    channel.publish("", queue, b"long")
    let_pass(peer, 200)
    assert channel.get_all(queue) == [b"long"]


@case("S-286", "S-290", needs=NEEDS)
def expired_in_a_circle_of_two(peer: Peer) -> None:
    """A message that expired in two queues is dropped when it would come to the first again."""
    channel = peer.channel()
    one, two = linked(peer, channel, {"one": ("two", EXPIRES), "two": ("one", EXPIRES)})
    channel.publish("", one, b"hello")
    let_pass(peer, 300)
    assert channel.get(one) is None
    assert channel.get(two) is None


@case("S-286", needs=NEEDS)
def expired_in_a_circle_with_a_witness(peer: Peer) -> None:
    """Of the queues that a dead letter would come to, only the one it came from is left out."""
    channel = peer.channel()
    exchange = peer.exchange("dlx")
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    arguments = {"x-message-ttl": 50, "x-dead-letter-exchange": exchange}
    queue = declared(peer, channel, "q", arguments)
    dead = declared(peer, channel, "dead")
    for name in (queue, dead):
        channel.call(QueueBind(queue=name, exchange=exchange))
    watching = watch(peer)
    channel.publish("", queue, b"hello")
    arrive(watching, b"hello")
    let_pass(peer, 200)
    assert channel.get(dead) is None


@case("S-286", needs=NEEDS)
def expired_on_a_way_without_a_circle(peer: Peer) -> None:
    """A message may expire in many queues, as long as it comes to each of them once."""
    channel = peer.channel()
    names = linked(
        peer, channel,
        {"one": ("two", EXPIRES), "two": ("three", EXPIRES), "three": ("dead", EXPIRES)},
    )  # fmt: skip
    declared(peer, channel, "dead")
    watching = watch(peer)
    channel.publish("", names[0], b"hello")
    arrive(watching, b"hello")


@case("S-286", needs="dead-letter length")
def dropped_from_a_full_queue_to_itself(peer: Peer) -> None:
    """A message that is one too many does not come back to the queue that is full."""
    channel = peer.channel()
    (queue,) = linked(peer, channel, {"q": ("q", {"x-max-length": 1})})
    for body in (b"1", b"2", b"3"):
        channel.publish("", queue, body)
    assert channel.get_all(queue) == [b"3"]
    fill(peer, queue, b"4")
    assert channel.get_all(queue) == [b"4"]


@case("S-286", needs="dead-letter length ttl")
def expired_then_one_too_many(peer: Peer) -> None:
    """It makes no difference that the deaths of a circle have different reasons."""
    channel = peer.channel()
    one, two = linked(peer, channel, {"one": ("two", EXPIRES), "two": ("one", {"x-max-length": 0})})
    channel.publish("", one, b"hello")
    let_pass(peer, 300)
    assert channel.get(one) is None
    assert channel.get(two) is None


@case("S-286", "S-290", needs="dead-letter")
def rejected_to_itself(peer: Peer) -> None:
    """A message that is rejected comes back to its own queue, again and again."""
    channel = peer.channel()
    (queue,) = linked(peer, channel, {"q": ("q", {})})
    channel.consume(queue, "c")
    channel.publish("", queue, b"hello")
    for tag in range(1, 6):
        arrive(channel, b"hello")
        channel.send(BasicReject(tag, False))
    arrive(channel, b"hello")


@case("S-286", "S-282", needs=NEEDS)
def rejected_and_retried(peer: Peer) -> None:
    """The usual retry: rejected to a queue that nobody consumes, expired back, and counted."""
    channel = peer.channel()
    work, _ = linked(peer, channel, {"work": ("retry", {}), "retry": ("work", EXPIRES)})
    channel.consume(work, "c")
    channel.publish("", work, b"hello")
    for tag in range(1, 4):
        arrive(channel, b"hello")
        channel.send(BasicReject(tag, False))
    arrive(channel, b"hello")


@case("S-286", needs=NEEDS)
def rejected_by_a_queue_on_the_way(peer: Peer) -> None:
    """A rejection anywhere in the circle keeps it going.

    3.10.8 mixes up the order of three deaths, and drops the message.
    """
    channel = peer.channel()
    one, _, three = linked(
        peer, channel,
        {"one": ("two", EXPIRES), "two": ("three", EXPIRES), "three": ("one", {})},
    )  # fmt: skip
    channel.consume(three, "c")
    channel.publish("", one, b"hello")
    for tag in range(1, 3):
        arrive(channel, b"hello")
        channel.send(BasicReject(tag, False))
    arrive(channel, b"hello")


@case("S-286", needs=NEEDS)
def rejected_before_the_circle(peer: Peer) -> None:
    """A rejection before the circle was entered does not keep it going.

    In 3.10.8 it goes on for ever.
    """
    channel = peer.channel()
    names = linked(
        peer, channel,
        {"first": ("one", {}), "one": ("two", EXPIRES), "two": ("one", EXPIRES)},
    )  # fmt: skip
    channel.publish("", names[0], b"hello")
    (tag,) = take(channel, names[0], 1)
    channel.send(BasicReject(tag, False))
    let_pass(peer, 400)
    show_what_is_left(peer, channel, names[1])


@case("S-286", needs=NEEDS)
def rejected_once_in_the_circle(peer: Peer) -> None:
    """A message that was rejected once goes on for one more lap, then it is dropped.

    It comes back to the queue in which it was rejected by expiring in the other one; and when it
    expires there itself, nothing was rejected since its last visit to that other one.
    """
    channel = peer.channel()
    links = {"one": ("two", {"x-message-ttl": 100}), "two": ("one", EXPIRES)}
    one, _ = linked(peer, channel, links)
    channel.publish("", one, b"hello")
    (tag,) = take(channel, one, 1)
    channel.send(BasicReject(tag, False))
    let_pass(peer, 600)
    show_what_is_left(peer, channel, one)


@case("S-286", "S-285", needs=NEEDS)
def clients_own_x_death(peer: Peer) -> None:
    """An x-death of a client does not make a circle in 4.0.5; it does in 3.10.8."""
    channel = peer.channel()
    one, two = linked(peer, channel, {"one": ("two", EXPIRES), "two": ("two", {})})
    entry = {
        "count": Field("l", 1), "reason": "expired", "queue": two, "time": Field("T", 9),
        "exchange": "", "routing-keys": [two],
    }  # fmt: skip
    channel.publish("", one, b"hello", properties_of(headers=as_table({"x-death": [entry]})))
    let_pass(peer, 200)
    channel.get(two)


@case("S-286", needs=NEEDS)
def published_again_by_a_client(peer: Peer) -> None:
    """A dead letter that a client publishes again may expire again: nothing is remembered.

    3.10.8 remembers by the header, and drops it.
    """
    channel = peer.channel()
    work, retry = linked(peer, channel, {"work": ("work", {}), "retry": ("work", EXPIRES)})
    channel.consume(work, "c", no_ack=True)
    channel.publish("", retry, b"hello")
    (letter,) = arrive(channel, b"hello")
    channel.publish("", retry, letter.body, letter.properties)
    arrive(channel, b"hello")
