"""The delivery acknowledgement timeout: a channel that does not ack in time is closed."""

from __future__ import annotations

from amqpbroker.spec.methods import BasicConsume, BasicGet, BasicGetOk, QueueDeclare
from amqpbroker.spec.table import Field
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case


@case("S-262", slow=True)
def a_delivery_that_nobody_acks(peer: Peer) -> None:
    """The channel is closed; the message is there again.

    RabbitMQ looks once a minute.  3.10 does not know x-consumer-timeout, and waits for its 30
    minutes.
    """
    channel = peer.channel()
    queue = peer.queue()
    arguments = as_table({"x-consumer-timeout": Field("I", 1000)})
    channel.call(QueueDeclare(queue=queue, arguments=arguments))
    channel.publish("", queue, b"work")
    channel.call(BasicConsume(0, queue, "worker"))
    channel.deliveries(1)
    channel.expect_close()
    other = peer.channel()
    other.call(BasicGet(0, queue, no_ack=True), BasicGetOk)


@case("S-262", slow=True)
def a_get_that_nobody_acks(peer: Peer) -> None:
    """What basic.get got counts like a delivery."""
    channel = peer.channel()
    queue = peer.queue()
    arguments = as_table({"x-consumer-timeout": Field("I", 1000)})
    channel.call(QueueDeclare(queue=queue, arguments=arguments))
    channel.publish("", queue, b"work")
    channel.call(BasicGet(0, queue), BasicGetOk)
    channel.expect_close()


@case("S-149", "S-262")
def the_argument_is_not_checked(peer: Peer) -> None:
    """x-consumer-timeout is accepted whatever it is, and not compared by a second declaration."""
    channel = peer.channel()
    for number, field in enumerate((Field("I", -1), Field("I", 0), Field("S", b"soon"))):
        arguments = as_table({"x-consumer-timeout": field})
        channel.call(QueueDeclare(queue=peer.queue(f"q{number}"), arguments=arguments))
    channel.call(QueueDeclare(queue=peer.queue("q0")))
