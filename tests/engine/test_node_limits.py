"""Limits of the whole broker: one more than there may be is refused, as RabbitMQ would."""

from __future__ import annotations

import attrs
import pytest
from brokers import Client, consume, declare, make_broker

from amqpbroker.engine import topology
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.node_limits import DEFAULT_NODE_LIMITS, NodeLimits
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import AMQPException, ChannelException, ConnectionException
from amqpbroker.spec.message import Publish
from amqpbroker.spec.table import EMPTY_TABLE, Table, longstr

#: amq.* and the default exchange, in each vhost.
ALWAYS_THERE = 7


def limited(**limits: int | None) -> Broker:
    return make_broker(limits=attrs.evolve(DEFAULT_NODE_LIMITS, **limits))


def text_of(error: AMQPException) -> str:
    assert error.reply_text.startswith(f"{error.reply_code.name} - ")
    return error.reply_text.partition(" - ")[2]


def bind(client: Client, routing_key: str, exchange: str = "amq.direct") -> None:
    channel = client.connection.channels[1]
    topology.bind_queue(channel, "jobs", exchange, routing_key, EMPTY_TABLE)


def test_one_connection_too_many_is_refused() -> None:
    broker = limited(connection_max=2)
    first, _ = Client(broker), Client(broker)
    with pytest.raises(ConnectionException) as refused:
        Client(broker)

    assert refused.value.reply_code is ReplyCode.NOT_ALLOWED
    assert text_of(refused.value) == "connection refused: node connection limit (2) is reached"
    first.connection.close()
    assert Client(broker).connection in broker.connections


def test_one_channel_too_many_is_refused_whoever_has_the_others() -> None:
    broker = limited(channel_max_per_node=3)
    first, second = Client(broker), Client(broker)
    first.open(1)
    first.open(2)
    second.open(1)
    with pytest.raises(ConnectionException) as refused:
        second.open(2)

    assert (refused.value.class_id, refused.value.method_id) == (0, 0)
    assert text_of(refused.value) == (
        "number of channels opened on node 'amqpbroker' has reached the maximum allowed limit of "
        "(3)"
    )
    first.connection.close_channel(1)
    first.connection.close_channel(1)
    second.open(2)
    first.connection.close()
    second.connection.close()
    assert broker.channel_count == 0


def test_one_consumer_too_many_is_refused() -> None:
    broker = limited(consumer_max_per_channel=2)
    client = Client(broker)
    channel, other = client.open(1), client.open(2)
    declare(channel, "jobs")
    consume(channel, "jobs", "a")
    consume(channel, "jobs", "b")
    with pytest.raises(ConnectionException) as refused:
        consume(channel, "jobs", "c")

    assert text_of(refused.value) == "reached maximum (2) of consumers per channel"
    consume(other, "jobs", "c")
    channel.cancel("a")
    consume(channel, "jobs", "c")


def test_one_queue_too_many_is_refused_in_whichever_vhost() -> None:
    broker = limited(queue_max=2)
    broker.add_vhost("other")
    broker.permissions.set("guest", "other")
    here, there = Client(broker), Client(broker, vhost_name="other")
    declare(here.open(), "one")
    declare(there.open(), "two")
    for client in (here, there):
        with pytest.raises(ChannelException) as refused:
            declare(client.connection.channels[1], "three")
        assert refused.value.reply_code is ReplyCode.PRECONDITION_FAILED
        assert text_of(refused.value) == (
            "cannot declare queue 'three': queue limit in cluster (2) is reached"
        )
    declare(here.connection.channels[1], "one")
    broker.delete_queue(broker.vhosts["/"].queues["one"])
    declare(here.connection.channels[1], "three")


def test_one_exchange_too_many_is_refused() -> None:
    broker = limited(exchange_max=ALWAYS_THERE + 1)
    vhost = broker.vhosts["/"]
    vhost.declare_exchange("one", "fanout")
    vhost.declare_exchange("one", "fanout")
    with pytest.raises(ChannelException) as refused:
        vhost.declare_exchange("two", "fanout")

    assert refused.value.reply_code is ReplyCode.PRECONDITION_FAILED
    assert text_of(refused.value) == (
        "cannot declare exchange 'two' in vhost '/': exchange limit of 8 is reached"
    )
    vhost.delete_exchange("one")
    vhost.declare_exchange("two", "fanout")


def test_one_binding_too_many_is_refused() -> None:
    broker = limited(binding_max=2)
    client = Client(broker)
    declare(client.open(), "jobs")
    bind(client, "a")
    bind(client, "b")
    bind(client, "a")  # it is there
    with pytest.raises(ChannelException) as refused:
        bind(client, "c")

    assert refused.value.reply_code is ReplyCode.PRECONDITION_FAILED
    assert text_of(refused.value) == (
        "cannot bind queue 'jobs' in vhost '/': binding limit of 2 is reached"
    )
    topology.unbind_queue(client.connection.channels[1], "jobs", "amq.direct", "a", EMPTY_TABLE)
    bind(client, "c")


def test_bindings_are_counted_until_they_go_with_their_ends() -> None:
    broker = make_broker()
    vhost = broker.vhosts["/"]
    client = Client(broker)
    queue = declare(client.open(), "jobs")
    bind(client, "a")
    bind(client, "a.b", "amq.topic")
    vhost.declare_exchange("events", "fanout")
    vhost.bind("events", queue, "", EMPTY_TABLE)
    vhost.bind("events", vhost.exchange("amq.fanout"), "", EMPTY_TABLE)
    assert vhost.binding_count == 4
    vhost.delete_exchange("events")
    assert vhost.binding_count == 2
    broker.delete_queue(queue)
    assert vhost.binding_count == 0


@pytest.mark.parametrize(
    ("exchange", "arguments"),
    [("amq.topic", EMPTY_TABLE), ("amq.topic", {"x": longstr("y")})],
)
def test_a_pattern_has_so_many_words_and_no_more(exchange: str, arguments: Table) -> None:
    broker = limited(topic_word_max=3)
    client = Client(broker)
    channel = client.open()
    declare(channel, "jobs")
    topology.bind_queue(channel, "jobs", exchange, "a.#.c", arguments)
    with pytest.raises(ChannelException) as refused:
        topology.bind_queue(channel, "jobs", exchange, "a.b.c.d", arguments)
    bind(client, "a.b.c.d", "amq.direct")

    assert text_of(refused.value) == (
        "cannot bind queue 'jobs' in vhost '/': routing key has more words than configured max 3"
    )


def test_properties_are_so_large_and_no_larger() -> None:
    channel = Client(limited(header_bytes_max=100)).open()
    with pytest.raises(ChannelException) as refused:
        channel.refuse_oversize(Publish("", "jobs"), 0, 101)

    assert refused.value.reply_code is ReplyCode.PRECONDITION_FAILED
    assert text_of(refused.value) == (
        "message header size 101 is larger than configured max size 100"
    )


@pytest.mark.parametrize(
    "field", [field.name for field in attrs.fields(NodeLimits) if field.name != "header_bytes_max"]
)
def test_without_a_limit_nothing_is_refused(field: str) -> None:
    broker = limited(**{field: None})
    client = Client(broker)
    channel = client.open()
    declare(channel, "jobs")
    consume(channel, "jobs", "a")
    broker.vhosts["/"].declare_exchange("one", "topic")
    bind(client, ".".join("a" * 128), "one")

    assert broker.channel_count == 1


def test_a_lowered_limit_ends_nothing_that_is_there() -> None:
    broker = make_broker()
    client = Client(broker)
    channel = client.open()
    for name in ("a", "b", "c"):
        declare(channel, name)
    broker.limits = NodeLimits(queue_max=1)
    declare(channel, "c")

    assert len(broker.vhosts["/"].queues) == 3
