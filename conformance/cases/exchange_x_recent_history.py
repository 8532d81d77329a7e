"""x-recent-history: what a queue gets when it is bound, what is kept, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping

from amqpbroker.spec.methods import (
    ExchangeBind,
    ExchangeDeclare,
    ExchangeDelete,
    QueueBind,
    QueueDeclare,
    QueueUnbind,
)
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.spec.table import Field
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import unroutable

TYPE = "x-recent-history"
NEEDS = "recent-history"
LENGTH = "x-recent-history-length"


def _declaration(peer: Peer, arguments: Mapping[str, object] | None = None) -> ExchangeDeclare:
    return ExchangeDeclare(exchange=peer.exchange(), type=TYPE, arguments=as_table(arguments or {}))


def _declared(
    peer: Peer, channel: RawChannel, arguments: Mapping[str, object] | None = None
) -> str:
    declaration = _declaration(peer, arguments)
    with peer.quiet():
        channel.call(declaration)
    return declaration.exchange


def _filled(
    peer: Peer, channel: RawChannel, exchange: str, count: int, properties: Properties
) -> None:
    with peer.quiet():
        for number in range(1, count + 1):
            channel.publish(exchange, "k", str(number).encode(), properties)
        channel.round_trip()
    peer.note(f"{count} messages are published")


def _bind(
    peer: Peer, channel: RawChannel, exchange: str, word: str = "q", key: str = "", count: int = 0
) -> str:
    """Bind a queue, and write down which messages it holds then: *count* of them."""
    queue = peer.queue(word)
    with peer.quiet():
        channel.call(QueueDeclare(queue=queue, exclusive=True))
    channel.call(QueueBind(0, queue, exchange, key))
    _look(peer, channel, queue, count)
    return queue


def _look(peer: Peer, channel: RawChannel, queue: str, count: int) -> None:
    with peer.quiet():
        channel.consume(queue, queue, no_ack=True)
        bodies = [delivery.body.decode() for delivery in channel.deliveries(count)]
    peer.note(f"queue {queue!r} got: {' '.join(bodies)}".rstrip())


def _history(peer: Peer, published: int, expected: int, arguments: Mapping[str, object]) -> None:
    channel = peer.channel()
    exchange = _declared(peer, channel, arguments)
    _filled(peer, channel, exchange, published, NO_PROPERTIES)
    _bind(peer, channel, exchange, count=expected)


@case("S-142", needs=NEEDS)
def fanout(peer: Peer) -> None:
    """Every bound queue gets every message, whatever the keys say."""
    channel = peer.channel()
    exchange = _declared(peer, channel)
    queues = [peer.queue("q1"), peer.queue("q2")]
    for queue, key in zip(queues, ("a", "b"), strict=True):
        channel.call(QueueDeclare(queue=queue, exclusive=True))
        channel.call(QueueBind(0, queue, exchange, key))
    channel.publish(exchange, "c", b"hello")
    for queue in queues:
        channel.get(queue)


@case("S-142", needs=NEEDS)
def history_of_few(peer: Peer) -> None:
    """A queue that is bound gets what was published before, the oldest first."""
    _history(peer, 3, 3, {})


@case("S-142", needs=NEEDS)
def history_by_default(peer: Peer) -> None:
    """Twenty messages are kept."""
    _history(peer, 25, 20, {})


@case("S-142", needs=NEEDS)
def history_of_two(peer: Peer) -> None:
    """A length may be given."""
    _history(peer, 5, 2, {LENGTH: 2})


@case("S-142", needs=NEEDS)
def history_is_as_published(peer: Peer) -> None:
    """A message of the history has its properties, its key, and is not marked redelivered."""
    channel = peer.channel()
    exchange, queue = _declared(peer, channel), peer.queue()
    properties = properties_of(content_type="a/b", headers={"h": Field("I", 1)}, message_id="m")
    channel.publish(exchange, "the.key", b"hello", properties)
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    channel.call(QueueBind(0, queue, exchange, ""))
    channel.consume(queue, "c", no_ack=True)
    channel.deliveries(1)


@case("S-142", needs=NEEDS)
def not_stored(peer: Peer) -> None:
    """Messages with x-recent-history-no-store are routed and not kept."""
    channel = peer.channel()
    exchange = _declared(peer, channel)
    _filled(peer, channel, exchange, 1, NO_PROPERTIES)
    header = {"x-recent-history-no-store": Field("t", True)}
    _filled(peer, channel, exchange, 3, properties_of(headers=header))
    _bind(peer, channel, exchange, count=1)


@case("S-142", needs=NEEDS)
def stored_after_all(peer: Peer) -> None:
    """x-recent-history-no-store counts when it is true, and only as a bool."""
    channel = peer.channel()
    exchange = _declared(peer, channel)
    for field in (Field("t", False), Field("S", b"true"), Field("I", 1)):
        header = {"x-recent-history-no-store": field}
        _filled(peer, channel, exchange, 1, properties_of(headers=header))
    _bind(peer, channel, exchange, count=3)


@case("S-142", needs=NEEDS)
def bound_twice(peer: Peer) -> None:
    """A second binding brings the history once more."""
    channel = peer.channel()
    exchange = _declared(peer, channel)
    _filled(peer, channel, exchange, 2, NO_PROPERTIES)
    queue = _bind(peer, channel, exchange, count=2)
    channel.call(QueueBind(0, queue, exchange, "other"))
    peer.note(" ".join(delivery.body.decode() for delivery in channel.deliveries(2)))


@case("S-142", "S-114", needs=NEEDS)
def bound_again_alike(peer: Peer) -> None:
    """An equal binding brings nothing."""
    channel = peer.channel()
    exchange = _declared(peer, channel)
    _filled(peer, channel, exchange, 2, NO_PROPERTIES)
    queue = _bind(peer, channel, exchange, count=2)
    channel.call(QueueBind(0, queue, exchange, ""))
    channel.round_trip()
    channel.publish(exchange, "", b"now")
    channel.deliveries(1)


@case("S-142", needs=NEEDS)
def bound_again_after_unbinding(peer: Peer) -> None:
    """A binding that was removed and made again brings the history again."""
    channel = peer.channel()
    exchange = _declared(peer, channel)
    _filled(peer, channel, exchange, 2, NO_PROPERTIES)
    queue = _bind(peer, channel, exchange, count=2)
    channel.call(QueueUnbind(0, queue, exchange, ""))
    channel.call(QueueBind(0, queue, exchange, ""))
    channel.deliveries(2)


@case("S-142", "S-118", needs=NEEDS)
def bound_to_an_exchange(peer: Peer) -> None:
    """An exchange that is bound gets the history, too, and routes it."""
    channel = peer.channel()
    exchange, inner, queue = _declared(peer, channel), peer.exchange("inner"), peer.queue()
    _filled(peer, channel, exchange, 2, NO_PROPERTIES)
    with peer.quiet():
        channel.call(ExchangeDeclare(exchange=inner, type="direct"))
        channel.call(QueueDeclare(queue=queue, exclusive=True))
        channel.call(QueueBind(0, queue, inner, "k"))
        channel.consume(queue, "c", no_ack=True)
    channel.call(ExchangeBind(0, inner, exchange, ""))
    channel.deliveries(2)


@case("S-142", needs=NEEDS)
def without_queues(peer: Peer) -> None:
    """A message that is only kept counts as unroutable."""
    channel = peer.channel()
    exchange = _declared(peer, channel)
    unroutable(channel, exchange, "k")
    _bind(peer, channel, exchange, count=1)


@case("S-142", needs=NEEDS)
def deleted(peer: Peer) -> None:
    """The history is gone with its exchange."""
    channel = peer.channel()
    exchange = _declared(peer, channel)
    _filled(peer, channel, exchange, 2, NO_PROPERTIES)
    channel.call(ExchangeDelete(exchange=exchange))
    _declared(peer, channel)
    _bind(peer, channel, exchange, count=0)


def _refused(peer: Peer, length: object) -> None:
    peer.channel().refused(_declaration(peer, {LENGTH: length}))


@case("S-142", needs=NEEDS)
def length_of_zero(peer: Peer) -> None:
    """A length of zero is refused."""
    _refused(peer, 0)


@case("S-142", needs=NEEDS)
def length_below_zero(peer: Peer) -> None:
    """A negative length is refused."""
    _refused(peer, -1)


@case("S-142", needs=NEEDS)
def length_as_text(peer: Peer) -> None:
    """A text is no length."""
    _refused(peer, "5")


@case("S-142", needs=NEEDS)
def length_of_a_bool(peer: Peer) -> None:
    """A bool is no length."""
    _refused(peer, True)


@case("S-142", needs=NEEDS)
def length_with_a_fraction(peer: Peer) -> None:
    """A double is no length."""
    _refused(peer, Field("d", 5.0))


@case("S-100", "S-142", needs=NEEDS)
def declared_again(peer: Peer) -> None:
    """The length is not compared when an exchange is declared again."""
    channel = peer.channel()
    channel.call(_declaration(peer, {LENGTH: 2}))
    channel.call(_declaration(peer, {LENGTH: 3}))
