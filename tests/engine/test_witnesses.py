"""What witnesses are told; (W1) to (W4) cite engine/ports.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from brokers import GUEST, Client, consume, declare, make_broker, publish
from recording import RecordingOutlet

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.connection import Connection
from amqpbroker.engine.consumer import Consumer
from amqpbroker.engine.exchange import Exchange
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.routing.router import Binding
from amqpbroker.engine.vhost import VHost
from amqpbroker.spec.message import Message
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, Table, longstr

DEAD_TO: Table = {
    "x-dead-letter-exchange": longstr(""),
    "x-dead-letter-routing-key": longstr("dead"),
}


class Listener:
    """Both kinds of witness: keeps each verb that it is told, as short as it can be."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def take(self) -> list[tuple[Any, ...]]:
        told, self.told = self.told, []
        return told

    def __getattr__(self, verb: str) -> Callable[..., None]:
        def tell(*arguments: Any, **options: Any) -> None:
            self.told.append((verb, *map(short, arguments), *options.values()))

        return tell


def short(value: Any) -> Any:
    """A value of the engine, as a test writes it."""
    if isinstance(value, Message):
        return value.body
    if isinstance(value, Channel):
        return "channel"
    if isinstance(value, Connection):
        return "connection"
    if isinstance(value, Consumer):
        return value.consumer_tag
    if isinstance(value, Queue | Exchange | VHost):
        return value.name
    if isinstance(value, Binding):
        return f"{value.source_name} {value.routing_key} {short(value.destination)}"
    if isinstance(value, list | tuple | range):
        return [short(one) for one in value]
    return value


class Bench:
    """A broker with a queue `jobs` and a channel, and who listens."""

    def __init__(self, **arguments: Field) -> None:
        self.broker = make_broker()
        self.broker.advance(1_000_000)
        self.client = Client(self.broker)
        self.channel = self.client.open()
        declare(self.channel, "dead")
        self.queue = declare(self.channel, "jobs", arguments=arguments)
        self.listener: Any = Listener()
        self.broker.watch(self.listener)

    def told(self) -> list[tuple[Any, ...]]:
        """What the listener was told by the end of the pass."""
        self.client.finish_pass()
        return self.listener.take()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_batch_is_told_as_one_from_publish_to_ack(bench: Bench) -> None:
    consume(bench.channel, "jobs", "worker")
    publish(bench.channel, "jobs", b"1", b"2")

    assert bench.told() == [
        ("published", "channel", None, [b"1", b"2"]),
        ("routed", "channel", [b"1", b"2"], ["jobs"]),
        ("enqueued", "jobs", [0, 1], [b"1", b"2"]),
        ("delivered", "worker", 1, [0, 1], [b"1", b"2"], False),
    ]

    bench.channel.ack(2, multiple=True)

    assert bench.told() == [("acked", "channel", "jobs", [[0, b"1"], [1, b"2"]])]


def test_positions_go_on_where_those_before_ended(bench: Bench) -> None:
    publish(bench.channel, "jobs", b"1", b"2")
    bench.channel.get("jobs", no_ack=True)
    bench.listener.take()

    publish(bench.channel, "jobs", b"3")

    assert ("enqueued", "jobs", [2], [b"3"]) in bench.told()


def test_what_needs_a_look_is_told_like_the_rest(bench: Bench) -> None:
    publish(bench.channel, "jobs", b"1", properties=properties_of(expiration="10"))

    assert bench.told() == [
        ("published", "channel", None, [b"1"]),
        ("routed", "channel", [b"1"], ["jobs"]),
        ("enqueued", "jobs", [0], [b"1"]),
    ]

    bench.broker.advance(1_000_010)

    assert bench.told() == [("died", "jobs", 0, b"1", "expired")]


def test_confirms_name_the_publish_tags(bench: Bench) -> None:
    bench.channel.select_confirms()
    publish(bench.channel, "jobs", b"1", b"2")
    publish(bench.channel, "nowhere", b"3", mandatory=True)

    assert bench.told() == [
        ("published", "channel", 1, [b"1", b"2"]),
        ("routed", "channel", [b"1", b"2"], ["jobs"]),
        ("enqueued", "jobs", [0, 1], [b"1", b"2"]),
        ("published", "channel", 3, [b"3"]),
        ("routed", "channel", [b"3"], []),
        ("returned", "channel", [b"3"]),
        ("confirmed", "channel", 3, True),
    ]


def test_a_full_queue_refuses_and_the_publisher_is_nacked() -> None:
    bench = Bench(
        **{"x-max-length": Field("I", 0), "x-overflow": longstr("reject-publish-dlx")}, **DEAD_TO
    )
    bench.channel.select_confirms()
    publish(bench.channel, "jobs", b"1")

    assert bench.told() == [
        ("published", "channel", 1, [b"1"]),
        ("routed", "channel", [b"1"], ["jobs"]),
        ("refused", "jobs", b"1"),
        ("dead_lettered", "jobs", b"1", "maxlen", b"1"),
        ("routed", None, [b"1"], ["dead"]),
        ("enqueued", "dead", [0], [b"1"]),
        ("nacked", "channel", 1, False),
    ]


def test_a_rejected_message_dies_and_is_dead_lettered() -> None:
    bench = Bench(**DEAD_TO)
    publish(bench.channel, "jobs", b"1")
    bench.channel.get("jobs", no_ack=False)
    assert bench.told()[-1] == ("got", "channel", "jobs", 1, 0, b"1", False, False)

    bench.channel.reject(1, multiple=False, requeue=False)

    assert bench.told() == [
        ("rejected", "channel", "jobs", [[0, b"1"]]),
        ("died", "jobs", 0, b"1", "rejected"),
        ("dead_lettered", "jobs", b"1", "rejected", b"1"),
        ("routed", None, [b"1"], ["dead"]),
        ("enqueued", "dead", [0], [b"1"]),
    ]


def test_who_dies_and_the_letter_are_known_by_their_content() -> None:
    """(W3): the very object that was enqueued dies."""
    bench = Bench(**DEAD_TO)
    seen: dict[str, Message] = {}

    class Identities(Listener):
        def enqueued(self, queue: Queue, positions: Any, messages: list[Message]) -> None:
            seen[queue.name] = messages[0]

        def dead_lettered(self, queue: Queue, message: Message, reason: str, letter: Any) -> None:
            assert message.content is seen["jobs"].content
            seen["letter"] = letter

    identities: Any = Identities()
    bench.broker.watch(identities)
    publish(bench.channel, "jobs", b"1")
    bench.channel.get("jobs", no_ack=False)
    bench.channel.reject(1, multiple=False, requeue=False)
    bench.client.finish_pass()

    assert seen["dead"].content is seen["letter"].content


def test_what_is_one_too_many_dies() -> None:
    bench = Bench(**{"x-max-length": Field("I", 1)})
    publish(bench.channel, "jobs", b"1", b"2")

    assert bench.told()[-1] == ("died", "jobs", 0, b"1", "maxlen")


def test_a_requeued_message_keeps_its_position(bench: Bench) -> None:
    publish(bench.channel, "jobs", b"1")
    bench.channel.get("jobs", no_ack=False)
    bench.listener.take()

    bench.channel.reject(1, multiple=False, requeue=True)
    bench.channel.get("jobs", no_ack=True)

    assert bench.told() == [
        ("requeued", "channel", "jobs", [[0, b"1"]]),
        ("got", "channel", "jobs", 2, 0, b"1", True, True),
    ]


def test_a_closed_channel_requeues(bench: Bench) -> None:
    publish(bench.channel, "jobs", b"1")
    bench.channel.get("jobs", no_ack=False)
    bench.listener.take()

    bench.client.connection.close()

    assert bench.told() == [("requeued", "channel", "jobs", [[0, b"1"]])]


def test_purged_and_deleted_messages_are_told(bench: Bench) -> None:
    publish(bench.channel, "jobs", b"1", b"2")
    bench.channel.get("jobs", no_ack=False)
    bench.listener.take()

    topology.purge_queue(bench.channel, "jobs")
    topology.delete_queue(bench.channel, "jobs", if_unused=False, if_empty=False)
    bench.channel.ack(1, multiple=False)

    assert bench.told() == [("purged", "jobs", [1], [b"2"]), ("discarded", "jobs")]


def test_a_transaction_is_told_when_it_is_routed_and_again_when_it_is_dropped(bench: Bench) -> None:
    bench.channel.select_transactions()
    publish(bench.channel, "jobs", b"1")
    bench.channel.rollback()
    publish(bench.channel, "jobs", b"2")
    bench.channel.commit()
    publish(bench.channel, "jobs", b"3")
    bench.client.connection.close()

    assert [told for told in bench.told() if told[0] in ("withdrawn", "enqueued")] == [
        ("withdrawn", "channel", [b"1"]),
        ("enqueued", "jobs", [0], [b"2"]),
        ("withdrawn", "channel", [b"3"]),
    ]


def test_a_queue_that_deduplicates_tells_of_what_it_drops() -> None:
    bench = Bench(**{"x-message-deduplication": Field("t", True)})
    twin = properties_of(headers={"x-deduplication-header": longstr("1")})
    publish(bench.channel, "jobs", b"1", b"2", properties=twin)

    assert bench.told()[-1] == ("duplicated", "jobs", b"2")


def test_a_delayed_message_is_told_when_it_waits_and_when_it_goes_on(bench: Bench) -> None:
    arguments: Table = {"x-delayed-type": longstr("direct")}
    bench.channel.vhost.declare_exchange("later", "x-delayed-message", arguments=arguments)
    topology.bind_queue(bench.channel, "jobs", "later", "k", {})
    in_a_second = properties_of(headers={"x-delay": Field("I", 1000)})
    publish(bench.channel, "k", b"1", exchange="later", properties=in_a_second)

    assert bench.told() == [
        ("published", "channel", None, [b"1"]),
        ("delayed", "later", b"1"),
        ("routed", "channel", [b"1"], []),
    ]

    bench.broker.advance(1_001_000)

    assert bench.told() == [
        ("released", "later", b"1", b"1"),
        ("routed", None, [b"1"], ["jobs"]),
        ("enqueued", "jobs", [0], [b"1"]),
    ]


def test_a_direct_reply_is_told(bench: Bench) -> None:
    consume(bench.channel, "amq.rabbitmq.reply-to", "replies", no_ack=True)
    ask = properties_of(reply_to="amq.rabbitmq.reply-to")
    publish(bench.channel, "jobs", b"question", properties=ask)
    answer = bench.channel.get("jobs", no_ack=True)
    assert answer is not None
    reply_name = answer[1].properties.text("reply_to")
    assert reply_name is not None
    bench.listener.take()

    publish(bench.channel, reply_name, b"answer")
    publish(bench.channel, reply_name + "x", b"lost")

    assert bench.told() == [
        ("published", "channel", None, [b"answer"]),
        ("replied", "channel", "channel", "replies", b"answer"),
        ("published", "channel", None, [b"lost"]),
        ("routed", "channel", [b"lost"], []),
    ]


def test_several_watch_until_they_do_not(bench: Bench) -> None:
    second: Any = Listener()
    bench.broker.watch(second)
    publish(bench.channel, "nowhere", b"1")
    assert second.take() == bench.told() != []

    bench.broker.unwatch(second)
    publish(bench.channel, "nowhere", b"2")
    assert (len(bench.told()), second.take()) == (2, [])

    bench.broker.unwatch(bench.listener)
    publish(bench.channel, "nowhere", b"3")
    assert bench.told() == []


def test_events_tell_what_comes_and_goes_and_messages_do_not_pay() -> None:
    broker = make_broker()
    events: Any = Listener()
    broker.watch_events(events)
    broker.add_vhost("blue")
    connection = broker.connect(GUEST, "/", RecordingOutlet(), wants_cancel_notify=True)
    channel = connection.open_channel(1)
    declare(channel, "jobs")
    channel.vhost.declare_exchange("tasks", "direct", auto_delete=True)
    topology.bind_queue(channel, "jobs", "tasks", "k", {})
    topology.bind_queue(channel, "jobs", "tasks", "k", {})
    consume(channel, "jobs", "worker")

    assert broker.witness is None
    assert events.take() == [
        ("vhost_created", "blue"),
        ("connection_created", "connection"),
        ("channel_created", "channel"),
        ("queue_created", "jobs"),
        ("exchange_created", "tasks"),
        ("binding_created", "/", "tasks k jobs"),
        ("consumer_created", "worker"),
    ]

    topology.delete_queue(channel, "jobs", if_unused=False, if_empty=False)
    connection.close()

    assert events.take() == [
        ("binding_deleted", "/", "tasks k jobs"),
        ("exchange_deleted", "tasks"),
        ("consumer_deleted", "worker"),
        ("queue_deleted", "jobs"),
        ("channel_closed", "channel"),
        ("connection_closed", "connection"),
    ]

    broker.unwatch_events(events)
    connection.close()
    connection = broker.connect(GUEST, "/", RecordingOutlet(), wants_cancel_notify=True)
    assert events.take() == []


def test_a_consumer_is_over_when_it_is_cancelled_or_its_channel_closed() -> None:
    broker = make_broker()
    client = Client(broker)
    channel = client.open()
    declare(channel, "jobs")
    consume(channel, "jobs", "first")
    consume(channel, "jobs", "second")
    events: Any = Listener()
    broker.watch_events(events)

    channel.cancel("first")
    client.connection.close_channel(1)

    assert events.take() == [
        ("consumer_deleted", "first"),
        ("consumer_deleted", "second"),
        ("channel_closed", "channel"),
    ]


def test_a_vhost_is_gone_after_all_that_it_had() -> None:
    broker = make_broker()
    events: Any = Listener()
    broker.watch_events(events)
    broker.add_vhost("blue")
    broker.permissions.set("guest", "blue")
    connection = broker.connect(GUEST, "blue", RecordingOutlet(), wants_cancel_notify=True)
    declare(connection.open_channel(1), "jobs", durable=True)
    events.take()

    broker.delete_vhost("blue")

    assert [told[0] for told in events.take() if told[0] != "exchange_deleted"] == [
        "channel_closed",
        "connection_closed",
        "queue_deleted",
        "vhost_deleted",
    ]
