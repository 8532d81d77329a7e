"""Names of queues: the last one declared, for which an empty name stands, and odd characters."""

from __future__ import annotations

from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import (
    BasicCancel,
    BasicConsume,
    BasicGet,
    BasicReturn,
    ConfirmSelect,
    ExchangeDeclare,
    QueueBind,
    QueueDeclare,
    QueueDelete,
    QueuePurge,
    QueueUnbind,
)
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import absent, breaks_connection, count, fill


@case("S-087")
def no_queue_declared_yet(peer: Peer) -> None:
    """An empty queue name is an error when the channel has declared no queue."""
    channel = peer.channel()
    requests: list[Method] = [
        BasicGet(),
        BasicConsume(consumer_tag="c"),
        QueuePurge(),
        QueueDelete(),
        QueueBind(exchange="amq.direct", routing_key="k"),
        QueueUnbind(exchange="amq.direct", routing_key="k"),
    ]
    for request in requests:
        channel.refused(request)
        channel.open()


@case("S-087")
def last_declared_queue(peer: Peer) -> None:
    """An empty queue name means the queue that the channel declared last, for every method."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue))
    channel.call(QueueBind(exchange="amq.direct", routing_key=queue))
    channel.publish("amq.direct", queue, b"1")
    channel.publish("amq.direct", queue, b"2")
    channel.publish("amq.direct", queue, b"3")
    channel.get("")
    channel.call(QueueUnbind(exchange="amq.direct", routing_key=queue))
    channel.publish("amq.direct", queue, b"unroutable")
    channel.consume("", "c", no_ack=True)
    channel.deliveries(2)
    channel.publish("", queue, b"4")
    channel.deliveries(1)
    channel.call(BasicCancel("c"))
    channel.call(QueuePurge())
    channel.call(QueueDelete(if_empty=True))


@case("S-087")
def last_declared_queue_changes(peer: Peer) -> None:
    """Each declare, also a passive one, changes the last declared queue; a publish does not."""
    channel = peer.channel()
    first, second = peer.queue("first"), peer.queue("second")
    channel.call(QueueDeclare(queue=first))
    channel.call(QueueDeclare(queue=second))
    fill(peer, first, b"for the first")
    channel.get("")
    channel.call(QueueDeclare(queue=first, passive=True))
    channel.get("")


@case("S-087", "S-147")
def last_declared_queue_may_be_server_named(peer: Peer) -> None:
    """A queue that the server named is the last declared queue too."""
    channel = peer.channel()
    channel.call(QueueDeclare(exclusive=True))
    channel.consume("", "c")
    channel.call(BasicCancel("c"))
    channel.call(QueueDelete())


@case("S-087", "S-089")
def last_declared_queue_is_the_channels_own(peer: Peer) -> None:
    """Another channel's declare does not count."""
    channel, other = peer.channel(), peer.channel()
    channel.call(QueueDeclare(queue=peer.queue()))
    other.refused(BasicGet())
    channel.get("")


@case("S-089")
def last_declared_queue_is_forgotten(peer: Peer) -> None:
    """A channel that is opened again has declared no queue."""
    channel = peer.channel()
    channel.call(QueueDeclare(queue=peer.queue()))
    channel.close()
    channel.open()
    channel.refused(QueuePurge())


@case("S-089")
def last_declared_queue_was_deleted(peer: Peer) -> None:
    """The last declared queue is still meant after its deletion."""
    channel = peer.channel()
    channel.call(QueueDeclare(queue=peer.queue()))
    channel.call(QueueDelete())
    channel.call(QueueDelete())
    channel.refused(BasicGet())


@case("S-089")
def last_declared_queue_was_deleted_then_consumed(peer: Peer) -> None:
    """Purge, consume and bind of the last declared queue, which is deleted, name it."""
    channel = peer.channel()
    requests: list[Method] = [
        QueuePurge(),
        BasicConsume(consumer_tag="c"),
        QueueBind(exchange="amq.direct", routing_key="k"),
    ]
    for request in requests:
        channel.call(QueueDeclare(queue=peer.queue()))
        channel.call(QueueDelete())
        channel.refused(request)
        channel.open()


@case("S-088")
def bind_with_neither_name_nor_key(peer: Peer) -> None:
    """When queue and routing key are both empty, the queue's name is the routing key too."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue))
    channel.call(QueueBind(exchange="amq.direct"))
    channel.publish("amq.direct", queue, b"by name", mandatory=True)
    channel.publish("amq.direct", "", b"without a key", mandatory=True)
    channel.expect_content(BasicReturn)
    assert channel.get_all(queue) == [b"by name"]
    channel.call(QueueUnbind(exchange="amq.direct"))
    channel.publish("amq.direct", queue, b"no more", mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-088")
def bind_with_name_and_no_key(peer: Peer) -> None:
    """When the queue is named, an empty routing key stays empty."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue))
    channel.call(QueueBind(queue=queue, exchange="amq.direct"))
    channel.publish("amq.direct", "", b"without a key", mandatory=True)
    channel.publish("amq.direct", queue, b"by name", mandatory=True)
    channel.expect_content(BasicReturn)
    assert channel.get_all(queue) == [b"without a key"]
    channel.call(QueueUnbind(queue=queue, exchange="amq.direct"))


@case("S-088")
def bind_with_key_and_no_name(peer: Peer) -> None:
    """When the routing key is given, only the queue is the last declared one."""
    channel = peer.channel()
    queue = peer.queue()
    key = peer.name("key")
    channel.call(QueueDeclare(queue=queue))
    channel.call(QueueBind(exchange="amq.direct", routing_key=key))
    channel.publish("amq.direct", key, b"by key", mandatory=True)
    channel.publish("amq.direct", queue, b"by name", mandatory=True)
    channel.expect_content(BasicReturn)
    assert channel.get_all(queue) == [b"by key"]


@case("S-089", "S-200")
def publish_without_a_key(peer: Peer) -> None:
    """The last declared queue is not meant by an empty routing key of a publish."""
    channel = peer.channel()
    channel.call(QueueDeclare(queue=peer.queue()))
    channel.publish("", "", b"for nobody", mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-090")
def line_ends_are_taken_out(peer: Peer) -> None:
    """CR and LF are taken out of a queue's name in declare, bind, unbind and delete."""
    channel = peer.channel()
    queue = peer.queue()
    spelled = f"\r{queue[:1]}\n{queue[1:]}\r\n"
    channel.call(QueueDeclare(queue=spelled))
    channel.call(QueueDeclare(queue=spelled, passive=True))
    channel.call(QueueDeclare(queue=queue, passive=True))
    channel.call(QueueBind(queue=spelled, exchange="amq\n.direct\r", routing_key=queue))
    channel.publish("amq.direct", queue, b"bound", mandatory=True)
    channel.get(queue)
    channel.call(QueueUnbind(queue=spelled, exchange="amq\n.direct\r", routing_key=queue))
    channel.publish("amq.direct", queue, b"not bound", mandatory=True)
    channel.expect_content(BasicReturn)
    channel.call(QueueDelete(queue=spelled))
    absent(channel, queue)


@case("S-090")
def line_ends_are_kept(peer: Peer) -> None:
    """CR and LF are not taken out of names in get, consume, purge and publish."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue))
    for request in (
        BasicGet(queue=f"{queue}\n"),
        BasicConsume(queue=f"\r{queue}", consumer_tag="c"),
        QueuePurge(queue=f"{queue}\r\n"),
    ):
        channel.refused(request)
        channel.open()
    channel.publish("", f"{queue}\n", b"for nobody", mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-090")
def line_ends_of_a_routing_key(peer: Peer) -> None:
    """CR and LF stay in a routing key."""
    channel = peer.channel()
    queue = peer.queue()
    key = peer.name("a\r\nb")
    channel.call(QueueDeclare(queue=queue))
    channel.call(QueueBind(queue=queue, exchange="amq.direct", routing_key=key))
    channel.publish("amq.direct", key, b"kept", mandatory=True)
    channel.publish("amq.direct", key.replace("\r\n", ""), b"taken out", mandatory=True)
    channel.expect_content(BasicReturn)
    assert channel.get_all(queue) == [b"kept"]


@case("S-090", "S-147")
def name_of_line_ends_only(peer: Peer) -> None:
    """A name of nothing but line ends."""
    channel = peer.channel()
    channel.call(QueueDeclare(queue="\r\n", exclusive=True))


@case("S-091")
def any_character(peer: Peer) -> None:
    """Spaces, slashes, control characters and any script may be in a name."""
    channel = peer.channel()
    for word in ("two words", "a/b\\c", "tab\there", "Grüße", "очередь", "队列", "🐇", "'quoted'"):
        queue = peer.queue(word)
        channel.call(QueueDeclare(queue=queue))
        channel.publish("", queue, word.encode())
        channel.get(queue)


@case("S-091", "S-092")
def any_character_in_an_error(peer: Peer) -> None:
    """A name in an error text is written as it is."""
    channel = peer.channel()
    for word in ("two words", "Grüße", "队列", "🐇", "'quoted'", "per~cent %s ~p"):
        absent(channel, peer.queue(word))


@case("S-091")
def longest_name(peer: Peer) -> None:
    """A name may have 255 bytes."""
    channel = peer.channel()
    room = 255 - len(peer.name(""))
    queue = peer.queue("n" * room)
    channel.call(QueueDeclare(queue=queue))
    channel.publish("", queue, b"hello")
    channel.get(queue)


@case("S-005", "S-092")
def longest_name_in_an_error(peer: Peer) -> None:
    """A reply text has 255 bytes at most; a longer one is cut."""
    absent(peer.channel(), "n" * 255)


@case("S-005", "S-092")
def longest_name_with_umlauts_in_an_error(peer: Peer) -> None:
    """A reply text of too many bytes, though not of too many characters.

    4.0.5 counts characters, cannot write the text, and fails; 3.10.8 cuts it within a character.
    """
    channel = peer.channel()
    channel.send(QueueDeclare(queue="ü" * 112, passive=True))
    channel.receive()


@case("S-056", slow=True)
def name_that_is_not_utf_8(peer: Peer) -> None:
    """A queue's name that is not UTF-8 ends the connection."""
    breaks_connection(peer.channel(), QueueDeclare(queue="\udcff"))


@case("S-056", slow=True)
def consumer_tag_that_is_not_utf_8(peer: Peer) -> None:
    """A consumer tag that is not UTF-8 ends the connection."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue))
    breaks_connection(channel, BasicConsume(queue=queue, consumer_tag="\udcc3("))


@case("S-056", "S-200")
def routing_key_that_is_not_utf_8(peer: Peer) -> None:
    """The routing key of a publish may be any bytes."""
    channel = peer.channel()
    queue, exchange = peer.queue(), peer.exchange()
    channel.call(QueueDeclare(queue=queue))
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    channel.call(QueueBind(queue=queue, exchange=exchange))
    channel.call(ConfirmSelect())
    channel.publish(exchange, "\udcff\udc80", b"bytes")
    channel.expect_confirms()
    count(channel, queue)
