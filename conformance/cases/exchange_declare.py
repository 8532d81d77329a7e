"""exchange.declare: types, flags, equivalence, passive, reserved names, arguments."""

from __future__ import annotations

from amqpbroker.spec.methods import ExchangeDeclare, ExchangeDeclareOk
from amqpbroker.spec.table import Field, Table
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case

_AE = "alternate-exchange"
TYPES = ("direct", "fanout", "topic", "headers")


@case("S-095", "S-102")
def predeclared_exchanges(peer: Peer) -> None:
    """Every virtual host has these exchanges from the start."""
    channel = peer.channel()
    for word in ("direct", "fanout", "topic", "headers", "match", "rabbitmq.trace"):
        channel.call(ExchangeDeclare(exchange=f"amq.{word}", passive=True), ExchangeDeclareOk)


@case("S-095", "S-099")
def predeclared_exchanges_declared_again(peer: Peer) -> None:
    """A predeclared exchange may be declared as it is: durable, of its type."""
    channel = peer.channel()
    for word in TYPES:
        channel.call(ExchangeDeclare(exchange=f"amq.{word}", type=word, durable=True))
    channel.call(ExchangeDeclare(exchange="amq.match", type="headers", durable=True))
    trace = ExchangeDeclare(exchange="amq.rabbitmq.trace", type="topic", durable=True)
    trace.internal = True
    channel.call(trace)


@case("S-099", "S-100")
def predeclared_exchange_declared_otherwise(peer: Peer) -> None:
    """A predeclared exchange is durable."""
    peer.channel().refused(ExchangeDeclare(exchange="amq.topic", type="topic", durable=False))


@case("S-096")
def types(peer: Peer) -> None:
    """The four types of AMQP."""
    channel = peer.channel()
    for word in TYPES:
        channel.call(ExchangeDeclare(exchange=peer.exchange(word), type=word))


@case("S-096")
def flags(peer: Peer) -> None:
    """Durable, auto-delete and internal may be set in any combination."""
    channel = peer.channel()
    for number in range(8):
        request = ExchangeDeclare(
            exchange=peer.exchange(f"x{number}"),
            durable=bool(number & 1),
            auto_delete=bool(number & 2),
            internal=bool(number & 4),
        )
        channel.call(request)


@case("S-093")
def no_wait(peer: Peer) -> None:
    """With no-wait there is no answer."""
    exchange = peer.exchange()
    channel = peer.channel()
    channel.send(ExchangeDeclare(exchange=exchange, no_wait=True))
    channel.round_trip()
    channel.call(ExchangeDeclare(exchange=exchange, passive=True))


@case("S-093", "S-097")
def no_wait_with_an_error(peer: Peer) -> None:
    """With no-wait errors still close the channel."""
    request = ExchangeDeclare(exchange=peer.exchange(), type="no-such-type", no_wait=True)
    channel = peer.channel()
    channel.send(request)
    channel.receive()
    channel.connection.drop()


@case("S-097")
def unknown_type(peer: Peer) -> None:
    """An unknown type: 4.0 closes the channel with 406, 3.10 the connection with 503."""
    channel = peer.channel()
    channel.send(ExchangeDeclare(exchange=peer.exchange(), type="no-such-type"))
    channel.receive()
    channel.connection.drop()


@case("S-097")
def type_in_capitals(peer: Peer) -> None:
    """Types are written in small letters."""
    channel = peer.channel()
    channel.send(ExchangeDeclare(exchange=peer.exchange(), type="DIRECT"))
    channel.receive()
    channel.connection.drop()


@case("S-097", "S-096")
def unknown_type_of_the_default_exchange(peer: Peer) -> None:
    """The type is looked at before the name."""
    channel = peer.channel()
    channel.send(ExchangeDeclare(exchange="", type="no-such-type"))
    channel.receive()
    channel.connection.drop()


# The default exchange and reserved names


@case("S-098")
def default_exchange(peer: Peer) -> None:
    """The default exchange cannot be declared."""
    peer.channel().refused(ExchangeDeclare(exchange="", type="direct", durable=True))


@case("S-098")
def default_exchange_passively(peer: Peer) -> None:
    """The default exchange cannot be declared passively, either."""
    peer.channel().refused(ExchangeDeclare(exchange="", passive=True))


@case("S-099")
def reserved_name(peer: Peer) -> None:
    """Names that begin with ``amq.`` are the server's."""
    peer.channel().refused(ExchangeDeclare(exchange="amq.mine", type="direct"))


@case("S-099", "S-102")
def reserved_name_passively(peer: Peer) -> None:
    """A passive declare of a reserved name asks only whether it exists."""
    peer.channel().refused(ExchangeDeclare(exchange="amq.mine", passive=True))


@case("S-099")
def nearly_reserved_names(peer: Peer) -> None:
    """Only ``amq.`` in small letters and with its dot is reserved."""
    channel = peer.channel()
    for word in ("amq", "amqp", "AMQ.x"):
        channel.call(ExchangeDeclare(exchange=peer.exchange(word)))


@case("S-091")
def any_characters(peer: Peer) -> None:
    """Names may hold any characters."""
    channel = peer.channel()
    for word in ("with space", "a/b?c#d*", "größe-東京", "tab\tand'quote\""):
        channel.call(ExchangeDeclare(exchange=peer.exchange(word)))
        channel.call(ExchangeDeclare(exchange=peer.exchange(word), passive=True))


@case("S-090")
def line_ends_are_removed(peer: Peer) -> None:
    """Line feeds and carriage returns are removed from names that are declared."""
    channel = peer.channel()
    plain = peer.exchange("ab")
    channel.call(ExchangeDeclare(exchange="\r\n" + plain.replace("ab", "a\r\nb") + "\n"))
    channel.call(ExchangeDeclare(exchange=plain, passive=True))


# Passive


@case("S-092", "S-102")
def passive_of_an_absent_exchange(peer: Peer) -> None:
    """A passive declare of an absent exchange is 404."""
    peer.channel().refused(ExchangeDeclare(exchange=peer.exchange("nope"), passive=True))


@case("S-102")
def passive_ignores_everything_else(peer: Peer) -> None:
    """A passive declare looks at the name and at nothing else."""
    exchange = peer.exchange()
    channel = peer.channel()
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    request = ExchangeDeclare(
        exchange=exchange,
        type="topic",
        passive=True,
        durable=True,
        auto_delete=True,
        internal=True,
        arguments=as_table({_AE: 5}),
    )
    channel.call(request)


@case("S-097", "S-102")
def passive_with_an_unknown_type(peer: Peer) -> None:
    """A passive declare does not even look at the type."""
    exchange = peer.exchange()
    channel = peer.channel()
    channel.call(ExchangeDeclare(exchange=exchange))
    channel.send(ExchangeDeclare(exchange=exchange, type="no-such-type", passive=True))
    channel.receive()


@case("S-102")
def passive_with_no_wait(peer: Peer) -> None:
    """A passive declare with no-wait says nothing when all is well."""
    channel = peer.channel()
    channel.send(ExchangeDeclare(exchange="amq.fanout", passive=True, no_wait=True))
    channel.round_trip()


# Declared again


def _again(peer: Peer, first: ExchangeDeclare, second: ExchangeDeclare) -> None:
    """Declare an exchange; declaring it again otherwise is refused."""
    channel = peer.channel()
    first.exchange = second.exchange = peer.exchange()
    channel.call(first)
    channel.refused(second)


@case("S-100")
def the_same_again(peer: Peer) -> None:
    """An exchange may be declared again as it is."""
    exchange = peer.exchange()
    channel = peer.channel()
    request = ExchangeDeclare(
        exchange=exchange, type="topic", durable=True, auto_delete=True, internal=True
    )
    channel.call(request)
    channel.call(request)


@case("S-100")
def another_type(peer: Peer) -> None:
    """An exchange keeps its type."""
    _again(peer, ExchangeDeclare(type="direct"), ExchangeDeclare(type="fanout"))


@case("S-100")
def another_durability(peer: Peer) -> None:
    """An exchange that is durable stays durable."""
    _again(peer, ExchangeDeclare(durable=True), ExchangeDeclare(durable=False))


@case("S-100")
def another_auto_delete(peer: Peer) -> None:
    """An exchange cannot become auto-delete."""
    _again(peer, ExchangeDeclare(), ExchangeDeclare(auto_delete=True))


@case("S-100")
def another_internal(peer: Peer) -> None:
    """An exchange cannot become internal."""
    _again(peer, ExchangeDeclare(), ExchangeDeclare(internal=True))


@case("S-100")
def everything_differs(peer: Peer) -> None:
    """Of several differences the type is named."""
    other = ExchangeDeclare(type="fanout", durable=True, auto_delete=True, internal=True)
    _again(peer, ExchangeDeclare(), other)


@case("S-100")
def all_flags_differ(peer: Peer) -> None:
    """Of several flags that differ, durable is named."""
    _again(peer, ExchangeDeclare(), ExchangeDeclare(durable=True, auto_delete=True, internal=True))


@case("S-100")
def auto_delete_and_internal_differ(peer: Peer) -> None:
    """auto_delete is compared before internal."""
    _again(peer, ExchangeDeclare(), ExchangeDeclare(auto_delete=True, internal=True))


@case("S-100")
def unknown_arguments_are_not_compared(peer: Peer) -> None:
    """Arguments that mean nothing may differ."""
    exchange = peer.exchange()
    channel = peer.channel()
    for number in (1, 2):
        arguments = as_table({"x-mine": number})
        channel.call(ExchangeDeclare(exchange=exchange, arguments=arguments))


def _alternate(name: object) -> Table:
    return as_table({_AE: name})


@case("S-101", "S-103")
def the_same_alternate_exchange_again(peer: Peer) -> None:
    """An alternate exchange need not exist, and is the same when its name is."""
    request = ExchangeDeclare(exchange=peer.exchange(), arguments=_alternate("elsewhere"))
    channel = peer.channel()
    channel.call(request)
    channel.call(request)


@case("S-101")
def alternate_exchange_added(peer: Peer) -> None:
    """An alternate exchange cannot be added later."""
    _again(peer, ExchangeDeclare(), ExchangeDeclare(arguments=_alternate("ae")))


@case("S-101")
def alternate_exchange_taken_away(peer: Peer) -> None:
    """An alternate exchange cannot be taken away."""
    _again(peer, ExchangeDeclare(arguments=_alternate("ae")), ExchangeDeclare())


@case("S-101")
def alternate_exchange_changed(peer: Peer) -> None:
    """An alternate exchange cannot be changed."""
    first = ExchangeDeclare(arguments=_alternate("ae1"))
    _again(peer, first, ExchangeDeclare(arguments=_alternate("ae2")))


@case("S-101", "S-103")
def alternate_exchange_of_another_kind_added(peer: Peer) -> None:
    """The kind of an alternate exchange is not looked at when the exchange exists."""
    _again(peer, ExchangeDeclare(), ExchangeDeclare(arguments=_alternate(5)))


@case("S-103")
def alternate_exchange_that_is_a_number(peer: Peer) -> None:
    """An alternate exchange is named by a long string."""
    peer.channel().refused(ExchangeDeclare(exchange=peer.exchange(), arguments=_alternate(5)))


@case("S-103")
def alternate_exchange_that_is_a_boolean(peer: Peer) -> None:
    """The refusal names the kind that was sent."""
    peer.channel().refused(ExchangeDeclare(exchange=peer.exchange(), arguments=_alternate(True)))


@case("S-103")
def alternate_exchange_that_is_void(peer: Peer) -> None:
    """A void alternate exchange is not the same as none."""
    peer.channel().refused(ExchangeDeclare(exchange=peer.exchange(), arguments=_alternate(None)))


@case("S-103")
def alternate_exchange_that_is_binary(peer: Peer) -> None:
    """A binary is not a long string."""
    arguments = {_AE: Field("x", b"ae")}
    peer.channel().refused(ExchangeDeclare(exchange=peer.exchange(), arguments=arguments))


@case("S-103", "S-096")
def reserved_name_with_a_bad_alternate_exchange(peer: Peer) -> None:
    """A reserved name is refused before the arguments are looked at."""
    request = ExchangeDeclare(exchange="amq.mine", arguments=_alternate(5))
    peer.channel().refused(request)
