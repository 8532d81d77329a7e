"""Direct reply-to: answers go straight to the channel that asked."""

from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish
from recording import Confirmed, Delivered, Returned

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.replies import REPLY_QUEUE
from amqpbroker.spec.errors import AMQPException, ChannelException
from amqpbroker.spec.properties import properties_of


@pytest.fixture
def requester() -> Client:
    client = Client(make_broker())
    channel = client.open()
    consume(channel, REPLY_QUEUE, "replies", no_ack=True)
    declare(channel, "requests")
    return client


def reply_name_of(client: Client) -> str:
    """What the request's reply-to says when it arrives."""
    publish(
        client.connection.channels[1],
        "requests",
        b"?",
        properties=properties_of(reply_to=REPLY_QUEUE),
    )
    answer = Client(client.connection.broker).open().get("requests", no_ack=True)
    assert answer is not None
    reply_name = answer[1].properties.text("reply_to")
    assert reply_name is not None
    return reply_name


def test_a_reply_reaches_the_channel_that_asked_without_using_up_a_tag(requester: Client) -> None:
    reply_name = reply_name_of(requester)
    server = Client(requester.connection.broker).open()

    publish(server, reply_name, b"1")
    publish(server, reply_name, b"2")

    assert requester.finish_pass() == [
        Delivered(1, "replies", 1, False, b"1"),
        Delivered(1, "replies", 1, False, b"2"),
    ]


def test_a_reply_to_nobody_is_dropped(requester: Client) -> None:
    reply_name = reply_name_of(requester)
    server = Client(requester.connection.broker)
    channel = server.open()
    channel.select_confirms()

    requester.connection.channels[1].cancel("replies")
    publish(channel, reply_name, b"1")

    assert requester.finish_pass() == []
    assert server.finish_pass() == [Confirmed(1, 1, False)]


def test_a_mandatory_reply_to_nobody_is_returned(requester: Client) -> None:
    server = Client(requester.connection.broker)

    publish(server.open(), f"{REPLY_QUEUE}.absent", b"1", mandatory=True)

    assert server.finish_pass() == [Returned(1, 312, "NO_ROUTE", b"1")]


def test_the_name_ends_with_the_channel(requester: Client) -> None:
    reply_name = reply_name_of(requester)

    requester.connection.close_channel(1)

    assert reply_name not in requester.connection.broker.replies


@pytest.mark.parametrize(
    ("queue_name", "consumer_tag", "no_ack", "expected"),
    [
        (REPLY_QUEUE, "other", False, "reply consumer cannot acknowledge"),
        (REPLY_QUEUE, "other", True, "reply consumer already set"),
    ],
)
def test_a_channel_has_one_reply_consumer_that_does_not_ack(
    requester: Client, queue_name: str, consumer_tag: str, no_ack: bool, expected: str
) -> None:
    with pytest.raises(AMQPException, match=expected):
        consume(requester.connection.channels[1], queue_name, consumer_tag, no_ack=no_ack)


def test_the_pseudo_queues_can_be_declared_to_no_effect(requester: Client) -> None:
    channel = requester.connection.channels[1]
    reply_name = reply_name_of(requester)

    for name in (REPLY_QUEUE, reply_name):
        assert topology.check_queue(channel, name) == (name, 0, 1)
        assert declared(channel, name) == (name, 0, 1)
    with pytest.raises(ChannelException, match=r"no queue 'amq.rabbitmq.reply-to.x' in vhost '/'"):
        topology.check_queue(channel, f"{REPLY_QUEUE}.x")
    assert list(channel.vhost.queues) == ["requests"]


def declared(channel: Channel, name: str) -> topology.QueueState:
    return topology.declare_queue(
        channel, name, durable=False, exclusive=False, auto_delete=False, arguments={}
    )
