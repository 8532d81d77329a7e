"""Journeys: each message's story, from the engine alone."""

from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish

from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import EMPTY_TABLE, Field, Table, longstr
from amqpbroker.testing.journeys import STEPS_MAX, Journey, Journeys


class Stage:
    """A broker whose journeys are kept, and a client named web."""

    def __init__(self, limit: int = 100) -> None:
        self.broker: Broker = make_broker()
        self.journeys = Journeys(self.broker, limit)
        self.journeys.start()
        self.client = Client(self.broker)
        self.client.connection.client_name = "web"
        self.channel: Channel = self.client.open()

    def exchange(self, name: str, type_: str = "topic", arguments: Table = EMPTY_TABLE) -> None:
        self.channel.vhost.declare_exchange(
            name, type_, durable=False, auto_delete=False, internal=False, arguments=arguments
        )

    def bind(self, exchange: str, queue_name: str, key: str) -> None:
        vhost = self.channel.vhost
        vhost.bind(exchange, vhost.queues[queue_name], key, EMPTY_TABLE)

    def story(self) -> list[str]:
        """What happened to the only message, after the line about its publishing."""
        self.client.finish_pass()
        (journey,) = self.journeys
        return [line.partition(" ms  ")[2] for line in journey.lines()[1:]]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_message_that_is_delivered_and_acked(stage: Stage) -> None:
    declare(stage.channel, "jobs")
    consume(stage.channel, "jobs", "w1")
    publish(stage.channel, "jobs", b"x")
    stage.client.finish_pass()
    stage.broker.advance(25)
    stage.channel.ack(1, multiple=False)

    (journey,) = stage.journeys
    assert str(journey) == (
        "published by 'web' (guest, channel 1) to the default exchange with routing key 'jobs'\n"
        "       0 ms  enqueued in queue 'jobs'\n"
        "       0 ms  delivered to consumer 'w1' of 'web' (guest, channel 1)\n"
        "      25 ms  acked by 'web' (guest, channel 1)"
    )
    assert journey.queue_names == []


def test_the_bindings_that_led_it_to_its_queues_are_named(stage: Stage) -> None:
    stage.exchange("shop")
    for queue_name in ("a", "b", "c"):
        declare(stage.channel, queue_name)
    stage.bind("shop", "a", "orders.*")
    stage.bind("shop", "b", "#")
    stage.bind("shop", "c", "invoices.*")
    publish(stage.channel, "orders.new", b"x", exchange="shop")

    assert stage.story() == [
        "followed 'orders.*' from exchange 'shop' to queue 'a'",
        "followed '#' from exchange 'shop' to queue 'b'",
        "enqueued in queue 'a'",
        "enqueued in queue 'b'",
    ]
    (journey,) = stage.journeys
    assert journey.queue_names == ["a", "b"]


def test_why_it_was_unroutable_and_what_it_nearly_matched(stage: Stage) -> None:
    stage.exchange("x")
    declare(stage.channel, "q")
    stage.bind("x", "q", "orders.#.eu")
    publish(stage.channel, "orders.new", b"x", exchange="x", mandatory=True)

    assert stage.story() == [
        "unroutable: no binding of exchange 'x' matches 'orders.new'; closest: 'orders.#.eu' of "
        "queue 'q'",
        "returned to its publisher, since it was mandatory",
    ]


def test_a_binding_that_came_later_counts_for_later_messages(stage: Stage) -> None:
    stage.exchange("x")
    declare(stage.channel, "q")
    stage.bind("x", "q", "a")
    publish(stage.channel, "a", b"x", exchange="x")
    stage.bind("x", "q", "*")
    publish(stage.channel, "a", b"x", exchange="x")

    assert [journey.verbs.count("routed") for journey in stage.journeys] == [1, 2]


def test_a_rejected_message_goes_on_as_a_dead_letter(stage: Stage) -> None:
    stage.exchange("dead", "fanout")
    declare(stage.channel, "graves")
    stage.bind("dead", "graves", "")
    declare(stage.channel, "jobs", arguments={"x-dead-letter-exchange": longstr("dead")})
    publish(stage.channel, "jobs", b"x")
    stage.channel.get("jobs", no_ack=False)
    stage.channel.reject(1, multiple=False, requeue=False)

    assert stage.story() == [
        "enqueued in queue 'jobs'",
        "delivered to 'web' (guest, channel 1), by basic.get",
        "rejected by 'web' (guest, channel 1)",
        "died in queue 'jobs' (rejected): sent to exchange 'dead' with routing key 'jobs'",
        "followed '' from exchange 'dead' to queue 'graves'",
        "enqueued in queue 'graves'",
    ]
    (journey,) = stage.journeys
    assert journey.queue_names == ["graves"]


def test_a_message_that_expires_without_a_dead_letter_exchange_is_dropped(stage: Stage) -> None:
    declare(stage.channel, "jobs", arguments={"x-message-ttl": Field("I", 1000)})
    publish(stage.channel, "jobs", b"x")
    stage.client.finish_pass()
    stage.broker.advance(1000)

    assert stage.story()[1:] == ["dropped from queue 'jobs' (expired): no dead-letter exchange"]


def test_a_dead_letter_exchange_that_is_not_there_is_named(stage: Stage) -> None:
    arguments = {"x-max-length": Field("I", 0), "x-dead-letter-exchange": longstr("gone")}
    declare(stage.channel, "jobs", arguments=arguments)
    publish(stage.channel, "jobs", b"x")

    assert stage.story()[1:] == [
        "died in queue 'jobs' (maxlen): sent to exchange 'gone' with routing key 'jobs'",
        "unroutable: there is no exchange 'gone'",
    ]


def test_a_message_that_comes_back_is_redelivered(stage: Stage) -> None:
    declare(stage.channel, "jobs")
    publish(stage.channel, "jobs", b"x")
    stage.channel.get("jobs", no_ack=False)
    stage.channel.reject(1, multiple=False, requeue=True)
    stage.channel.get("jobs", no_ack=True)

    assert stage.story()[2:] == [
        "back in queue 'jobs', from 'web' (guest, channel 1)",
        "redelivered to 'web' (guest, channel 1), by basic.get",
    ]


def test_a_full_queue_refuses_and_its_publisher_is_told(stage: Stage) -> None:
    arguments = {"x-max-length": Field("I", 0), "x-overflow": longstr("reject-publish")}
    declare(stage.channel, "jobs", arguments=arguments)
    stage.channel.select_confirms()
    publish(stage.channel, "jobs", b"x")

    assert stage.story() == ["refused by queue 'jobs': it is full", "nacked to its publisher"]


def test_confirms_are_told_to_the_messages_that_they_mean(stage: Stage) -> None:
    declare(stage.channel, "jobs")
    stage.channel.select_confirms()
    publish(stage.channel, "jobs", b"1", b"2")
    stage.client.finish_pass()
    publish(stage.channel, "jobs", b"3")

    assert [journey.verbs.count("confirmed") for journey in stage.journeys] == [1, 1, 0]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("purge", "dropped: queue 'jobs' was purged"),
        ("delete", "dropped: queue 'jobs' was deleted"),
    ],
)
def test_what_is_dropped_with_or_from_its_queue(stage: Stage, act: str, expected: str) -> None:
    queue = declare(stage.channel, "jobs")
    publish(stage.channel, "jobs", b"x")
    if act == "purge":
        queue.purge()
    else:
        stage.broker.delete_queue(queue)

    assert stage.story() == ["enqueued in queue 'jobs'", expected]


def test_a_transaction_that_is_rolled_back_drops_it(stage: Stage) -> None:
    declare(stage.channel, "jobs")
    stage.channel.select_transactions()
    publish(stage.channel, "jobs", b"x")
    stage.channel.rollback()

    assert stage.story()[-1] == "dropped: its transaction was not committed"


def test_a_delayed_message_is_held_back_and_let_go(stage: Stage) -> None:
    stage.exchange("later", "x-delayed-message", {"x-delayed-type": longstr("direct")})
    declare(stage.channel, "jobs")
    stage.bind("later", "jobs", "k")
    properties = properties_of(headers={"x-delay": Field("I", 500)})
    publish(stage.channel, "k", b"x", exchange="later", properties=properties)
    stage.client.finish_pass()
    stage.broker.advance(500)

    assert stage.story() == [
        "held back by exchange 'later'",
        "exchange 'later' lets it go on",
        "followed 'k' from exchange 'later' to queue 'jobs'",
        "enqueued in queue 'jobs'",
    ]


def test_a_journey_is_found_by_its_messages_content(stage: Stage) -> None:
    declare(stage.channel, "jobs")
    publish(stage.channel, "jobs", b"1", b"2")
    first, second = stage.journeys

    assert stage.journeys.of_content(second.message.content) is second
    assert stage.journeys.of_content(first.message.content) is first


def test_the_oldest_journeys_are_forgotten_and_all_about_them() -> None:
    stage = Stage(limit=2)
    declare(stage.channel, "jobs")
    stage.channel.select_confirms()
    for body in (b"1", b"2", b"3"):
        publish(stage.channel, "jobs", body)
        stage.client.finish_pass()

    assert [journey.message.body for journey in stage.journeys] == [b"2", b"3"]
    assert len(stage.journeys._by_content) == 2
    assert sum(map(len, stage.journeys._by_place.values())) == 2
    stage.journeys.clear()
    assert (len(stage.journeys), stage.journeys._by_content) == (0, {})
    assert stage.journeys._unconfirmed == {}


def test_what_is_never_confirmed_is_forgotten_with_its_channel(stage: Stage) -> None:
    declare(stage.channel, "jobs")
    stage.channel.select_confirms()
    publish(stage.channel, "jobs", b"x")
    stage.client.connection.close_channel(1)

    assert stage.journeys._unconfirmed == {}


def test_a_journey_without_end_is_cut() -> None:
    journey = Journey(None, "/", 0, "somebody")  # type: ignore[arg-type]
    for number in range(STEPS_MAX + 10):
        journey.add(number, "requeued", "again")

    assert journey.steps[-1][2] == f"more than {STEPS_MAX} steps: the rest is not kept"
    assert len(journey.steps) == STEPS_MAX + 1


def test_when_they_are_stopped_nothing_more_is_noted(stage: Stage) -> None:
    declare(stage.channel, "jobs")
    stage.journeys.stop()
    publish(stage.channel, "jobs", b"x")

    assert len(stage.journeys) == 0
    assert (stage.broker.witness, stage.broker.event_witness) == (None, None)
