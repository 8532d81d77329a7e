"""Bindings between exchanges: bind, unbind, cycles, what is missing, and alternate exchanges."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    ExchangeBind,
    ExchangeBindOk,
    ExchangeDeclare,
    ExchangeDelete,
    ExchangeUnbind,
    ExchangeUnbindOk,
    QueueBind,
    QueueDeclare,
)
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case


def _exchange(
    peer: Peer, channel: RawChannel, word: str, kind: str = "fanout", alternate: str = ""
) -> str:
    """An exchange that exists; its declaration is not written down."""
    name = peer.exchange(word)
    arguments = as_table({"alternate-exchange": alternate} if alternate else {})
    with peer.quiet():
        channel.call(ExchangeDeclare(exchange=name, type=kind, arguments=arguments))
    return name


def _queue(
    peer: Peer, channel: RawChannel, exchange: str, key: str = "", *, word: str = "q"
) -> str:
    """A queue that is bound; neither its declaration nor its binding is written down."""
    name = peer.queue(word)
    with peer.quiet():
        channel.call(QueueDeclare(queue=name, exclusive=True))
        channel.call(QueueBind(0, name, exchange, key))
    return name


def _returned(channel: RawChannel, exchange: str, key: str = "k") -> None:
    """Publish a message that reaches no queue, and take it back."""
    channel.publish(exchange, key, b"lost", mandatory=True)
    channel.receive()


# Bind and unbind


@case("S-114", "S-115")
def bind_and_unbind(peer: Peer) -> None:
    """A message takes the way over two exchanges while they are bound."""
    channel = peer.channel()
    source, inner = _exchange(peer, channel, "from"), _exchange(peer, channel, "to")
    queue = _queue(peer, channel, inner)
    _returned(channel, source)
    channel.call(ExchangeBind(0, inner, source), ExchangeBindOk)
    channel.publish(source, "k", b"hello", mandatory=True)
    channel.get(queue)
    channel.call(ExchangeUnbind(0, inner, source), ExchangeUnbindOk)
    _returned(channel, source)


@case("S-093")
def bind_with_no_wait(peer: Peer) -> None:
    """With no-wait neither bind nor unbind is answered."""
    channel = peer.channel()
    source, inner = _exchange(peer, channel, "from"), _exchange(peer, channel, "to")
    queue = _queue(peer, channel, inner)
    channel.send(ExchangeBind(0, inner, source, no_wait=True))
    channel.publish(source, "k", b"hello", mandatory=True)
    channel.get(queue)
    channel.send(ExchangeUnbind(0, inner, source, no_wait=True))
    _returned(channel, source)


@case("S-114")
def bind_twice(peer: Peer) -> None:
    """The same binding twice is one binding."""
    channel = peer.channel()
    source, inner = _exchange(peer, channel, "from"), _exchange(peer, channel, "to")
    channel.call(ExchangeBind(0, inner, source, "k"))
    channel.call(ExchangeBind(0, inner, source, "k"))
    channel.call(ExchangeUnbind(0, inner, source, "k"))
    channel.call(ExchangeDelete(exchange=source, if_unused=True))


@case("S-114")
def bindings_that_differ_in_their_arguments(peer: Peer) -> None:
    """The same key with other arguments is another binding."""
    channel = peer.channel()
    source, inner = _exchange(peer, channel, "from"), _exchange(peer, channel, "to")
    for number in (1, 2):
        channel.call(ExchangeBind(0, inner, source, "k", arguments=as_table({"n": number})))
    channel.call(ExchangeUnbind(0, inner, source, "k", arguments=as_table({"n": 1})))
    channel.refused(ExchangeDelete(exchange=source, if_unused=True))


@case("S-114")
def arguments_in_another_order(peer: Peer) -> None:
    """The order of its arguments does not make another binding."""
    channel = peer.channel()
    source, inner = _exchange(peer, channel, "from"), _exchange(peer, channel, "to")
    channel.call(ExchangeBind(0, inner, source, "k", arguments=as_table({"a": 1, "b": 2})))
    channel.call(ExchangeUnbind(0, inner, source, "k", arguments=as_table({"b": 2, "a": 1})))
    channel.call(ExchangeDelete(exchange=source, if_unused=True))


@case("S-115")
def unbind_with_another_key(peer: Peer) -> None:
    """Unbinding what is not bound succeeds, and removes nothing."""
    channel = peer.channel()
    source, inner = _exchange(peer, channel, "from"), _exchange(peer, channel, "to")
    channel.call(ExchangeBind(0, inner, source, "k"))
    channel.call(ExchangeUnbind(0, inner, source, "other"), ExchangeUnbindOk)
    channel.refused(ExchangeDelete(exchange=source, if_unused=True))


@case("S-115")
def unbind_absent_exchanges(peer: Peer) -> None:
    """Unbinding exchanges that do not exist succeeds."""
    channel = peer.channel()
    exchange = _exchange(peer, channel, "x")
    nope = peer.exchange("nope")
    channel.call(ExchangeUnbind(0, nope, exchange), ExchangeUnbindOk)
    channel.call(ExchangeUnbind(0, exchange, nope), ExchangeUnbindOk)
    channel.call(ExchangeUnbind(0, nope, nope), ExchangeUnbindOk)


@case("S-113")
def bind_from_an_absent_exchange(peer: Peer) -> None:
    """A source that does not exist is 404."""
    channel = peer.channel()
    channel.refused(ExchangeBind(0, _exchange(peer, channel, "x"), peer.exchange("nope")))


@case("S-113")
def bind_to_an_absent_exchange(peer: Peer) -> None:
    """A destination that does not exist is 404."""
    channel = peer.channel()
    channel.refused(ExchangeBind(0, peer.exchange("nope"), _exchange(peer, channel, "x")))


@case("S-113")
def bind_two_absent_exchanges(peer: Peer) -> None:
    """When both are missing, the source is named."""
    channel = peer.channel()
    channel.refused(ExchangeBind(0, peer.exchange("to"), peer.exchange("from")))


@case("S-098")
def bind_from_the_default_exchange(peer: Peer) -> None:
    """The default exchange cannot be a source."""
    channel = peer.channel()
    channel.refused(ExchangeBind(0, _exchange(peer, channel, "x"), ""))


@case("S-098")
def bind_to_the_default_exchange(peer: Peer) -> None:
    """The default exchange cannot be a destination."""
    channel = peer.channel()
    channel.refused(ExchangeBind(0, "", _exchange(peer, channel, "x")))


@case("S-098")
def unbind_from_the_default_exchange(peer: Peer) -> None:
    """Nothing can be unbound from the default exchange."""
    channel = peer.channel()
    channel.refused(ExchangeUnbind(0, _exchange(peer, channel, "x"), ""))


@case("S-098")
def bind_a_queue_to_the_default_exchange(peer: Peer) -> None:
    """A queue cannot be bound to the default exchange."""
    channel = peer.channel()
    queue = _queue(peer, channel, "amq.fanout")
    channel.refused(QueueBind(0, queue, "", "k"))


@case("S-090")
def line_ends_are_removed(peer: Peer) -> None:
    """Line feeds and carriage returns are removed from both names."""
    channel = peer.channel()
    source, inner = _exchange(peer, channel, "from"), _exchange(peer, channel, "to")
    channel.call(ExchangeBind(0, f"{inner}\n", f"\r{source}"))
    channel.call(ExchangeUnbind(0, f"{inner}\r\n", f"{source}\n"))
    channel.call(ExchangeDelete(exchange=source, if_unused=True))


@case("S-095")
def predeclared_exchanges_may_be_bound(peer: Peer) -> None:
    """The server's exchanges may be bound to, and from."""
    channel = peer.channel()
    inner = _exchange(peer, channel, "to")
    channel.call(ExchangeBind(0, inner, "amq.direct", peer.name("k")))
    channel.call(ExchangeBind(0, "amq.fanout", inner))
    channel.call(ExchangeUnbind(0, "amq.fanout", inner))


# Ways over several exchanges


@case("S-120", "S-117")
def two_ways_to_one_queue(peer: Peer) -> None:
    """A message that reaches a queue on several ways is there once."""
    channel = peer.channel()
    source = _exchange(peer, channel, "from")
    ways = [_exchange(peer, channel, "way1"), _exchange(peer, channel, "way2")]
    queue = _queue(peer, channel, source)
    for way in ways:
        channel.call(ExchangeBind(0, way, source))
        channel.call(QueueBind(0, queue, way))
    channel.publish(source, "k", b"once")
    assert len(channel.get_all(queue)) == 1


@case("S-118")
def cycle(peer: Peer) -> None:
    """Exchanges that are bound in a circle pass a message on once."""
    channel = peer.channel()
    first, second = _exchange(peer, channel, "x1"), _exchange(peer, channel, "x2")
    queue = _queue(peer, channel, second)
    channel.call(ExchangeBind(0, second, first))
    channel.call(ExchangeBind(0, first, second))
    for exchange in (first, second):
        channel.publish(exchange, "k", b"once")
        assert len(channel.get_all(queue)) == 1


@case("S-118")
def bound_to_itself(peer: Peer) -> None:
    """An exchange may be bound to itself."""
    channel = peer.channel()
    exchange = _exchange(peer, channel, "x")
    queue = _queue(peer, channel, exchange)
    channel.call(ExchangeBind(0, exchange, exchange))
    channel.publish(exchange, "k", b"once")
    assert len(channel.get_all(queue)) == 1


@case("S-120")
def exchange_and_key_of_a_delivery(peer: Peer) -> None:
    """A delivery names the exchange and the key that were published to, not those on the way."""
    channel = peer.channel()
    source = _exchange(peer, channel, "from", "direct")
    inner = _exchange(peer, channel, "to", "topic")
    queue = _queue(peer, channel, inner, "#")
    channel.call(ExchangeBind(0, inner, source, "the.key"))
    channel.publish(source, "the.key", b"hello")
    channel.get(queue)


@case("S-124", "S-126")
def every_exchange_on_the_way_filters(peer: Peer) -> None:
    """Each exchange on the way applies its own bindings to the same key."""
    channel = peer.channel()
    source = _exchange(peer, channel, "from", "topic")
    inner = _exchange(peer, channel, "to", "direct")
    queue = _queue(peer, channel, inner, "a.b")
    channel.call(ExchangeBind(0, inner, source, "a.*"))
    for key in ("a.b", "a.c", "b.b"):
        channel.publish(source, key, key.encode())
    assert channel.get_all(queue) == [b"a.b"]


# Alternate exchanges


@case("S-121", "S-122")
def alternate_exchange(peer: Peer) -> None:
    """What an exchange cannot route goes to its alternate exchange; then it counts as routed."""
    channel = peer.channel()
    alternate = _exchange(peer, channel, "ae")
    exchange = _exchange(peer, channel, "x", "direct", alternate)
    known = _queue(peer, channel, exchange, "known", word="known")
    rest = _queue(peer, channel, alternate, word="rest")
    for key in ("known", "unknown"):
        channel.publish(exchange, key, key.encode(), mandatory=True)
    channel.round_trip()
    assert channel.get_all(known) == [b"known"]
    channel.get(rest)
    channel.get(rest)


@case("S-121")
def alternate_exchange_that_does_not_exist(peer: Peer) -> None:
    """An alternate exchange that does not exist is as good as none."""
    channel = peer.channel()
    exchange = _exchange(peer, channel, "x", "direct", peer.exchange("nope"))
    _returned(channel, exchange)


@case("S-121")
def alternate_exchange_that_comes_later(peer: Peer) -> None:
    """An alternate exchange is looked up when a message needs it."""
    channel = peer.channel()
    name = peer.exchange("ae")
    exchange = _exchange(peer, channel, "x", "direct", name)
    _returned(channel, exchange)
    queue = _queue(peer, channel, _exchange(peer, channel, "ae"))
    channel.publish(exchange, "k", b"found", mandatory=True)
    channel.get(queue)


@case("S-121", "S-122")
def alternate_exchange_without_bindings(peer: Peer) -> None:
    """When the alternate exchange leads nowhere either, a mandatory message comes back."""
    channel = peer.channel()
    alternate = _exchange(peer, channel, "ae")
    _returned(channel, _exchange(peer, channel, "x", "direct", alternate))


@case("S-121")
def alternate_exchanges_in_a_row(peer: Peer) -> None:
    """An alternate exchange may have one of its own."""
    channel = peer.channel()
    last = _exchange(peer, channel, "ae2")
    middle = _exchange(peer, channel, "ae1", "direct", last)
    exchange = _exchange(peer, channel, "x", "direct", middle)
    queue = _queue(peer, channel, last)
    channel.publish(exchange, "k", b"hello", mandatory=True)
    channel.get(queue)


@case("S-121", "S-118")
def alternate_exchanges_in_a_circle(peer: Peer) -> None:
    """Alternate exchanges that name each other end in a return."""
    channel = peer.channel()
    first = _exchange(peer, channel, "x1", "direct", peer.exchange("x2"))
    _exchange(peer, channel, "x2", "direct", first)
    _returned(channel, first)


@case("S-121")
def bound_exchange_counts_as_a_way(peer: Peer) -> None:
    """An alternate exchange is not used when a bound exchange is a way, even into nothing."""
    channel = peer.channel()
    alternate = _exchange(peer, channel, "ae")
    dead_end = _exchange(peer, channel, "dead-end")
    exchange = _exchange(peer, channel, "x", "direct", alternate)
    queue = _queue(peer, channel, alternate)
    channel.call(ExchangeBind(0, dead_end, exchange, "k"))
    _returned(channel, exchange)
    channel.get(queue)


@case("S-121", "S-119")
def default_exchange_as_alternate(peer: Peer) -> None:
    """The default exchange may be an alternate: the key is then a queue's name."""
    channel = peer.channel()
    queue = _queue(peer, channel, "amq.fanout")
    name = peer.exchange("x")
    arguments = as_table({"alternate-exchange": ""})
    channel.call(ExchangeDeclare(exchange=name, type="topic", arguments=arguments))
    channel.publish(name, queue, b"hello", mandatory=True)
    channel.receive()
    channel.get(queue)
