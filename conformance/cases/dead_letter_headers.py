"""What the headers of a dead letter tell: x-death, x-first-death-*, and x-last-death-*."""

from __future__ import annotations

import time
from collections.abc import Mapping

from amqpbroker.spec.methods import BasicReject, ExchangeDeclare, QueueBind, QueueDeclare
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.spec.table import Field
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from amqpbroker.testing.raw_events import ContentReceived
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import take
from conformance.timed import arrive, dead_lettering, declared, let_pass, watch

NEEDS = "dead-letter"
TWO_NEEDS = "dead-letter ttl"


def die(channel: RawChannel, queue: str) -> None:
    """Reject the first message of *queue*, and wait until it is in another queue."""
    (tag,) = take(channel, queue, 1)
    channel.send(BasicReject(tag, False))
    assert channel.get(queue) is None


def dead_after_rejection(
    peer: Peer, properties: Properties = NO_PROPERTIES, exchange: str = "", routing_key: str = ""
) -> ContentReceived:
    """Publish a message, reject it, and take the dead letter."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    if exchange:
        channel.call(QueueBind(queue=queue, exchange=exchange, routing_key=routing_key))
    channel.publish(exchange, routing_key or queue, b"bad", properties)
    die(channel, queue)
    (letter,) = arrive(watch(peer), b"bad")
    return letter


def published_with(peer: Peer, headers: Mapping[str, object]) -> None:
    """Publish a message with *headers*, reject it, and take the dead letter."""
    dead_after_rejection(peer, properties_of(headers=as_table(headers)))


def chain(peer: Peer, channel: RawChannel, *words: str) -> list[str]:
    """The names of new queues, each of which dead-letters to the next one, the last to itself."""
    names = [peer.queue(word) for word in words]
    for name, next_name in zip(names, [*names[1:], names[-1]], strict=True):
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": next_name}
        channel.call(QueueDeclare(queue=name, arguments=as_table(arguments)))
    return names


def times_of_death(letter: ContentReceived) -> list[int]:
    """When the message died, in seconds, the latest entry first."""
    entries = letter.properties.headers["x-death"].value
    assert isinstance(entries, list)
    times: list[int] = []
    for entry in entries:
        assert isinstance(entry.value, Mapping)
        at = entry.value["time"].value
        assert isinstance(at, int)
        times.append(at)
    return times


@case("S-280", "S-281", "S-283", "S-284", needs=NEEDS)
def first_death(peer: Peer) -> None:
    """The headers of a message that had none, and died for the first time."""
    letter = dead_after_rejection(peer)
    (died_at,) = times_of_death(letter)
    assert abs(died_at - time.time()) < 60


@case("S-280", "S-205", needs=NEEDS)
def beside_other_headers(peer: Peer) -> None:
    """The headers of a message stay; 4.0.5 sorts them all by name."""
    published_with(peer, {"zebra": 1, "ant": "text", "x-mine": True})


@case("S-281", needs=NEEDS)
def exchange_and_key(peer: Peer) -> None:
    """The entry names the exchange and the key that the message was published with."""
    dead_after_rejection(peer, exchange="amq.topic", routing_key="orders.new")


@case("S-281", needs=NEEDS)
def bound_by_another_key(peer: Peer) -> None:
    """The entry has the key of the publish, not of the binding, nor exchanges on the way."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    inner = peer.exchange("inner")
    channel.call(ExchangeDeclare(exchange=inner, type="fanout"))
    outer = peer.exchange("outer")
    arguments = as_table({"alternate-exchange": inner})
    channel.call(ExchangeDeclare(exchange=outer, type="topic", arguments=arguments))
    channel.call(QueueBind(queue=queue, exchange=inner, routing_key="another"))
    channel.publish(outer, "orders.new", b"bad")
    die(channel, queue)
    arrive(watch(peer), b"bad")


@case("S-281", "S-278", "S-283", needs=NEEDS)
def original_expiration(peer: Peer) -> None:
    """The entry of a message that was to expire has its expiration, whatever it died of."""
    dead_after_rejection(peer, properties_of(expiration="60000"))


@case("S-281", "S-133", needs=NEEDS)
def keys_of_cc(peer: Peer) -> None:
    """The keys of CC are routing keys of the entry, behind the key of the publish."""
    published_with(peer, {"CC": ["one", "two"]})


@case("S-281", "S-134", needs=NEEDS)
def keys_of_bcc(peer: Peer) -> None:
    """The keys of BCC do not show, nor does BCC."""
    published_with(peer, {"CC": ["one"], "BCC": ["secret"]})


@case("S-281", "S-133", needs=NEEDS)
def cc_with_other_kinds(peer: Peer) -> None:
    """Only texts of CC are routing keys."""
    published_with(peer, {"CC": ["one", 2, True, b"two"]})


@case("S-280", "S-284", "S-283", needs=NEEDS)
def two_queues(peer: Peer) -> None:
    """A second death in another queue is a second entry, and stands first."""
    channel = peer.channel()
    first, second, last = chain(peer, channel, "first", "second", "last")
    channel.publish("", first, b"bad")
    die(channel, first)
    die(channel, second)
    channel.get(last)


@case("S-280", "S-284", "S-283", needs=NEEDS)
def three_queues(peer: Peer) -> None:
    """Three deaths in three queues are three entries; the first death's headers stay."""
    channel = peer.channel()
    *queues, last = chain(peer, channel, "first", "second", "third", "last")
    channel.publish("", queues[0], b"bad", properties_of(expiration="60000"))
    for queue in queues:
        die(channel, queue)
    channel.get(last)


@case("S-280", "S-282", needs=NEEDS)
def same_queue_again(peer: Peer) -> None:
    """Deaths in the same queue for the same reason are counted in one entry."""
    channel = peer.channel()
    (queue,) = chain(peer, channel, "q")
    channel.consume(queue, "c")
    channel.publish("", queue, b"bad")
    for tag in (1, 2, 3):
        arrive(channel, b"bad")
        channel.send(BasicReject(tag, False))
    arrive(channel, b"bad")


@case("S-280", "S-282", "S-283", needs=NEEDS)
def back_and_forth(peer: Peer) -> None:
    """The entry of the queue in which a message died last stands first, whenever it was new."""
    channel = peer.channel()
    work, retry = peer.queue("work"), peer.queue("retry")
    for queue, other in ((work, retry), (retry, work)):
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": other}
        channel.call(QueueDeclare(queue=queue, arguments=as_table(arguments)))
    channel.publish("", work, b"bad")
    for queue in (work, retry, work, retry, work):
        die(channel, queue)
    channel.get(retry)


@case("S-280", needs=TWO_NEEDS)
def same_queue_for_another_reason(peer: Peer) -> None:
    """Deaths in the same queue for different reasons have an entry each."""
    channel = peer.channel()
    dead, work = peer.queue("dead"), peer.queue("work")
    for queue, other, ttl in ((work, dead, {"x-message-ttl": 300}), (dead, work, {})):
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": other, **ttl}
        channel.call(QueueDeclare(queue=queue, arguments=as_table(arguments)))
    channel.publish("", work, b"bad")
    die(channel, work)
    die(channel, dead)
    watching = watch(peer)
    arrive(watching, b"bad")


@case("S-282", needs="dead-letter ttl", slow=True)
def time_of_the_first_death(peer: Peer) -> None:
    """An entry keeps the time of its first death."""
    channel = peer.channel()
    (queue,) = chain(peer, channel, "q")
    channel.consume(queue, "c")
    channel.publish("", queue, b"bad")
    arrive(channel, b"bad")
    times: list[list[int]] = []
    for tag in (1, 2):
        channel.send(BasicReject(tag, False))
        (letter,) = arrive(channel, b"bad")
        times.append(times_of_death(letter))
        let_pass(peer, 1100)
    assert times[0] == times[1]


@case("S-282", "S-281", needs=NEEDS)
def expiration_is_that_of_the_first_death(peer: Peer) -> None:
    """The entry keeps the original expiration when the message dies again, without one."""
    channel = peer.channel()
    (queue,) = chain(peer, channel, "q")
    channel.consume(queue, "c")
    channel.publish("", queue, b"bad", properties_of(expiration="60000"))
    for tag in (1, 2):
        arrive(channel, b"bad")
        channel.send(BasicReject(tag, False))
    arrive(channel, b"bad")


@case("S-281", "S-277", needs=NEEDS)
def key_of_the_second_death(peer: Peer) -> None:
    """The second entry has the exchange and key of the dead-lettering, not of the publish."""
    channel = peer.channel()
    exchange = peer.exchange("dlx")
    channel.call(ExchangeDeclare(exchange=exchange, type="direct"))
    second = dead_lettering(peer, channel, word="second")
    arguments = {"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": "failed"}
    first = declared(peer, channel, "first", arguments)
    channel.call(QueueBind(queue=second, exchange=exchange, routing_key="failed"))
    channel.publish("", first, b"bad", properties_of(headers=as_table({"CC": ["copy"]})))
    die(channel, first)
    die(channel, second)
    arrive(watch(peer), b"bad")


@case("S-285", needs=NEEDS)
def published_again_by_a_client(peer: Peer) -> None:
    """A client publishes a dead letter again, with its headers, and it dies again.

    4.0.5 starts to count again; 3.10.8 goes on.
    """
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    watching = watch(peer)
    channel.publish("", queue, b"bad")
    for _ in range(2):
        die(channel, queue)
        (letter,) = arrive(watching, b"bad")
        channel.publish("", queue, letter.body, letter.properties)
    channel.get(queue)


@case("S-285", needs=NEEDS)
def published_again_to_another_queue(peer: Peer) -> None:
    """A client publishes a dead letter to another queue, where it dies, too."""
    channel = peer.channel()
    queues = [dead_lettering(peer, channel, word=word) for word in ("first", "second")]
    watching = watch(peer)
    channel.publish("", queues[0], b"bad")
    die(channel, queues[0])
    (letter,) = arrive(watching, b"bad")
    channel.publish("", queues[1], letter.body, letter.properties)
    die(channel, queues[1])
    arrive(watching, b"bad")


@case("S-285", needs=NEEDS)
def clients_own_x_death_is_delivered(peer: Peer) -> None:
    """Headers with the names of dead-lettering that a client made up are delivered as they are."""
    channel = peer.channel()
    queue = declared(peer, channel, "q")
    made_up = {
        "x-death": "twice", "x-first-death-reason": 5, "x-first-death-queue": "nowhere",
        "x-last-death-exchange": True,
    }  # fmt: skip
    channel.publish("", queue, b"hello", properties_of(headers=as_table(made_up)))
    channel.get(queue)


@case("S-285", needs=NEEDS)
def clients_own_x_death_of_another_kind(peer: Peer) -> None:
    """An x-death of a client that is no array is replaced."""
    published_with(peer, {"x-death": "twice"})


@case("S-285", needs=NEEDS)
def clients_own_x_death_that_is_empty(peer: Peer) -> None:
    """An empty x-death of a client."""
    published_with(peer, {"x-death": []})


@case("S-285", needs=NEEDS)
def clients_own_x_death_of_another_queue(peer: Peer) -> None:
    """An entry of a client for another queue: 4.0.5 overwrites it, 3.10.8 keeps it."""
    entry = {
        "count": Field("l", 7), "reason": "expired", "queue": "elsewhere", "time": Field("T", 9),
        "exchange": "x", "routing-keys": ["k"],
    }  # fmt: skip
    published_with(peer, {"x-death": [entry]})


@case("S-285", needs=NEEDS)
def clients_own_x_death_of_the_same_queue(peer: Peer) -> None:
    """An entry of a client for the same queue and reason: 3.10.8 counts on, 4.0.5 anew."""
    entry = {
        "count": Field("l", 7), "reason": "rejected", "queue": peer.name("q"),
        "time": Field("T", 9), "exchange": "x", "routing-keys": ["k"],
    }  # fmt: skip
    published_with(peer, {"x-death": [entry]})


@case("S-284", "S-285", needs=NEEDS)
def clients_own_first_death(peer: Peer) -> None:
    """The x-first-death-* and x-last-death-* of a client when the message dies."""
    published_with(
        peer,
        {
            "x-first-death-reason": "boredom",
            "x-first-death-queue": "elsewhere",
            "x-first-death-exchange": "x",
            "x-last-death-reason": "boredom",
        },
    )


@case("S-280", "S-279", needs=NEEDS)
def a_copy_in_another_queue(peer: Peer) -> None:
    """That a message died in one queue does not show on its copy in another."""
    channel = peer.channel()
    queue = dead_lettering(peer, channel)
    other = declared(peer, channel, "other")
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    for name in (queue, other):
        channel.call(QueueBind(queue=name, exchange=exchange))
    channel.publish(exchange, "", b"hello", properties_of(headers=as_table({"n": 1})))
    die(channel, queue)
    arrive(watch(peer), b"hello")
    channel.get(other)


@case("S-280", "S-291", needs=NEEDS)
def two_copies_of_a_dead_letter(peer: Peer) -> None:
    """When a dead letter comes to two queues and dies in one, the other copy does not tell."""
    channel = peer.channel()
    exchange = peer.exchange("dlx")
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    queue = declared(peer, channel, "q", {"x-dead-letter-exchange": exchange})
    one = dead_lettering(peer, channel, word="one")
    two = declared(peer, channel, "two")
    for name in (one, two):
        channel.call(QueueBind(queue=name, exchange=exchange))
    channel.publish("", queue, b"bad")
    die(channel, queue)
    die(channel, one)
    arrive(watch(peer), b"bad")
    channel.get(two)
