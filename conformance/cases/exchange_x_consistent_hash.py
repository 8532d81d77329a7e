"""x-consistent-hash: weights, what is hashed, and what is refused.

Which queue a message goes to is the broker's own affair, so the cases write down how many each got
where that is certain, and otherwise only that equal messages stay together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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

TYPE = "x-consistent-hash"
NEEDS = "consistent-hash"


def _declaration(peer: Peer, arguments: Mapping[str, object] | None = None) -> ExchangeDeclare:
    return ExchangeDeclare(exchange=peer.exchange(), type=TYPE, arguments=as_table(arguments or {}))


def _bound(
    peer: Peer,
    channel: RawChannel,
    weights: Sequence[str],
    arguments: Mapping[str, object] | None = None,
) -> tuple[str, list[str]]:
    """An exchange, and a queue bound with each weight."""
    declaration = _declaration(peer, arguments)
    queues = [peer.queue(f"q{number}") for number in range(len(weights))]
    with peer.quiet():
        channel.call(declaration)
        for queue, weight in zip(queues, weights, strict=True):
            channel.call(QueueDeclare(queue=queue, exclusive=True))
            channel.call(QueueBind(0, queue, declaration.exchange, weight))
    return declaration.exchange, queues


def _counts(peer: Peer, channel: RawChannel, queues: Sequence[str]) -> list[int]:
    with peer.quiet():
        return [len(channel.get_all(queue)) for queue in queues]


def _spread(
    peer: Peer,
    messages: Sequence[tuple[str, Properties]],
    arguments: Mapping[str, object] | None = None,
) -> None:
    """Publish to four queues, and write down how many of them got something."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, ["1"] * 4, arguments)
    with peer.quiet():
        for key, properties in messages:
            channel.publish(exchange, key, b"", properties)
        channel.round_trip()
    counts = _counts(peer, channel, queues)
    spread = "one queue" if sum(map(bool, counts)) == 1 else "several queues"
    peer.note(f"{sum(counts)} messages are in {spread}")


@case("S-136", needs=NEEDS)
def declared_and_bound(peer: Peer) -> None:
    """An exchange with a single queue passes it every message, whatever its key."""
    channel = peer.channel()
    declaration = _declaration(peer)
    channel.call(declaration)
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    channel.call(QueueBind(0, queue, declaration.exchange, "1"), QueueBindOk)
    for key in ("", "a", "1"):
        channel.publish(declaration.exchange, key, key.encode())
    for _ in range(3):
        channel.get(queue)


@case("S-136", needs=NEEDS)
def without_bindings(peer: Peer) -> None:
    """Without a binding a message is returned."""
    channel = peer.channel()
    exchange, _ = _bound(peer, channel, [])
    unroutable(channel, exchange, "k")


@case("S-136", needs=NEEDS)
def each_message_once(peer: Peer) -> None:
    """Each message goes to exactly one queue, and every queue gets some."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, ["1", "1", "2"])
    with peer.quiet():
        for number in range(400):
            channel.publish(exchange, f"key {number}")
        channel.round_trip()
    counts = _counts(peer, channel, queues)
    peer.note(f"{sum(counts)} messages; every queue has some: {all(counts)}")
    peer.note(f"the one of weight 2 has more than each other: {counts[2] > max(counts[:2])}")


@case("S-137", needs=NEEDS)
def by_routing_key(peer: Peer) -> None:
    """Equal routing keys stay together."""
    _spread(peer, [("k", properties_of(message_id=str(number))) for number in range(40)])


@case("S-137", needs=NEEDS)
def by_many_routing_keys(peer: Peer) -> None:
    """Different routing keys spread."""
    _spread(peer, [(str(number), NO_PROPERTIES) for number in range(40)])


@case("S-137", "S-133", needs=NEEDS)
def with_cc(peer: Peer) -> None:
    """Keys in CC do not make it two messages."""
    cc = properties_of(headers={"CC": Field("A", [longstr("b"), longstr("c"), longstr("d")])})
    _spread(peer, [("a", cc)] * 10)


@case("S-137", needs=NEEDS)
def by_header(peer: Peer) -> None:
    """With hash-header equal values of the header stay together, whatever their keys."""
    same = properties_of(headers={"id": longstr("same")})
    _spread(peer, [(str(number), same) for number in range(40)], {"hash-header": "id"})


@case("S-137", needs=NEEDS)
def by_many_headers(peer: Peer) -> None:
    """With hash-header different values spread, with equal keys too."""
    messages = [("k", properties_of(headers={"id": longstr(str(number))})) for number in range(40)]
    _spread(peer, messages, {"hash-header": "id"})


@case("S-137", needs=NEEDS)
def by_header_of_numbers(peer: Peer) -> None:
    """A hashed header may be of any type."""
    messages = [("k", properties_of(headers={"id": Field("I", number)})) for number in range(40)]
    _spread(peer, messages, {"hash-header": "id"})


@case("S-137", needs=NEEDS)
def by_missing_header(peer: Peer) -> None:
    """Messages without the header stay together."""
    messages = [(str(number), NO_PROPERTIES) for number in range(40)]
    _spread(peer, messages, {"hash-header": "id"})


@case("S-137", needs=NEEDS)
def by_message_id(peer: Peer) -> None:
    """With hash-property=message_id different ids spread."""
    messages = [("k", properties_of(message_id=str(number))) for number in range(40)]
    _spread(peer, messages, {"hash-property": "message_id"})


@case("S-137", needs=NEEDS)
def by_correlation_id(peer: Peer) -> None:
    """With hash-property=correlation_id equal ids stay together."""
    same = properties_of(correlation_id="same")
    messages = [(str(number), same) for number in range(40)]
    _spread(peer, messages, {"hash-property": "correlation_id"})


@case("S-137", needs=NEEDS)
def by_timestamp(peer: Peer) -> None:
    """With hash-property=timestamp different times spread."""
    messages = [("k", properties_of(timestamp=number)) for number in range(40)]
    _spread(peer, messages, {"hash-property": "timestamp"})


@case("S-137", needs=NEEDS)
def by_missing_property(peer: Peer) -> None:
    """Messages without the property stay together."""
    messages = [(str(number), NO_PROPERTIES) for number in range(40)]
    _spread(peer, messages, {"hash-property": "message_id"})


@case("S-138", needs=NEEDS)
def another_weight(peer: Peer) -> None:
    """A second binding with another weight is accepted, and a message still goes there once."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, ["1"])
    channel.call(QueueBind(0, queues[0], exchange, "2"), QueueBindOk)
    with peer.quiet():
        for number in range(10):
            channel.publish(exchange, str(number))
        channel.round_trip()
    peer.note(f"{_counts(peer, channel, queues)}")


@case("S-138", needs=NEEDS)
def one_of_two_bindings_removed(peer: Peer) -> None:
    """Removing one of a queue's bindings takes the queue out."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, ["1", "1"])
    with peer.quiet():
        channel.call(QueueBind(0, queues[0], exchange, "2"))
        channel.call(QueueUnbind(0, queues[0], exchange, "2"))
        for number in range(40):
            channel.publish(exchange, str(number))
        channel.round_trip()
    peer.note(f"{_counts(peer, channel, queues)}")


@case("S-138", needs=NEEDS)
def unbound(peer: Peer) -> None:
    """What one queue no longer gets, the other does."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, ["1", "1"])
    channel.call(QueueUnbind(0, queues[0], exchange, "1"))
    with peer.quiet():
        for number in range(40):
            channel.publish(exchange, str(number))
        channel.round_trip()
    peer.note(f"{_counts(peer, channel, queues)}")


@case("S-136", "S-118", needs=NEEDS)
def to_an_exchange(peer: Peer) -> None:
    """An exchange may be bound with a weight, too."""
    channel = peer.channel()
    exchange, _ = _bound(peer, channel, [])
    inner, queue = peer.exchange("inner"), peer.queue()
    with peer.quiet():
        channel.call(ExchangeDeclare(exchange=inner, type="fanout"))
        channel.call(QueueDeclare(queue=queue, exclusive=True))
        channel.call(QueueBind(0, queue, inner, ""))
    channel.call(ExchangeBind(0, inner, exchange, "1"))
    channel.publish(exchange, "k", b"hello")
    channel.get(queue)


def _weight_refused(peer: Peer, weight: str) -> None:
    channel = peer.channel()
    declaration = _declaration(peer)
    queue = peer.queue()
    with peer.quiet():
        channel.call(declaration)
        channel.call(QueueDeclare(queue=queue))
    channel.refused(QueueBind(0, queue, declaration.exchange, weight))


@case("S-136", needs=NEEDS)
def weight_of_letters(peer: Peer) -> None:
    """A weight that is no number is refused."""
    _weight_refused(peer, "x")


@case("S-136", needs=NEEDS)
def weight_missing(peer: Peer) -> None:
    """The empty key is no weight."""
    _weight_refused(peer, "")


@case("S-136", needs=NEEDS)
def weight_of_zero(peer: Peer) -> None:
    """A weight of zero is refused."""
    _weight_refused(peer, "0")


@case("S-136", needs=NEEDS)
def weight_below_zero(peer: Peer) -> None:
    """A negative weight is refused."""
    _weight_refused(peer, "-1")


@case("S-136", needs=NEEDS)
def weight_with_a_fraction(peer: Peer) -> None:
    """A weight is whole."""
    _weight_refused(peer, "1.5")


@case("S-136", needs=NEEDS)
def weight_with_a_sign(peer: Peer) -> None:
    """A plus sign and leading zeros are part of a number."""
    channel = peer.channel()
    exchange, queues = _bound(peer, channel, ["1"])
    channel.call(QueueBind(0, queues[0], exchange, "+2"))
    channel.call(QueueBind(0, queues[0], exchange, "007"))


@case("S-136", needs=NEEDS)
def weight_with_a_blank(peer: Peer) -> None:
    """A blank is not part of a number."""
    _weight_refused(peer, " 1")


@case("S-137", needs=NEEDS)
def header_and_property(peer: Peer) -> None:
    """Only one thing can be hashed."""
    arguments = {"hash-header": "id", "hash-property": "message_id"}
    peer.channel().refused(_declaration(peer, arguments))


@case("S-137", needs=NEEDS)
def property_that_cannot_be_hashed(peer: Peer) -> None:
    """Only three properties can be hashed."""
    peer.channel().refused(_declaration(peer, {"hash-property": "app_id"}))


@case("S-137", needs=NEEDS)
def property_in_another_spelling(peer: Peer) -> None:
    """Properties are named with underscores."""
    peer.channel().refused(_declaration(peer, {"hash-property": "message-id"}))


@case("S-100", "S-137", needs=NEEDS)
def declared_again(peer: Peer) -> None:
    """What is hashed is not compared when an exchange is declared again."""
    channel = peer.channel()
    channel.call(_declaration(peer, {"hash-header": "id"}))
    channel.call(_declaration(peer, {"hash-header": "other"}))
    channel.call(_declaration(peer))


@case("S-100", "S-137", needs=NEEDS)
def declared_again_wrongly(peer: Peer) -> None:
    """Nor is it checked then."""
    channel = peer.channel()
    channel.call(_declaration(peer))
    channel.call(_declaration(peer, {"hash-property": "app_id"}))
