"""x-random, x-local-random and x-modulus-hash: one queue for each message, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence

from amqpbroker.spec.methods import (
    ExchangeBind,
    ExchangeDeclare,
    QueueBind,
    QueueBindOk,
    QueueDeclare,
    QueueUnbind,
)
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.spec.table import Field, longstr
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import unroutable


def _bound(
    peer: Peer, channel: RawChannel, type_: str, keys: Sequence[str]
) -> tuple[str, list[str]]:
    """An exchange, and a queue bound with each key."""
    exchange = peer.exchange()
    queues = [peer.queue(f"q{number}") for number in range(len(keys))]
    with peer.quiet():
        channel.call(ExchangeDeclare(exchange=exchange, type=type_))
        for queue, key in zip(queues, keys, strict=True):
            channel.call(QueueDeclare(queue=queue, exclusive=True))
            channel.call(QueueBind(0, queue, exchange, key))
    return exchange, queues


def _publish_and_count(
    peer: Peer,
    channel: RawChannel,
    exchange: str,
    queues: Sequence[str],
    messages: Sequence[tuple[str, Properties]],
) -> None:
    """Publish, and write down how many messages there are then, and in how many queues."""
    with peer.quiet():
        for key, properties in messages:
            channel.publish(exchange, key, b"", properties)
        channel.round_trip()
        counts = [len(channel.get_all(queue)) for queue in queues]
    used = sum(map(bool, counts))
    words = {0: "no queue", 1: "one queue", len(queues): "all queues"}.get(used, "some queues")
    peer.note(f"{sum(counts)} messages are in {words}")


MANY = [(f"key {number}", NO_PROPERTIES) for number in range(200)]
ALIKE = [("k", NO_PROPERTIES)] * 200
CC = properties_of(headers={"CC": Field("A", [longstr("b"), longstr("c")])})


@case("S-139", needs="random")
def random(peer: Peer) -> None:
    """x-random: each message goes to one queue, whatever the keys say."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, "x-random", ["a", "b", ""])
    _publish_and_count(peer, channel, exchange, queues, ALIKE)
    _publish_and_count(peer, channel, exchange, queues, MANY)


@case("S-139", "S-133", needs="random")
def random_with_cc(peer: Peer) -> None:
    """x-random: keys in CC make no further choices."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, "x-random", ["", "", ""])
    _publish_and_count(peer, channel, exchange, queues, [("a", CC)] * 200)


@case("S-139", needs="random")
def random_with_one_queue(peer: Peer) -> None:
    """x-random: a single queue gets everything."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, "x-random", ["a"])
    _publish_and_count(peer, channel, exchange, queues, MANY)


@case("S-139", needs="random")
def random_without_queues(peer: Peer) -> None:
    """x-random: without a binding a message is returned."""
    channel = peer.channel()
    exchange, _ = _bound(peer, channel, "x-random", [])
    unroutable(channel, exchange, "k")


@case("S-139", needs="random")
def random_after_unbinding(peer: Peer) -> None:
    """x-random: a queue that is no longer bound is not chosen."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, "x-random", ["", ""])
    channel.call(QueueUnbind(0, queues[0], exchange, ""))
    _publish_and_count(peer, channel, exchange, queues, ALIKE)


@case("S-139", "S-118", needs="random")
def random_to_exchanges(peer: Peer) -> None:
    """x-random: exchanges are destinations, too."""
    channel = peer.channel()
    exchange, _ = _bound(peer, channel, "x-random", [])
    queues: list[str] = []
    for number in range(2):
        inner, queue = peer.exchange(f"inner{number}"), peer.queue(f"inner{number}")
        queues.append(queue)
        with peer.quiet():
            channel.call(ExchangeDeclare(exchange=inner, type="fanout"))
            channel.call(QueueDeclare(queue=queue, exclusive=True))
            channel.call(QueueBind(0, queue, inner, ""))
        channel.call(ExchangeBind(0, inner, exchange, ""))
    _publish_and_count(peer, channel, exchange, queues, ALIKE)


# x-local-random


@case("S-140", needs="random")
def local_random(peer: Peer) -> None:
    """x-local-random: each message goes to one queue; RabbitMQ 3.10 has no such type."""
    channel = peer.channel()
    exchange, queues = peer.exchange(), [peer.queue("q0"), peer.queue("q1")]
    channel.call(ExchangeDeclare(exchange=exchange, type="x-local-random"))
    for queue in queues:
        channel.call(QueueDeclare(queue=queue, exclusive=True))
        channel.call(QueueBind(0, queue, exchange, ""), QueueBindOk)
    _publish_and_count(peer, channel, exchange, queues, ALIKE)
    _publish_and_count(peer, channel, exchange, queues, MANY)


@case("S-140", needs="random")
def local_random_with_a_key(peer: Peer) -> None:
    """x-local-random: a binding key is refused."""
    channel = peer.channel()
    exchange, queue = peer.exchange(), peer.queue()
    channel.call(ExchangeDeclare(exchange=exchange, type="x-local-random"))
    channel.call(QueueDeclare(queue=queue))
    channel.refused(QueueBind(0, queue, exchange, "k"))


@case("S-140", needs="random quorum")
def local_random_to_a_quorum_queue(peer: Peer) -> None:
    """x-local-random: a quorum queue is refused."""
    channel = peer.channel()
    exchange, queue = peer.exchange(), peer.queue()
    channel.call(ExchangeDeclare(exchange=exchange, type="x-local-random"))
    arguments = as_table({"x-queue-type": "quorum"})
    channel.call(QueueDeclare(queue=queue, durable=True, arguments=arguments))
    channel.refused(QueueBind(0, queue, exchange, ""))


@case("S-140", "S-118", needs="random")
def local_random_to_an_exchange(peer: Peer) -> None:
    """x-local-random: an exchange is refused."""
    channel = peer.channel()
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="x-local-random"))
    channel.refused(ExchangeBind(0, "amq.fanout", exchange, ""))


@case("S-140", "S-118", needs="random")
def local_random_to_an_exchange_with_a_key(peer: Peer) -> None:
    """x-local-random: of two mistakes the key is told."""
    channel = peer.channel()
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="x-local-random"))
    channel.refused(ExchangeBind(0, "amq.fanout", exchange, "k"))


# x-modulus-hash


@case("S-141", needs="modulus-hash")
def modulus_hash(peer: Peer) -> None:
    """x-modulus-hash: equal keys stay together, different ones spread."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, "x-modulus-hash", ["a", "b", ""])
    _publish_and_count(peer, channel, exchange, queues, ALIKE)
    _publish_and_count(peer, channel, exchange, queues, MANY)


@case("S-141", "S-133", needs="modulus-hash")
def modulus_hash_with_cc(peer: Peer) -> None:
    """x-modulus-hash: keys in CC do not make it two messages."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, "x-modulus-hash", ["", "", ""])
    _publish_and_count(peer, channel, exchange, queues, [("a", CC)] * 200)


@case("S-141", needs="modulus-hash")
def modulus_hash_with_one_queue(peer: Peer) -> None:
    """x-modulus-hash: a single queue gets everything."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, "x-modulus-hash", ["a"])
    _publish_and_count(peer, channel, exchange, queues, MANY)


@case("S-141", needs="modulus-hash")
def modulus_hash_without_queues(peer: Peer) -> None:
    """x-modulus-hash: without a binding a message is returned."""
    channel = peer.channel()
    exchange, _ = _bound(peer, channel, "x-modulus-hash", [])
    unroutable(channel, exchange, "k")
