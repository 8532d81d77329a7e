"""Permissions: which method asks for which right, in which order, and how a refusal sounds.

The user under test comes to a vhost that the default user has prepared: exchanges ``x`` and ``ae``,
the queue ``q``.  3.10 does not say which right was missing.
"""

from __future__ import annotations

from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import (
    AccessRequest,
    BasicConsume,
    BasicGet,
    ExchangeBind,
    ExchangeDeclare,
    ExchangeDeclareOk,
    ExchangeDelete,
    ExchangeUnbind,
    QueueBind,
    QueueDeclare,
    QueueDeclareOk,
    QueueDelete,
    QueuePurge,
    QueueUnbind,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case


def visitor(peer: Peer, *, configure: str = "", write: str = "", read: str = "") -> RawChannel:
    """A channel of a new user with these rights, in a vhost that has a few things."""
    vhost = peer.own_vhost()
    with peer.quiet():
        owner = peer.channel()
        owner.call(QueueDeclare(queue=peer.queue("q")))
        owner.call(ExchangeDeclare(exchange=peer.exchange("x"), type="topic"))
        owner.call(ExchangeDeclare(exchange=peer.exchange("ae"), type="fanout"))
        user = peer.admin.add_user("u")
    peer.admin.set_permissions(user, configure=configure, write=write, read=read)
    return peer.channel(peer.connect(peer.url_of(user, vhost=vhost)))


def each_refused(channel: RawChannel, *requests: Method) -> None:
    for request in requests:
        channel.refused(request)
        channel.open()


@case("S-327", "S-328", "S-329", "S-331", needs="admin")
def nothing_may_be_configured(peer: Peer) -> None:
    """Declaring and deleting needs the right to configure, whether the thing is there or not."""
    channel = visitor(peer, write=".*", read=".*")
    each_refused(
        channel,
        ExchangeDeclare(exchange=peer.name("x"), type="topic"),
        ExchangeDeclare(exchange=peer.name("new"), type="topic"),
        ExchangeDelete(exchange=peer.name("x")),
        ExchangeDelete(exchange=peer.name("absent")),
        QueueDeclare(queue=peer.name("q")),
        QueueDeclare(queue=peer.name("new")),
        QueueDeclare(queue=""),
        QueueDelete(queue=peer.name("q")),
        QueueDelete(queue=peer.name("absent")),
    )


@case("S-330", needs="admin")
def passive_declarations_need_nothing(peer: Peer) -> None:
    """Who may do nothing may ask whether something is there."""
    channel = visitor(peer)
    channel.call(QueueDeclare(queue=peer.name("q"), passive=True), QueueDeclareOk)
    channel.call(ExchangeDeclare(exchange=peer.name("x"), passive=True), ExchangeDeclareOk)
    each_refused(channel, QueueDeclare(queue=peer.name("absent"), passive=True))
    channel.call(AccessRequest())


@case("S-333", "S-334", needs="admin")
def nothing_may_be_read(peer: Peer) -> None:
    """Getting, consuming and purging needs the right to read, also of what is not there."""
    channel = visitor(peer, configure=".*", write=".*")
    each_refused(
        channel,
        BasicGet(queue=peer.name("q")),
        BasicGet(queue=peer.name("absent")),
        BasicConsume(queue=peer.name("q")),
        BasicConsume(queue=peer.name("absent")),
        QueuePurge(queue=peer.name("q")),
        QueuePurge(queue=peer.name("absent")),
    )


@case("S-327", "S-333", "S-334", needs="admin")
def nothing_may_be_written(peer: Peer) -> None:
    """Publishing needs the right to write to the exchange, also to one that is not there."""
    channel = visitor(peer, configure=".*", read=".*")
    for exchange in (peer.name("x"), "", peer.name("absent"), "amq.direct"):
        channel.publish(exchange, peer.name("q"), b"x")
        channel.expect_close()
        channel.open()


@case("S-327", needs="admin")
def the_default_exchange_has_a_name(peer: Peer) -> None:
    """In patterns the default exchange is amq.default; the empty pattern does not mean it."""
    channel = visitor(peer, write=r"^amq\.default$", read="q")
    channel.publish("", peer.name("q"), b"x")
    channel.publish("amq.direct", peer.name("q"), b"x")
    channel.expect_close()


@case("S-112", "S-332", "S-334", needs="admin")
def binding_asks_for_the_destination_first(peer: Peer) -> None:
    """A binding needs the right to write to its destination, then to read from its source."""
    channel = visitor(peer, configure=".*", write="^q", read="^x")
    q, x, ae = peer.name("q"), peer.name("x"), peer.name("ae")
    channel.call(QueueBind(queue=q, exchange=x, routing_key="k"))
    each_refused(
        channel,
        QueueBind(queue=q, exchange=ae),
        QueueBind(queue=peer.name("other"), exchange=ae),
        QueueBind(queue=peer.name("other"), exchange=x),
        QueueBind(queue=q, exchange=peer.name("y")),
        QueueBind(queue=q, exchange=peer.name("xx")),
        QueueBind(queue=q, exchange=""),
        QueueBind(queue=peer.name("other"), exchange=""),
        QueueUnbind(queue=q, exchange=ae),
        QueueUnbind(queue=peer.name("other"), exchange=x),
    )
    channel.call(QueueUnbind(queue=q, exchange=x, routing_key="k"))


@case("S-112", "S-332", needs="admin")
def binding_exchanges_asks_for_the_destination_first(peer: Peer) -> None:
    """Between exchanges: write on the destination, read on the source."""
    channel = visitor(peer, configure=".*", write="^x", read="^ae")
    x, ae = peer.name("x"), peer.name("ae")
    channel.call(ExchangeBind(destination=x, source=ae))
    each_refused(
        channel,
        ExchangeBind(destination=ae, source=x),
        ExchangeBind(destination=ae, source=ae),
        ExchangeBind(destination=x, source=x),
        ExchangeBind(destination="", source=ae),
        ExchangeBind(destination=x, source=""),
        ExchangeBind(destination=ae, source=""),
        ExchangeUnbind(destination=ae, source=x),
        ExchangeUnbind(destination=x, source=x),
    )
    channel.call(ExchangeUnbind(destination=x, source=ae))


@case("S-096", "S-329", needs="admin")
def a_new_exchange_with_an_alternate(peer: Peer) -> None:
    """Naming an alternate exchange needs the right to read from the new one, and write to it."""
    channel = visitor(peer, configure=".*", write="^ae", read="^readable")
    alternate = as_table({"alternate-exchange": peer.name("ae")})
    forbidden = as_table({"alternate-exchange": peer.name("x")})
    each_refused(
        channel,
        ExchangeDeclare(exchange=peer.exchange("unreadable"), type="fanout", arguments=alternate),
        ExchangeDeclare(exchange=peer.exchange("readable"), type="fanout", arguments=forbidden),
    )
    readable = peer.exchange("readable")
    channel.call(ExchangeDeclare(exchange=readable, type="fanout", arguments=alternate))
    each_refused(
        channel,
        ExchangeDeclare(exchange=peer.name("x"), type="topic", arguments=forbidden),
        ExchangeDeclare(exchange="amq.new", type="topic", arguments=forbidden),
    )


@case("S-145", "S-331", needs="admin")
def a_new_queue_with_dead_letters(peer: Peer) -> None:
    """Naming a dead-letter exchange needs the right to read from the queue, and write to it."""
    channel = visitor(peer, configure=".*", write="^ae", read="^readable")
    letters = as_table({"x-dead-letter-exchange": peer.name("ae")})
    forbidden = as_table({"x-dead-letter-exchange": peer.name("x")})
    invalid = as_table({"x-dead-letter-exchange": peer.name("x"), "x-max-length": "many"})
    each_refused(
        channel,
        QueueDeclare(queue=peer.queue("unreadable"), arguments=letters),
        QueueDeclare(queue=peer.queue("readable"), arguments=forbidden),
        QueueDeclare(queue=peer.queue("readable"), arguments=invalid),
        QueueDeclare(queue=peer.name("q"), arguments=forbidden),
    )
    channel.call(QueueDeclare(queue=peer.queue("readable"), arguments=letters), QueueDeclareOk)


@case("S-096", "S-145", needs="admin")
def reserved_names_come_before_rights(peer: Peer) -> None:
    """Which is said first to who may do nothing: that a name is reserved, or that it may not."""
    channel = visitor(peer)
    each_refused(
        channel,
        QueueDeclare(queue="amq.mine"),
        ExchangeDeclare(exchange="amq.mine", type="topic"),
        ExchangeDeclare(exchange="", type="topic"),
        ExchangeDelete(exchange="amq.direct"),
        ExchangeDelete(exchange=""),
    )


@case("S-327", needs="admin")
def patterns_are_not_anchored(peer: Peer) -> None:
    """A pattern is found anywhere in a name, and may be anchored."""
    channel = visitor(peer, configure="b|^c$")
    channel.call(QueueDeclare(queue=peer.queue("abc"), exclusive=True), QueueDeclareOk)
    each_refused(channel, QueueDeclare(queue=peer.queue("cc"), exclusive=True))


@case("S-239", needs="admin")
def a_consumer_tag_is_checked_before_the_right(peer: Peer) -> None:
    """A consumer tag that is in use is refused before the right to read is asked for."""
    channel = visitor(peer, read="^q")
    channel.consume(peer.name("q"), "tag")
    channel.send(BasicConsume(queue=peer.name("secret"), consumer_tag="tag"))
    channel.connection.expect_close()


@case("S-196", needs="admin")
def the_right_to_publish_is_checked_in_its_order(peer: Peer) -> None:
    """The right to write is asked for before an exchange that is internal is refused."""
    channel = visitor(peer, read=".*")
    channel.publish("amq.rabbitmq.trace", "k", b"x")
    channel.expect_close()
    channel.open()
    wrong = properties_of(user_id="somebody", expiration="soon")
    channel.publish(peer.name("x"), "k", b"x", wrong)
    channel.expect_close()
    channel.open()
    channel.publish(peer.name("x"), "k", b"x", immediate=True)
    channel.connection.expect_close()
