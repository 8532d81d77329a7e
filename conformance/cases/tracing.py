"""The firehose: what amq.rabbitmq.trace says of the messages of a vhost that is traced."""

from __future__ import annotations

from collections.abc import Mapping

from amqpbroker.spec.methods import (
    BasicAck,
    BasicConsume,
    BasicGet,
    BasicGetOk,
    BasicReject,
    ConfirmSelect,
    ExchangeDeclare,
    QueueBind,
    QueueDeclare,
    TxCommit,
    TxRollback,
    TxSelect,
)
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.spec.table import Field, longstr
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case

NEEDS = "admin tracing"
TRACE = "amq.rabbitmq.trace"


def _traced(peer: Peer, key: str = "#") -> RawChannel:
    """A channel in a vhost of its own that is traced, which gets what is told of it."""
    peer.own_vhost()
    with peer.quiet():
        watcher = peer.channel(peer.connect())
        queue = peer.queue("traces")
        watcher.call(QueueDeclare(queue=queue))
        watcher.call(QueueBind(0, queue, TRACE, key))
    peer.admin.trace_on()
    return watcher


def _queue(
    peer: Peer,
    channel: RawChannel,
    word: str = "jobs",
    arguments: Mapping[str, object] | None = None,
) -> str:
    name = peer.queue(word)
    with peer.quiet():
        declaration = QueueDeclare(queue=name, durable=True, arguments=as_table(arguments or {}))
        channel.call(declaration)
    return name


def _publish(
    channel: RawChannel,
    exchange: str,
    routing_key: str,
    body: bytes = b"work",
    properties: Properties = NO_PROPERTIES,
) -> None:
    channel.publish(exchange, routing_key, body, properties)
    channel.round_trip()


def _look(peer: Peer, watcher: RawChannel, count: int) -> None:
    """Write down the next *count* messages of the trace, in any order; no more have come."""
    with peer.quiet():
        watcher.call(BasicConsume(0, peer.queue("traces"), "watcher", no_ack=True))
    with peer.any_order():
        watcher.deliveries(count)


@case("S-348", needs=NEEDS)
def a_publish_and_a_delivery(peer: Peer) -> None:
    """A publish is told with its queues, and a delivery with its queue."""
    watcher = _traced(peer)
    channel = peer.channel()
    queue = _queue(peer, channel)
    with peer.quiet():
        channel.call(BasicConsume(0, queue, "worker"))
    channel.publish("", queue, b"work")
    channel.deliveries(1)
    _look(peer, watcher, 2)


@case("S-348", needs=NEEDS)
def a_publish_to_an_exchange_with_two_queues(peer: Peer) -> None:
    """The exchange's name stands in the key, and all queues in the header."""
    watcher = _traced(peer)
    channel = peer.channel()
    for word in ("one", "two"):
        with peer.quiet():
            channel.call(QueueBind(0, _queue(peer, channel, word), "amq.fanout", ""))
    _publish(channel, "amq.fanout", "some.key")
    _look_at_queues(peer, watcher)


def _look_at_queues(peer: Peer, watcher: RawChannel) -> None:
    """Write down the queues of the next publish; their order is open."""
    with peer.quiet():
        watcher.call(BasicConsume(0, peer.queue("traces"), "watcher", no_ack=True))
        trace = watcher.deliveries(1)[0]
    value = trace.properties.headers["routed_queues"].value
    assert isinstance(value, list)
    names = sorted(field.text for field in value)
    peer.note(f"key {trace.method.arguments_by_name()['routing_key']!r}, queues {names}")


@case("S-348", needs=NEEDS)
def an_unroutable_publish(peer: Peer) -> None:
    """What nobody gets is told, too."""
    watcher = _traced(peer)
    _publish(peer.channel(), "amq.direct", "nowhere")
    _look(peer, watcher, 1)


@case("S-348", needs=NEEDS)
def all_properties(peer: Peer) -> None:
    """Every property stands in a table, each with its kind."""
    watcher = _traced(peer, "publish.#")
    channel = peer.channel()
    queue = _queue(peer, channel)
    properties = properties_of(
        content_type="text/plain",
        content_encoding="utf-8",
        headers={
            "a": longstr("text"),
            "b": Field("I", 5),
            "c": Field("t", True),
            "d": Field("F", {"inner": Field("l", 1)}),
        },
        delivery_mode=2,
        priority=3,
        correlation_id="c-1",
        reply_to="answers",
        expiration="60000",
        message_id="m-1",
        timestamp=1_700_000_000,
        type="order",
        user_id="guest",
        app_id="shop",
        cluster_id="old",
    )
    _publish(channel, "", queue, properties=properties)
    _look(peer, watcher, 1)


@case("S-348", needs=NEEDS)
def properties_of_a_delivery(peer: Peer) -> None:
    """A delivery shows the properties that the client is given."""
    watcher = _traced(peer, "deliver.#")
    channel = peer.channel()
    queue = _queue(peer, channel)
    _publish(channel, "", queue, properties=properties_of(message_id="m-1", delivery_mode=1))
    with peer.quiet():
        channel.call(BasicGet(0, queue, no_ack=True), BasicGetOk)
    _look(peer, watcher, 1)


@case("S-348", needs=NEEDS)
def a_get_and_a_redelivery(peer: Peer) -> None:
    """A get is told like a delivery, and redelivered is a number."""
    watcher = _traced(peer, "deliver.#")
    channel = peer.channel()
    queue = _queue(peer, channel)
    _publish(channel, "", queue)
    with peer.quiet():
        channel.call(BasicGet(0, queue), BasicGetOk)
        channel.send(BasicReject(1, requeue=True))
        channel.round_trip()
        channel.call(BasicGet(0, queue), BasicGetOk)
        channel.send(BasicAck(2))
        channel.round_trip()
    _look(peer, watcher, 2)


@case("S-348", "S-307", needs=f"{NEEDS} quorum")
def a_redelivery_of_a_quorum_queue(peer: Peer) -> None:
    """The count of failed deliveries is among the headers that a redelivery shows."""
    watcher = _traced(peer, "deliver.#")
    channel = peer.channel()
    queue = _queue(peer, channel, arguments={"x-queue-type": "quorum"})
    with peer.quiet():
        channel.call(ConfirmSelect())
        channel.publish("", queue, b"work")
        channel.expect_confirms()
        channel.call(BasicGet(0, queue), BasicGetOk)
        channel.send(BasicReject(1, requeue=True))
        channel.call(BasicConsume(0, queue, "worker"))
        channel.deliveries(1)
    _look(peer, watcher, 2)


@case("S-348", needs=NEEDS)
def several_keys(peer: Peer) -> None:
    """The keys of CC and BCC stand beside the publish's."""
    watcher = _traced(peer)
    channel = peer.channel()
    queue = _queue(peer, channel)
    headers = {
        "CC": Field("A", [longstr("second")]),
        "BCC": Field("A", [longstr(queue), longstr("third")]),
    }
    _publish(channel, "", "first", properties=properties_of(headers=headers))
    _look(peer, watcher, 1)


@case("S-348", needs=f"{NEEDS} dead-letter")
def a_dead_letter(peer: Peer) -> None:
    """A dead letter is published by the broker, and not told; its delivery is."""
    watcher = _traced(peer)
    channel = peer.channel()
    dead = _queue(peer, channel, "dead")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    queue = _queue(peer, channel, arguments=arguments)
    _publish(channel, "", queue)
    with peer.quiet():
        channel.call(BasicGet(0, queue), BasicGetOk)
        channel.call(BasicConsume(0, dead, "worker", no_ack=True))
        channel.send(BasicReject(1, requeue=False))
        channel.deliveries(1)
    _look(peer, watcher, 3)


@case("S-348", needs=NEEDS)
def in_a_transaction(peer: Peer) -> None:
    """What is published in a transaction is told when it is published, committed or not."""
    watcher = _traced(peer)
    channel = peer.channel()
    queue = _queue(peer, channel)
    with peer.quiet():
        channel.call(TxSelect())
    _publish(channel, "", queue, b"first")
    with peer.quiet():
        channel.call(TxRollback())
    _publish(channel, "", queue, b"second")
    with peer.quiet():
        channel.call(TxCommit())
    _look(peer, watcher, 2)


@case("S-349", needs=NEEDS)
def the_trace_itself_is_not_traced(peer: Peer) -> None:
    """What the trace publishes is not told, nor is who gets it."""
    watcher = _traced(peer)
    channel = peer.channel()
    _publish(channel, "amq.direct", "nowhere")
    with peer.quiet():
        watcher.call(BasicGet(0, peer.queue("traces"), no_ack=True), BasicGetOk)
    _publish(channel, "amq.direct", "nowhere", b"the next")
    _look(peer, watcher, 1)


@case("S-348", needs=NEEDS)
def direct_replies(peer: Peer) -> None:
    """A direct reply is told as published."""
    watcher = _traced(peer)
    channel = peer.channel()
    queue = _queue(peer, channel)
    with peer.quiet():
        channel.call(BasicConsume(0, "amq.rabbitmq.reply-to", "answers", no_ack=True))
        ask = properties_of(reply_to="amq.rabbitmq.reply-to")
        channel.publish("", queue, b"question", ask)
        channel.send(BasicGet(0, queue, no_ack=True))
        question = channel.expect_content(BasicGetOk)
    reply_to = question.properties.text("reply_to")
    assert reply_to is not None
    channel.publish("", reply_to, b"answer")
    channel.deliveries(1)
    _look(peer, watcher, 3)


@case("S-348", needs=NEEDS)
def off_again(peer: Peer) -> None:
    """Nothing is told before tracing is on, nor after it is off."""
    watcher = _traced(peer)
    channel = peer.channel()
    peer.admin.trace_off()
    _publish(channel, "", "silence")
    peer.admin.trace_on()
    _publish(channel, "", "sound")
    peer.admin.trace_off()
    _publish(channel, "", "silence again")
    _look(peer, watcher, 1)


@case("S-348", needs=NEEDS)
def another_vhost_is_not_traced(peer: Peer) -> None:
    """Only the vhost that is traced is told of."""
    elsewhere = peer.url_of("guest", password="guest")
    watcher = _traced(peer)
    stranger = peer.channel(peer.connect(elsewhere))
    _publish(stranger, "amq.direct", "elsewhere")
    _publish(peer.channel(), "amq.direct", "here")
    _look(peer, watcher, 1)


@case("S-095", "S-348", needs=NEEDS)
def the_trace_exchange(peer: Peer) -> None:
    """Clients may bind to amq.rabbitmq.trace, and not publish to it."""
    peer.own_vhost()
    channel = peer.channel()
    channel.call(ExchangeDeclare(exchange=TRACE, type="topic", durable=True, internal=True))
    channel.publish(TRACE, "publish.x", b"forged")
    channel.expect_close()


@case("S-348", needs=NEEDS)
def another_channel(peer: Peer) -> None:
    """The channel's number is told."""
    watcher = _traced(peer)
    connection = peer.connect()
    with peer.quiet():
        connection.channel()
        channel = connection.channel()
    _publish(channel, "amq.direct", "here")
    _look(peer, watcher, 1)
