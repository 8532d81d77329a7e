"""exchange.delete, and exchanges that delete themselves."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    ExchangeBind,
    ExchangeDeclare,
    ExchangeDelete,
    ExchangeDeleteOk,
    ExchangeUnbind,
    QueueBind,
    QueueDeclare,
    QueueDelete,
    QueueUnbind,
)
from amqpbroker.testing.raw_channel import RawChannel
from conformance.peers import Peer
from conformance.registry import case


def _exchange(
    peer: Peer,
    channel: RawChannel,
    word: str = "x",
    *,
    auto_delete: bool = False,
    internal: bool = False,
) -> str:
    """An exchange that exists; its declaration is not written down."""
    name = peer.exchange(word)
    request = ExchangeDeclare(
        exchange=name, type="fanout", auto_delete=auto_delete, internal=internal
    )
    with peer.quiet():
        channel.call(request)
    return name


def _queue(peer: Peer, channel: RawChannel, word: str = "q") -> str:
    name = peer.queue(word)
    with peer.quiet():
        channel.call(QueueDeclare(queue=name, exclusive=True))
    return name


def _exists(channel: RawChannel, exchange: str) -> None:
    channel.call(ExchangeDeclare(exchange=exchange, passive=True))


def _is_gone(channel: RawChannel, exchange: str) -> None:
    channel.refused(ExchangeDeclare(exchange=exchange, passive=True))
    channel.open()


@case("S-107")
def delete(peer: Peer) -> None:
    """A deleted exchange is gone."""
    channel = peer.channel()
    exchange = _exchange(peer, channel)
    channel.call(ExchangeDelete(exchange=exchange), ExchangeDeleteOk)
    _is_gone(channel, exchange)


@case("S-104")
def delete_an_absent_exchange(peer: Peer) -> None:
    """Deleting what is not there succeeds."""
    channel = peer.channel()
    channel.call(ExchangeDelete(exchange=peer.exchange("nope")), ExchangeDeleteOk)
    channel.call(ExchangeDelete(exchange=peer.exchange("nope"), if_unused=True), ExchangeDeleteOk)


@case("S-093")
def delete_with_no_wait(peer: Peer) -> None:
    """With no-wait there is no answer."""
    channel = peer.channel()
    exchange = _exchange(peer, channel)
    channel.send(ExchangeDelete(exchange=exchange, no_wait=True))
    channel.round_trip()
    _is_gone(channel, exchange)


@case("S-098", "S-105")
def delete_the_default_exchange(peer: Peer) -> None:
    """The default exchange cannot be deleted."""
    peer.channel().refused(ExchangeDelete(exchange=""))


@case("S-105")
def delete_a_predeclared_exchange(peer: Peer) -> None:
    """The server's exchanges cannot be deleted."""
    peer.channel().refused(ExchangeDelete(exchange="amq.direct"))


@case("S-105")
def delete_an_absent_exchange_with_a_reserved_name(peer: Peer) -> None:
    """A reserved name is refused, whether or not it exists."""
    peer.channel().refused(ExchangeDelete(exchange="amq.nope"))


@case("S-090")
def line_ends_are_removed(peer: Peer) -> None:
    """Line feeds and carriage returns are removed from the name."""
    channel = peer.channel()
    exchange = _exchange(peer, channel)
    channel.call(ExchangeDelete(exchange=f"{exchange}\r\n"))
    _is_gone(channel, exchange)


@case("S-106")
def if_unused_with_a_queue(peer: Peer) -> None:
    """An exchange from which a binding leads is in use."""
    channel = peer.channel()
    exchange, queue = _exchange(peer, channel), _queue(peer, channel)
    channel.call(QueueBind(0, queue, exchange))
    channel.refused(ExchangeDelete(exchange=exchange, if_unused=True))


@case("S-106")
def if_unused_with_an_exchange(peer: Peer) -> None:
    """A binding to another exchange is a use."""
    channel = peer.channel()
    source, destination = _exchange(peer, channel, "from"), _exchange(peer, channel, "to")
    channel.call(ExchangeBind(0, destination, source))
    channel.refused(ExchangeDelete(exchange=source, if_unused=True))


@case("S-106")
def if_unused_as_a_destination(peer: Peer) -> None:
    """A binding that leads to an exchange is no use of it."""
    channel = peer.channel()
    source, destination = _exchange(peer, channel, "from"), _exchange(peer, channel, "to")
    channel.call(ExchangeBind(0, destination, source))
    channel.call(ExchangeDelete(exchange=destination, if_unused=True))
    channel.call(ExchangeDelete(exchange=source, if_unused=True))


@case("S-106")
def if_unused_after_an_unbind(peer: Peer) -> None:
    """Without its last binding an exchange is unused."""
    channel = peer.channel()
    exchange, queue = _exchange(peer, channel), _queue(peer, channel)
    channel.call(QueueBind(0, queue, exchange))
    channel.call(QueueUnbind(0, queue, exchange))
    channel.call(ExchangeDelete(exchange=exchange, if_unused=True))


@case("S-107")
def bindings_go_with_their_exchange(peer: Peer) -> None:
    """An exchange that is declared anew has no bindings."""
    channel = peer.channel()
    exchange, queue = _exchange(peer, channel), _queue(peer, channel)
    channel.call(QueueBind(0, queue, exchange))
    channel.call(ExchangeDelete(exchange=exchange))
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    channel.publish(exchange, "", b"hello", mandatory=True)
    assert channel.receive()


@case("S-107", "S-108")
def auto_delete_source_of_a_deleted_exchange(peer: Peer) -> None:
    """An auto-delete exchange goes when the exchange that it was bound to goes."""
    channel = peer.channel()
    source = _exchange(peer, channel, "from", auto_delete=True)
    destination = _exchange(peer, channel, "to")
    channel.call(ExchangeBind(0, destination, source))
    channel.call(ExchangeDelete(exchange=destination))
    _is_gone(channel, source)


@case("S-108")
def auto_delete_after_an_unbind(peer: Peer) -> None:
    """An auto-delete exchange goes with its last binding."""
    channel = peer.channel()
    exchange = _exchange(peer, channel, auto_delete=True)
    first, second = _queue(peer, channel, "q1"), _queue(peer, channel, "q2")
    channel.call(QueueBind(0, first, exchange))
    channel.call(QueueBind(0, second, exchange))
    channel.call(QueueUnbind(0, first, exchange))
    _exists(channel, exchange)
    channel.call(QueueUnbind(0, second, exchange))
    _is_gone(channel, exchange)


@case("S-108")
def auto_delete_after_a_queue_is_deleted(peer: Peer) -> None:
    """An auto-delete exchange goes when its last queue is deleted."""
    channel = peer.channel()
    exchange, queue = _exchange(peer, channel, auto_delete=True), _queue(peer, channel)
    channel.call(QueueBind(0, queue, exchange))
    channel.call(QueueDelete(queue=queue))
    _is_gone(channel, exchange)


@case("S-108")
def auto_delete_after_an_exchange_unbind(peer: Peer) -> None:
    """An auto-delete exchange goes when its last exchange is unbound."""
    channel = peer.channel()
    source = _exchange(peer, channel, "from", auto_delete=True)
    destination = _exchange(peer, channel, "to")
    channel.call(ExchangeBind(0, destination, source))
    channel.call(ExchangeUnbind(0, destination, source))
    _is_gone(channel, source)
    _exists(channel, destination)


@case("S-108")
def auto_delete_is_about_sources(peer: Peer) -> None:
    """Losing the last binding that leads to it does not delete an exchange."""
    channel = peer.channel()
    source = _exchange(peer, channel, "from")
    destination = _exchange(peer, channel, "to", auto_delete=True)
    channel.call(ExchangeBind(0, destination, source))
    channel.call(ExchangeUnbind(0, destination, source))
    _exists(channel, destination)


@case("S-108")
def auto_delete_without_bindings(peer: Peer) -> None:
    """An auto-delete exchange that never had a binding stays."""
    channel = peer.channel()
    exchange, queue = _exchange(peer, channel, auto_delete=True), _queue(peer, channel)
    channel.call(QueueUnbind(0, queue, exchange))
    _exists(channel, exchange)


@case("S-108", "S-107")
def auto_delete_along_a_chain(peer: Peer) -> None:
    """When a queue goes, a chain of auto-delete exchanges goes with it."""
    channel = peer.channel()
    first = _exchange(peer, channel, "x1", auto_delete=True)
    second = _exchange(peer, channel, "x2", auto_delete=True)
    queue = _queue(peer, channel)
    channel.call(ExchangeBind(0, second, first))
    channel.call(QueueBind(0, queue, second))
    channel.call(QueueDelete(queue=queue))
    _is_gone(channel, second)
    _is_gone(channel, first)


@case("S-109")
def publish_to_an_internal_exchange(peer: Peer) -> None:
    """Nobody publishes to an internal exchange."""
    channel = peer.channel()
    exchange = _exchange(peer, channel, internal=True)
    channel.publish(exchange, "", b"hello")
    channel.expect_close()


@case("S-109")
def internal_exchange_behind_another(peer: Peer) -> None:
    """An internal exchange may be bound from and to, and routes."""
    channel = peer.channel()
    front, inner = _exchange(peer, channel, "front"), _exchange(peer, channel, "in", internal=True)
    queue = _queue(peer, channel)
    channel.call(ExchangeBind(0, inner, front))
    channel.call(QueueBind(0, queue, inner))
    channel.publish(front, "k", b"hello")
    channel.get(queue)


@case("S-109", "S-095")
def publish_to_the_trace_exchange(peer: Peer) -> None:
    """The firehose's exchange is internal."""
    channel = peer.channel()
    channel.publish("amq.rabbitmq.trace", "k", b"hello")
    channel.expect_close()


@case("S-109", "S-199")
def publish_to_a_deleted_exchange(peer: Peer) -> None:
    """A publish to an exchange that is gone closes the channel."""
    channel = peer.channel()
    exchange = _exchange(peer, channel)
    channel.call(ExchangeDelete(exchange=exchange))
    channel.publish(exchange, "k", b"hello")
    channel.expect_close()
