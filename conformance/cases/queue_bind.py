"""queue.bind and queue.unbind."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    ExchangeDeclare,
    QueueBind,
    QueueDeclare,
    QueueDelete,
    QueueUnbind,
)
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import routable, unroutable


def prepared(peer: Peer, kind: str = "direct") -> tuple[RawChannel, str, str]:
    """A channel, a queue and an exchange of type *kind*, not bound to each other."""
    channel = peer.channel()
    queue, exchange = peer.queue(), peer.exchange()
    with peer.quiet():
        channel.call(QueueDeclare(queue=queue))
        channel.call(ExchangeDeclare(exchange=exchange, type=kind))
    peer.note(f"queue {queue!r} and {kind} exchange {exchange!r} are not bound")
    return channel, queue, exchange


@case("S-113")
def absent_queue(peer: Peer) -> None:
    """A queue that is not there cannot be bound."""
    channel = peer.channel()
    channel.refused(QueueBind(queue=peer.queue("nope"), exchange="amq.direct", routing_key="k"))


@case("S-113")
def absent_exchange(peer: Peer) -> None:
    """A queue cannot be bound to an exchange that is not there."""
    channel, queue, _ = prepared(peer)
    channel.refused(QueueBind(queue=queue, exchange=peer.exchange("nope"), routing_key="k"))


@case("S-113")
def both_absent(peer: Peer) -> None:
    """When queue and exchange are both not there, the exchange is reported."""
    channel = peer.channel()
    request = QueueBind(queue=peer.queue("nope"), exchange=peer.exchange("nor"), routing_key="k")
    channel.refused(request)


@case("S-098", "S-119")
def default_exchange(peer: Peer) -> None:
    """Nothing can be bound to or unbound from the default exchange."""
    channel, queue, _ = prepared(peer)
    channel.refused(QueueBind(queue=queue, routing_key=queue))
    channel.open()
    channel.refused(QueueUnbind(queue=queue, routing_key=queue))
    channel.open()
    channel.refused(QueueBind(queue=peer.queue("nope"), routing_key="k"))
    channel.open()
    routable(channel, "", queue)


@case("S-114")
def same_binding_twice(peer: Peer) -> None:
    """A binding that is made twice is one binding."""
    channel, queue, exchange = prepared(peer)
    for _ in range(2):
        channel.call(QueueBind(queue=queue, exchange=exchange, routing_key="k"))
    routable(channel, exchange, "k")
    assert len(channel.get_all(queue)) == 1
    channel.call(QueueUnbind(queue=queue, exchange=exchange, routing_key="k"))
    unroutable(channel, exchange, "k")


@case("S-114")
def same_key_with_other_arguments(peer: Peer) -> None:
    """Two bindings with one key and different arguments are two bindings."""
    channel, queue, exchange = prepared(peer)
    for number in (1, 2):
        arguments = as_table({"n": number})
        channel.call(
            QueueBind(queue=queue, exchange=exchange, routing_key="k", arguments=arguments)
        )
    routable(channel, exchange, "k")
    assert len(channel.get_all(queue)) == 1
    for number, probe in ((1, routable), (2, unroutable)):
        arguments = as_table({"n": number})
        request = QueueUnbind(queue=queue, exchange=exchange, routing_key="k", arguments=arguments)
        channel.call(request)
        probe(channel, exchange, "k")


@case("S-114", "S-115")
def order_of_arguments(peer: Peer) -> None:
    """The order of a binding's arguments makes no difference."""
    channel, queue, exchange = prepared(peer)
    arguments = {"a": 1, "b": "two", "c": None}
    forwards, backwards = as_table(arguments), as_table(dict(reversed(arguments.items())))
    channel.call(QueueBind(queue=queue, exchange=exchange, routing_key="k", arguments=forwards))
    channel.call(QueueUnbind(queue=queue, exchange=exchange, routing_key="k", arguments=backwards))
    unroutable(channel, exchange, "k")


@case("S-115")
def unbind_with_other_arguments(peer: Peer) -> None:
    """An unbind whose arguments are not the binding's removes nothing."""
    channel, queue, exchange = prepared(peer)
    bound = as_table({"n": 1})
    channel.call(QueueBind(queue=queue, exchange=exchange, routing_key="k", arguments=bound))
    for other in ({}, {"n": 2}, {"n": 1, "m": 1}, {"m": 1}):
        arguments = as_table(other)
        request = QueueUnbind(queue=queue, exchange=exchange, routing_key="k", arguments=arguments)
        channel.call(request)
    routable(channel, exchange, "k")
    channel.call(QueueUnbind(queue=queue, exchange=exchange, routing_key="k", arguments=bound))
    unroutable(channel, exchange, "k")


@case("S-115")
def unbind_with_another_key(peer: Peer) -> None:
    """An unbind with another key removes nothing, whatever the exchange makes of keys."""
    channel, queue, exchange = prepared(peer, "fanout")
    channel.call(QueueBind(queue=queue, exchange=exchange, routing_key="k"))
    channel.call(QueueUnbind(queue=queue, exchange=exchange, routing_key="other"))
    routable(channel, exchange, "any")


@case("S-115")
def unbind_of_what_is_not_bound(peer: Peer) -> None:
    """Unbinding what is not bound succeeds."""
    channel, queue, exchange = prepared(peer)
    channel.call(QueueUnbind(queue=queue, exchange=exchange, routing_key="k"))


@case("S-115")
def unbind_of_an_absent_queue(peer: Peer) -> None:
    """Unbinding a queue that is not there succeeds."""
    channel, _, exchange = prepared(peer)
    channel.call(QueueUnbind(queue=peer.queue("nope"), exchange=exchange, routing_key="k"))


@case("S-115")
def unbind_from_an_absent_exchange(peer: Peer) -> None:
    """Unbinding from an exchange that is not there succeeds."""
    channel, queue, _ = prepared(peer)
    channel.call(QueueUnbind(queue=queue, exchange=peer.exchange("nope"), routing_key="k"))


@case("S-115")
def unbind_of_nothing_from_nothing(peer: Peer) -> None:
    """Unbinding a queue from an exchange succeeds when neither is there."""
    request = QueueUnbind(queue=peer.queue("nope"), exchange=peer.exchange("nor"))
    peer.channel().call(request)


@case("S-117")
def several_matching_bindings(peer: Peer) -> None:
    """A message that several bindings lead to one queue arrives once."""
    channel, queue, exchange = prepared(peer, "topic")
    for key in ("a.b", "a.*", "#", "*.b"):
        channel.call(QueueBind(queue=queue, exchange=exchange, routing_key=key))
    routable(channel, exchange, "a.b")
    assert len(channel.get_all(queue)) == 1


@case("S-093")
def nowait(peer: Peer) -> None:
    """A bind that wants no answer gets none."""
    channel, queue, exchange = prepared(peer)
    channel.send(QueueBind(queue=queue, exchange=exchange, routing_key="k", no_wait=True))
    routable(channel, exchange, "k")


@case("S-093", "S-113")
def nowait_hides_no_error(peer: Peer) -> None:
    """A bind that wants no answer is told that it failed."""
    channel, queue, _ = prepared(peer)
    request = QueueBind(queue=queue, exchange=peer.exchange("nope"), routing_key="k", no_wait=True)
    channel.refused(request)


@case("S-107", "S-119")
def bindings_go_with_their_queue(peer: Peer) -> None:
    """A queue that is deleted and declared again has no bindings but the default exchange's."""
    channel, queue, exchange = prepared(peer)
    channel.call(QueueBind(queue=queue, exchange=exchange, routing_key="k"))
    channel.call(QueueDelete(queue=queue))
    unroutable(channel, exchange, "k")
    channel.call(QueueDeclare(queue=queue))
    unroutable(channel, exchange, "k")
    routable(channel, "", queue)


@case("S-110")
def durable_exchange_and_transient_queue(peer: Peer) -> None:
    """Durable exchanges and transient queues can be bound, and the other way round."""
    channel = peer.channel()
    for durable in (True, False):
        queue, exchange = peer.queue(f"q-{durable}"), peer.exchange(f"x-{durable}")
        channel.call(QueueDeclare(queue=queue, durable=not durable))
        channel.call(ExchangeDeclare(exchange=exchange, durable=durable))
        channel.call(QueueBind(queue=queue, exchange=exchange, routing_key="k"))
        routable(channel, exchange, "k")


@case("S-109")
def internal_exchange(peer: Peer) -> None:
    """A queue can be bound to an internal exchange."""
    channel = peer.channel()
    queue, exchange = peer.queue(), peer.exchange()
    channel.call(QueueDeclare(queue=queue))
    channel.call(ExchangeDeclare(exchange=exchange, internal=True))
    channel.call(QueueBind(queue=queue, exchange=exchange, routing_key="k"))
    channel.call(QueueUnbind(queue=queue, exchange=exchange, routing_key="k"))


@case("S-206", "S-117")
def one_message_to_many_queues(peer: Peer) -> None:
    """A message is copied to every queue that its exchange finds."""
    channel = peer.channel()
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    queues = [peer.queue(f"q{number}") for number in range(4)]
    for queue in queues:
        channel.call(QueueDeclare(queue=queue))
        channel.call(QueueBind(queue=queue, exchange=exchange))
    for body in (b"1", b"2"):
        channel.publish(exchange, "any", body)
    for queue in queues:
        assert channel.get_all(queue) == [b"1", b"2"]


@case("S-098", "S-093")
def default_exchange_nowait(peer: Peer) -> None:
    """A bind to the default exchange that wants no answer is refused as well."""
    channel, queue, _ = prepared(peer)
    channel.refused(QueueBind(queue=queue, routing_key=queue, no_wait=True))


@case("S-113", "S-109")
def name_of_an_exchange_as_a_queue(peer: Peer) -> None:
    """An exchange is no queue, and a queue is no exchange, whatever their names."""
    channel, queue, exchange = prepared(peer)
    channel.refused(QueueBind(queue=exchange, exchange=exchange, routing_key="k"))
    channel.open()
    channel.refused(QueueBind(queue=queue, exchange=queue, routing_key="k"))


@case("S-112", "S-132")
def headers_binding_of_an_absent_queue(peer: Peer) -> None:
    """An absent queue is reported before bad arguments of the binding."""
    channel, _, exchange = prepared(peer, "headers")
    arguments = as_table({"x-match": "some"})
    channel.refused(QueueBind(queue=peer.queue("nope"), exchange=exchange, arguments=arguments))


@case("S-112", "S-132", "S-114")
def headers_binding_with_bad_arguments(peer: Peer) -> None:
    """A binding with bad arguments is refused, and not made."""
    channel, queue, exchange = prepared(peer, "headers")
    for value in ("some", "", 5, None):
        arguments = as_table({"x-match": value})
        channel.refused(QueueBind(queue=queue, exchange=exchange, arguments=arguments))
        channel.open()
    unroutable(channel, exchange, "")
