"""The plugins' exchange types and other parts of the broker: deletions, channels, alternates.

Which queue gets a message is chosen by hash or chance, and is not told; the cases count.
"""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicReturn,
    ExchangeBind,
    ExchangeDeclare,
    ExchangeDelete,
    QueueBind,
    QueueDelete,
)
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import breaks_connection
from conformance.timed import declared

HASH, MODULUS, LOCAL, HISTORY = (
    "x-consistent-hash", "x-modulus-hash", "x-local-random", "x-recent-history",
)  # fmt: skip


def exchange_of(peer: Peer, channel: RawChannel, kind: str, **arguments: object) -> str:
    """The name of a new exchange; ``_`` in an argument's name stands for ``-``."""
    exchange = peer.exchange()
    table = as_table({name.replace("_", "-"): value for name, value in arguments.items()})
    channel.call(ExchangeDeclare(exchange=exchange, type=kind, arguments=table))
    return exchange


def bound(peer: Peer, channel: RawChannel, exchange: str, *keys: str) -> list[str]:
    """The names of new queues, one for each of *keys*, bound to *exchange* by it."""
    queues: list[str] = []
    for number, key in enumerate(keys, start=1):
        queue = declared(peer, channel, f"q{number}")
        channel.call(QueueBind(queue=queue, exchange=exchange, routing_key=key))
        queues.append(queue)
    return queues


def spread(
    peer: Peer,
    channel: RawChannel,
    exchange: str,
    queues: list[str],
    message_count: int,
    *,
    key: str = "",
) -> list[int]:
    """Publish *message_count* messages, by *key* or each by its own; how many each queue got."""
    with peer.quiet():
        for number in range(message_count):
            channel.publish(exchange, key or str(number), b"hello")
        counts = [len(channel.get_all(queue)) for queue in queues]
    assert sum(counts) == message_count
    return counts


@case("S-136", needs="consistent-hash")
def consistent_hash_by_weights(peer: Peer) -> None:
    """A queue of a larger weight gets more."""
    channel = peer.channel()
    exchange = exchange_of(peer, channel, HASH)
    light, heavy = spread(peer, channel, exchange, bound(peer, channel, exchange, "1", "20"), 400)
    assert light * 4 < heavy
    peer.note("the heavier queue got more than four times as many")


@case("S-138", needs="consistent-hash")
def consistent_hash_on_another_connection(peer: Peer) -> None:
    """It makes no difference who publishes."""
    channel = peer.channel()
    exchange = exchange_of(peer, channel, HASH)
    queues = bound(peer, channel, exchange, "3", "3")
    other = peer.channel(peer.connect())
    counts = [spread(peer, one, exchange, queues, 20, key="key") for one in (channel, other)]
    assert counts[0] == counts[1]
    assert 20 in counts[0]
    peer.note("both put all their messages into the same queue")


@case("S-138", "S-107", needs="consistent-hash")
def consistent_hash_after_a_deletion(peer: Peer) -> None:
    """When a queue is deleted the others get all."""
    channel = peer.channel()
    exchange = exchange_of(peer, channel, HASH)
    queues = bound(peer, channel, exchange, "1", "1")
    channel.call(QueueDelete(queue=queues[0]))
    assert spread(peer, channel, exchange, queues[1:], 60) == [60]
    peer.note("the second queue has all")
    channel.call(QueueDelete(queue=queues[1]))
    channel.publish(exchange, "key", b"hello", mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-138", "S-107", needs="consistent-hash")
def consistent_hash_declared_anew(peer: Peer) -> None:
    """An exchange that is declared again after its deletion has no bindings."""
    channel = peer.channel()
    exchange = exchange_of(peer, channel, HASH)
    bound(peer, channel, exchange, "1")
    channel.call(ExchangeDelete(exchange=exchange))
    exchange = exchange_of(peer, channel, HASH)
    channel.publish(exchange, "key", b"hello", mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-136", "S-121", needs="consistent-hash")
def consistent_hash_with_an_alternate(peer: Peer) -> None:
    """Without a binding a message goes to the alternate exchange."""
    channel = peer.channel()
    exchange = exchange_of(peer, channel, HASH, alternate_exchange="amq.fanout")
    queue = declared(peer, channel, "q")
    channel.call(QueueBind(queue=queue, exchange="amq.fanout"))
    channel.publish(exchange, "key", b"hello")
    assert channel.get_all(queue) == [b"hello"]


@case("S-136", "S-113", needs="consistent-hash")
def consistent_hash_with_an_absent_queue(peer: Peer) -> None:
    """That the queue is not there is reported before the bad key."""
    channel = peer.channel()
    exchange = exchange_of(peer, channel, HASH)
    channel.refused(QueueBind(queue=peer.queue(), exchange=exchange, routing_key="x"))


@case("S-141", "S-114", needs="modulus-hash")
def modulus_hash_bound_twice(peer: Peer) -> None:
    """Two bindings of one queue are two destinations: it gets each message once, still."""
    channel = peer.channel()
    exchange = exchange_of(peer, channel, MODULUS)
    (queue,) = bound(peer, channel, exchange, "a")
    channel.call(QueueBind(queue=queue, exchange=exchange, routing_key="b"))
    channel.publish(exchange, "key", b"hello")
    assert channel.get_all(queue) == [b"hello"]


@case("S-140", "S-201", needs="random")
def local_random_without_queues(peer: Peer) -> None:
    """Without a binding a message is unroutable (3.10.8 has no such exchange)."""
    channel = peer.channel()
    exchange = exchange_of(peer, channel, LOCAL)
    channel.publish(exchange, "key", b"hello", mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-142", "S-114", needs="recent-history")
def recent_history_of_nothing_for_an_exchange(peer: Peer) -> None:
    """An exchange may be bound as long as there is no history."""
    channel = peer.channel()
    exchange = exchange_of(peer, channel, HISTORY)
    inner = peer.exchange("inner")
    channel.call(ExchangeDeclare(exchange=inner, type="fanout"))
    (queue,) = bound(peer, channel, inner, "")
    channel.call(ExchangeBind(destination=inner, source=exchange))
    channel.publish(exchange, "key", b"1")
    assert channel.get_all(queue) == [b"1"]


@case("S-142", "S-007", needs="recent-history")
def recent_history_for_an_exchange(peer: Peer) -> None:
    """RabbitMQ cannot give the history to an exchange, and fails."""
    channel = peer.channel()
    exchange = exchange_of(peer, channel, HISTORY)
    channel.publish(exchange, "key", b"1")
    breaks_connection(channel, ExchangeBind(destination="amq.fanout", source=exchange))
