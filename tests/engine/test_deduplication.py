from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish
from recording import Confirmed, Delivered, Returned

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.deduplication import ENTRY_OVERHEAD_BYTES, SeenMessages
from amqpbroker.engine.exchange import Exchange
from amqpbroker.engine.queue import Queue
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.properties import Properties, properties_of
from amqpbroker.spec.table import Field, Table, longstr

START_MS = 1_000_000
SIZE = {"x-cache-size": Field("I", 100)}
DEDUPLICATES = {"x-message-deduplication": Field("t", True)}


def marked(value: str | Field, **headers: Field) -> Properties:
    field = value if isinstance(value, Field) else longstr(value)
    return properties_of(headers={"x-deduplication-header": field, **headers})


def bodies(channel: Channel, queue_name: str = "jobs") -> list[bytes]:
    """What is in a queue, which is empty then."""
    found: list[bytes] = []
    while (answer := channel.get(queue_name, no_ack=True)) is not None:
        found.append(answer[1].body)
    return found


@pytest.fixture
def client() -> Client:
    client = Client(make_broker())
    client.connection.broker.advance(START_MS)
    return client


@pytest.fixture
def channel(client: Client) -> Channel:
    return client.open()


def once(channel: Channel, arguments: Table) -> Exchange:
    """The exchange `once`, and a queue `jobs` that is bound to it."""
    exchange = channel.vhost.declare_exchange(
        "once", "x-message-deduplication", arguments=arguments
    )
    declare(channel, "jobs")
    topology.bind_queue(channel, "jobs", "once", "any", {})
    return exchange


def say(channel: Channel, body: bytes, properties: Properties) -> None:
    publish(channel, "k", body, exchange="once", properties=properties)


# Exchanges


def test_a_header_passes_an_exchange_once(channel: Channel) -> None:
    once(channel, SIZE)
    for body, value in ((b"1", "a"), (b"2", "b"), (b"3", "a"), (b"4", "b"), (b"5", "c")):
        say(channel, body, marked(value))

    assert bodies(channel) == [b"1", b"2", b"5"]


def test_equal_messages_of_one_batch_pass_once(channel: Channel) -> None:
    once(channel, SIZE)
    publish(channel, "k", b"1", b"2", b"3", exchange="once", properties=marked("a"))

    assert bodies(channel) == [b"1"]


def test_messages_without_the_header_always_pass(channel: Channel) -> None:
    once(channel, SIZE)
    publish(channel, "k", b"1", b"2", exchange="once")
    publish(channel, "k", b"3", exchange="once", properties=properties_of(message_id="m"))

    assert bodies(channel) == [b"1", b"2", b"3"]


def test_numbers_and_texts_are_different_values(channel: Channel) -> None:
    once(channel, SIZE)
    fields = [longstr("1"), Field("I", 1), Field("l", 1), Field("d", 1.0), Field("V", None)]
    for index, field in enumerate(fields):
        say(channel, str(index).encode(), marked(field))

    assert bodies(channel) == [b"0", b"1", b"3", b"4"]


def test_a_duplicate_is_confirmed(client: Client, channel: Channel) -> None:
    once(channel, SIZE)
    channel.select_confirms()
    say(channel, b"1", marked("a"))
    say(channel, b"2", marked("a"))

    assert client.finish_pass() == [Confirmed(1, 2, True)]


def test_a_mandatory_duplicate_is_returned(client: Client, channel: Channel) -> None:
    once(channel, SIZE)
    say(channel, b"1", marked("a"))
    publish(channel, "k", b"2", exchange="once", properties=marked("a"), mandatory=True)

    assert client.finish_pass() == [Returned(1, 312, "NO_ROUTE", b"2")]


def test_duplicates_go_to_the_alternate_exchange(channel: Channel) -> None:
    channel.vhost.declare_exchange("spare", "fanout")
    declare(channel, "duplicates")
    topology.bind_queue(channel, "duplicates", "spare", "", {})
    once(channel, {**SIZE, "alternate-exchange": longstr("spare")})
    say(channel, b"1", marked("a"))
    say(channel, b"2", marked("a"))

    assert (bodies(channel), bodies(channel, "duplicates")) == ([b"1"], [b"2"])


def test_a_full_cache_forgets_the_oldest(channel: Channel) -> None:
    exchange = once(channel, {"x-cache-size": Field("I", 2)})
    for value in ("a", "b", "c", "b", "a"):
        say(channel, value.encode(), marked(value))

    assert bodies(channel) == [b"a", b"b", b"c", b"a"]
    assert isinstance(exchange.intake, SeenMessages)
    assert len(exchange.intake) == 2


def test_a_header_is_forgotten_when_its_time_is_over(client: Client, channel: Channel) -> None:
    once(channel, {**SIZE, "x-cache-ttl": Field("I", 100)})
    say(channel, b"1", marked("a"))
    client.connection.broker.advance(START_MS + 99)
    say(channel, b"2", marked("a"))
    client.connection.broker.advance(START_MS + 100)
    say(channel, b"3", marked("a"))
    say(channel, b"4", marked("a"))

    assert bodies(channel) == [b"1", b"3"]


@pytest.mark.parametrize("own", [Field("I", 10), longstr("10")])
def test_a_message_may_have_a_time_of_its_own(client: Client, channel: Channel, own: Field) -> None:
    once(channel, {**SIZE, "x-cache-ttl": Field("I", 100)})
    say(channel, b"1", marked("a", **{"x-cache-ttl": own}))
    client.connection.broker.advance(START_MS + 10)
    say(channel, b"2", marked("a"))

    assert bodies(channel) == [b"1", b"2"]


def test_what_is_remembered_takes_memory(client: Client, channel: Channel) -> None:
    once(channel, {"x-cache-size": Field("I", 2)})
    broker = client.connection.broker
    properties = marked("a")
    for value in ("a", "b", "c"):
        say(channel, b"", marked(value))
    bodies(channel)
    assert broker.held_bytes == 2 * (ENTRY_OVERHEAD_BYTES + len(properties.raw))

    channel.vhost.delete_exchange("once")
    assert broker.held_bytes == 0


def test_what_was_seen_is_forgotten_with_the_exchange(channel: Channel) -> None:
    once(channel, SIZE)
    say(channel, b"1", marked("a"))
    channel.vhost.delete_exchange("once")
    once(channel, SIZE)
    say(channel, b"2", marked("a"))

    assert bodies(channel) == [b"1", b"2"]


SIZE_TEXT = "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0"
TTL_TEXT = "Invalid argument, 'x-cache-ttl' must be an integer greater than 0"
PERSISTENCE_TEXT = "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, SIZE_TEXT),
        ({"x-cache-size": Field("I", 0)}, SIZE_TEXT),
        ({"x-cache-size": Field("I", -1)}, SIZE_TEXT),
        ({"x-cache-size": longstr("many")}, SIZE_TEXT),
        ({"x-cache-size": Field("t", True)}, SIZE_TEXT),
        ({**SIZE, "x-cache-ttl": Field("I", 0)}, TTL_TEXT),
        ({**SIZE, "x-cache-ttl": longstr("long")}, TTL_TEXT),
        ({**SIZE, "x-cache-persistence": longstr("paper")}, PERSISTENCE_TEXT),
        ({**SIZE, "x-cache-persistence": Field("I", 1)}, PERSISTENCE_TEXT),
    ],
)
def test_arguments_that_mean_nothing_are_refused(
    channel: Channel, arguments: Table, text: str
) -> None:
    with pytest.raises(ChannelException) as caught:
        once(channel, arguments)

    assert caught.value.reply_text == f"PRECONDITION_FAILED - {text}"
    assert "once" not in channel.vhost.exchanges


@pytest.mark.parametrize("persistence", ["disk", "memory"])
def test_arguments_that_are_accepted(channel: Channel, persistence: str) -> None:
    arguments = {
        "x-cache-size": longstr("100"),
        "x-cache-ttl": longstr("1000"),
        "x-cache-persistence": longstr(persistence),
    }

    assert once(channel, arguments).type == "x-message-deduplication"


# Queues


def unique(channel: Channel, **arguments: Field) -> Queue:
    return declare(channel, "jobs", arguments={**DEDUPLICATES, **arguments})


def put(channel: Channel, value: str, body: bytes = b"") -> None:
    publish(channel, "jobs", body or value.encode(), properties=marked(value))


def test_a_queue_takes_a_header_in_once(channel: Channel) -> None:
    unique(channel)
    for value in ("a", "b", "a"):
        put(channel, value)
    publish(channel, "jobs", b"plain", b"plain")

    assert bodies(channel) == [b"a", b"b", b"plain", b"plain"]


def test_a_header_may_come_again_when_its_message_is_gone(channel: Channel) -> None:
    unique(channel)
    put(channel, "a", b"1")
    assert bodies(channel) == [b"1"]

    put(channel, "a", b"2")
    assert bodies(channel) == [b"2"]


def test_an_unacked_message_is_still_there(channel: Channel) -> None:
    queue = unique(channel)
    put(channel, "a", b"1")
    channel.get("jobs", no_ack=False)
    put(channel, "a", b"2")
    assert queue.ready_count == 0

    channel.reject(1, multiple=False, requeue=True)
    put(channel, "a", b"3")
    assert queue.ready_count == 1

    channel.get("jobs", no_ack=False)
    channel.ack(2, multiple=False)
    put(channel, "a", b"4")
    assert bodies(channel) == [b"4"]


def test_a_rejected_message_is_gone(channel: Channel) -> None:
    unique(channel)
    put(channel, "a", b"1")
    channel.get("jobs", no_ack=False)
    channel.reject(1, multiple=False, requeue=False)
    put(channel, "a", b"2")

    assert bodies(channel) == [b"2"]


def test_an_expired_message_is_gone(client: Client, channel: Channel) -> None:
    unique(channel, **{"x-message-ttl": Field("I", 10)})
    put(channel, "a", b"1")
    client.finish_pass()
    client.connection.broker.advance(START_MS + 10)
    client.finish_pass()
    put(channel, "a", b"2")

    assert bodies(channel) == [b"2"]


def test_a_message_too_many_is_gone(client: Client, channel: Channel) -> None:
    unique(channel, **{"x-max-length": Field("I", 1)})
    for value in ("a", "b", "a"):
        put(channel, value)
        client.finish_pass()

    assert bodies(channel) == [b"a"]


def test_purged_messages_are_gone(channel: Channel) -> None:
    queue = unique(channel)
    put(channel, "a")
    queue.purge()
    put(channel, "a")

    assert queue.ready_count == 1


def test_a_consumed_message_is_gone(client: Client, channel: Channel) -> None:
    unique(channel)
    consume(channel, "jobs", "c", no_ack=True)
    for body in (b"1", b"2"):
        put(channel, "a", body)
        put(channel, "a", b"duplicate")
        told = client.finish_pass()
        assert [one.body for one in told if isinstance(one, Delivered)] == [body]


def test_a_duplicate_for_a_queue_is_confirmed_and_not_returned(
    client: Client, channel: Channel
) -> None:
    unique(channel)
    channel.select_confirms()
    put(channel, "a")
    publish(channel, "jobs", b"", properties=marked("a"), mandatory=True)

    assert client.finish_pass() == [Confirmed(1, 2, True)]


def test_a_message_that_a_full_queue_refuses_is_not_there(channel: Channel) -> None:
    arguments = {"x-max-length": Field("I", 1), "x-overflow": longstr("reject-publish")}
    unique(channel, **arguments)
    put(channel, "a")
    put(channel, "b", b"refused")
    assert bodies(channel) == [b"a"]

    put(channel, "b", b"taken")
    assert bodies(channel) == [b"taken"]


@pytest.mark.parametrize(
    "arguments",
    [{"x-message-deduplication": Field("t", False)}, {"x-message-deduplication": longstr("true")}],
)
def test_a_queue_must_be_told_by_a_bool(channel: Channel, arguments: Table) -> None:
    queue = declare(channel, "jobs", arguments=arguments)
    for _ in range(2):
        put(channel, "a")

    assert queue.ready_count == 2


def test_a_quorum_queue_does_not_deduplicate(channel: Channel) -> None:
    arguments = {**DEDUPLICATES, "x-queue-type": longstr("quorum")}
    queue = declare(channel, "jobs", durable=True, arguments=arguments)
    for _ in range(2):
        put(channel, "a")

    assert queue.ready_count == 2


def test_a_deleted_queue_forgets(channel: Channel) -> None:
    unique(channel)
    put(channel, "a")
    topology.delete_queue(channel, "jobs", if_unused=False, if_empty=False)
    queue = unique(channel)
    put(channel, "a")

    assert queue.ready_count == 1
