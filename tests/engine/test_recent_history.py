from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, message_of, publish
from recording import Delivered

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.queue import MESSAGE_OVERHEAD_BYTES
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.message import Publish
from amqpbroker.spec.properties import NO_PROPERTIES, properties_of
from amqpbroker.spec.table import Field, Table, longstr

NO_STORE = properties_of(headers={"x-recent-history-no-store": Field("t", True)})


@pytest.fixture
def client() -> Client:
    return Client(make_broker())


@pytest.fixture
def channel(client: Client) -> Channel:
    return client.open()


def log(channel: Channel, length: int | None = None) -> None:
    """The exchange `log`."""
    arguments = {} if length is None else {"x-recent-history-length": Field("I", length)}
    channel.vhost.declare_exchange("log", "x-recent-history", arguments=arguments)


def say(channel: Channel, *bodies: bytes) -> None:
    publish(channel, "k", *bodies, exchange="log")


def bound_bodies(channel: Channel, queue_name: str = "", key: str = "") -> list[bytes]:
    """What a queue holds when it was bound; then it is empty."""
    queue = declare(channel, queue_name)
    topology.bind_queue(channel, queue.name, "log", key, {})
    found: list[bytes] = []
    while (answer := channel.get(queue.name, no_ack=True)) is not None:
        found.append(answer[1].body)
    return found


def test_a_queue_gets_what_was_published_before_it_was_bound(channel: Channel) -> None:
    log(channel)
    say(channel, b"1", b"2")
    say(channel, b"3")

    assert bound_bodies(channel) == [b"1", b"2", b"3"]
    assert bound_bodies(channel) == [b"1", b"2", b"3"]


@pytest.mark.parametrize(("length", "kept"), [(None, 20), (1, 1), (50, 30)])
def test_only_the_last_messages_are_kept(channel: Channel, length: int | None, kept: int) -> None:
    log(channel, length)
    bodies = [str(number).encode() for number in range(30)]
    say(channel, *bodies)

    assert bound_bodies(channel) == bodies[-kept:]


def test_a_consumer_gets_the_history_and_what_comes_then(client: Client, channel: Channel) -> None:
    log(channel)
    say(channel, b"old")
    declare(channel, "jobs")
    consume(channel, "jobs", "c", no_ack=True)
    topology.bind_queue(channel, "jobs", "log", "", {})
    say(channel, b"new")

    assert client.finish_pass() == [
        Delivered(1, "c", 1, False, b"old"),
        Delivered(1, "c", 2, False, b"new"),
    ]


def test_a_message_may_ask_not_to_be_kept(channel: Channel) -> None:
    log(channel)
    declare(channel, "jobs")
    topology.bind_queue(channel, "jobs", "log", "", {})
    publish(channel, "k", b"secret", exchange="log", properties=NO_STORE)

    assert channel.vhost.queues["jobs"].ready_count == 1
    assert bound_bodies(channel) == []


@pytest.mark.parametrize("field", [Field("t", False), longstr("true"), Field("I", 1)])
def test_only_a_true_bool_asks_for_that(channel: Channel, field: Field) -> None:
    log(channel)
    properties = properties_of(headers={"x-recent-history-no-store": field})
    publish(channel, "k", b"kept", exchange="log", properties=properties)

    assert bound_bodies(channel) == [b"kept"]


def test_each_new_binding_brings_the_history(channel: Channel) -> None:
    log(channel)
    say(channel, b"1")
    assert bound_bodies(channel, "jobs", "a") == [b"1"]
    assert bound_bodies(channel, "jobs", "a") == []
    assert bound_bodies(channel, "jobs", "b") == [b"1"]


def test_an_exchange_routes_the_history_the_latest_first(channel: Channel) -> None:
    log(channel)
    say(channel, b"1", b"2")
    queue = declare(channel, "jobs")
    channel.vhost.declare_exchange("inner", "direct")
    topology.bind_queue(channel, "jobs", "inner", "k", {})
    topology.bind_exchange(channel, "inner", "log", "", {})

    assert queue.ready_count == 2
    answer = channel.get("jobs", no_ack=True)
    assert answer is not None
    assert answer[1].body == b"2"


def test_a_circle_of_exchanges_keeps_the_history_within_its_length(channel: Channel) -> None:
    log(channel, 3)
    say(channel, b"1", b"2")
    channel.vhost.declare_exchange("inner", "fanout")
    topology.bind_exchange(channel, "log", "inner", "", {})
    topology.bind_exchange(channel, "inner", "log", "", {})

    assert len(bound_bodies(channel)) == 3


def test_what_is_kept_takes_memory(client: Client, channel: Channel) -> None:
    log(channel, 2)
    say(channel, b"one", b"two", b"six")
    content = message_of(Publish("log", "k"), b"one", NO_PROPERTIES).content
    broker = client.connection.broker
    assert broker.held_bytes == 2 * (len(content) + MESSAGE_OVERHEAD_BYTES)

    channel.vhost.delete_exchange("log")
    assert broker.held_bytes == 0


def test_the_history_is_gone_with_its_exchange(channel: Channel) -> None:
    log(channel)
    say(channel, b"1")
    channel.vhost.delete_exchange("log")
    log(channel)

    assert bound_bodies(channel) == []


@pytest.mark.parametrize(
    ("field", "term"),
    [
        (Field("I", 0), "0"),
        (Field("l", -1), "-1"),
        (longstr("5"), '<<"5">>'),
        (Field("t", True), "true"),
        (Field("d", 5.0), "5.0"),
        (Field("T", 5), "5"),
    ],
)
def test_a_length_that_is_none_is_refused(channel: Channel, field: Field, term: str) -> None:
    arguments: Table = {"x-recent-history-length": field}
    with pytest.raises(ChannelException) as caught:
        channel.vhost.declare_exchange("log", "x-recent-history", arguments=arguments)

    assert caught.value.reply_text == (
        f"PRECONDITION_FAILED - Invalid argument {term}, "
        "'x-recent-history-length' must be a positive integer"
    )
    assert "log" not in channel.vhost.exchanges
