"""(D1) to (D3) cite engine/delayed.py."""

from __future__ import annotations

import gc
import weakref

import pytest
from brokers import Client, consume, declare, make_broker, message_of, publish
from recording import Confirmed, Delivered, Returned

from amqpbroker.engine import topology
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.delayed import DELAY_MS_MAX, DelayedMessages, delay_of
from amqpbroker.engine.exchange import Exchange
from amqpbroker.engine.queue import MESSAGE_OVERHEAD_BYTES
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.message import Publish
from amqpbroker.spec.properties import Properties, properties_of
from amqpbroker.spec.table import Decimal, Field, Table, longstr

START_MS = 1_000_000


class Bench:
    """A broker with a delayed exchange `later`, which is a direct one, and a queue `jobs`."""

    def __init__(self) -> None:
        self.broker: Broker = make_broker()
        self.broker.advance(START_MS)
        self.client = Client(self.broker)
        self.channel: Channel = self.client.open()
        self.exchange: Exchange = self.declare("later")
        self.queue = declare(self.channel, "jobs")
        self.bind("jobs")

    def declare(self, name: str, type_name: str = "direct", **arguments: Field) -> Exchange:
        table: Table = {"x-delayed-type": longstr(type_name), **arguments}
        return self.channel.vhost.declare_exchange(name, "x-delayed-message", arguments=table)

    def bind(self, queue_name: str, exchange_name: str = "later", key: str = "k") -> None:
        topology.bind_queue(self.channel, queue_name, exchange_name, key, {})

    def publish(self, body: bytes, delay: int | Field | None, *, mandatory: bool = False) -> None:
        publish(
            self.channel, "k", body, exchange="later", properties=after(delay), mandatory=mandatory
        )

    def bodies(self) -> list[bytes]:
        """What is in the queue, which is empty then."""
        found: list[bytes] = []
        while (answer := self.channel.get("jobs", no_ack=True)) is not None:
            found.append(answer[1].body)
        return found

    @property
    def held(self) -> DelayedMessages:
        intake = self.exchange.intake
        assert isinstance(intake, DelayedMessages)
        return intake


def after(delay: int | Field | None) -> Properties:
    if delay is None:
        return properties_of()
    field = delay if isinstance(delay, Field) else Field("I", delay)
    return properties_of(headers={"x-delay": field})


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_message_waits_until_its_time_has_come(bench: Bench) -> None:
    bench.publish(b"hello", 100)
    bench.broker.advance(START_MS + 99)
    assert (bench.bodies(), len(bench.held)) == ([], 1)

    bench.broker.advance(START_MS + 100)
    assert (bench.bodies(), len(bench.held)) == ([b"hello"], 0)


def test_a_message_without_a_delay_is_routed_at_once(bench: Bench) -> None:
    bench.publish(b"now", None)
    bench.publish(b"too", 0)
    bench.publish(b"back", -5)
    bench.publish(b"far", Field("l", DELAY_MS_MAX + 1))

    assert bench.bodies() == [b"now", b"too", b"back", b"far"]


def test_messages_come_in_the_order_of_their_times(bench: Bench) -> None:  # (D2)
    for body, delay_ms in ((b"c", 30), (b"a", 10), (b"b1", 20), (b"b2", 20)):
        bench.publish(body, delay_ms)
    bench.broker.advance(START_MS + 50)

    assert bench.bodies() == [b"a", b"b1", b"b2", b"c"]


def test_messages_published_together_wait_each_for_itself(bench: Bench) -> None:
    publish(bench.channel, "k", b"1", b"2", b"3", exchange="later", properties=after(10))
    assert len(bench.held) == 3

    bench.broker.advance(START_MS + 10)
    assert bench.bodies() == [b"1", b"2", b"3"]


def test_thousands_are_routed_at_once_each_with_its_own_headers(bench: Bench) -> None:
    for delay_ms in range(1, 3001):
        bench.publish(str(delay_ms).encode(), delay_ms)
    bench.broker.advance(START_MS + 3000)

    for delay_ms in range(1, 3001):
        answer = bench.channel.get("jobs", no_ack=True)
        assert answer is not None
        assert answer[1].body == str(delay_ms).encode()
        assert answer[1].properties.headers["x-delay"] == Field("l", -delay_ms)


def test_a_consumer_gets_a_delayed_message(bench: Bench) -> None:
    consume(bench.channel, "jobs", "c", no_ack=True)
    bench.publish(b"hello", 10)
    assert bench.client.finish_pass() == []

    bench.broker.advance(START_MS + 10)
    assert bench.client.finish_pass() == [Delivered(1, "c", 1, False, b"hello")]


def test_what_was_delayed_says_so(bench: Bench) -> None:
    headers = {"z": longstr("last"), "x-delay": Field("I", 10), "a": Field("t", True)}
    properties = properties_of(headers=headers, message_id="m")
    publish(bench.channel, "k", b"hello", exchange="later", properties=properties)
    bench.broker.advance(START_MS + 10)
    answer = bench.channel.get("jobs", no_ack=True)

    assert answer is not None
    assert dict(answer[1].properties.headers) == {**headers, "x-delay": Field("l", -10)}
    assert answer[1].properties.text("message_id") == "m"
    assert answer[1].body == b"hello"


def test_the_longest_delay_is_known_by_its_header(bench: Bench) -> None:
    bench.publish(b"", Field("l", DELAY_MS_MAX))
    bench.broker.advance(START_MS + DELAY_MS_MAX)
    answer = bench.channel.get("jobs", no_ack=True)

    assert answer is not None
    assert answer[1].properties.headers["x-delay"] == Field("l", -DELAY_MS_MAX)


@pytest.mark.parametrize(
    ("field", "delay_ms"),
    [
        *((Field(kind, 100), 100) for kind in "bBsuIilL"),
        (longstr("100"), 100),
        (longstr("+100"), 100),
        (Field("d", 99.9), 99),
        (Field("f", 0.5), None),
        (longstr("-100"), None),
        (longstr("soon"), None),
        (longstr("1e3"), None),
        (longstr("9" * 5000), None),
        (Field("t", True), None),
        (Field("T", 100), None),
        (Field("D", Decimal(0, 100)), None),
        (Field("V", None), None),
        (Field("A", []), None),
    ],
)
def test_what_a_delay_may_be(field: Field, delay_ms: int | None) -> None:
    assert delay_of(after(field)) == delay_ms


def test_a_held_message_is_confirmed_and_returned(bench: Bench) -> None:  # (D1)
    bench.channel.select_confirms()
    bench.publish(b"hello", 10, mandatory=True)

    assert bench.client.finish_pass() == [
        Returned(1, 312, "NO_ROUTE", b"hello"),
        Confirmed(1, 1, False),
    ]


def test_a_held_message_does_not_go_to_the_alternate_exchange(bench: Bench) -> None:  # (D1)
    bench.channel.vhost.declare_exchange("spare", "fanout")
    exchange = bench.declare("first", "direct", **{"alternate-exchange": longstr("spare")})
    bench.bind("jobs", "spare")
    publish(bench.channel, "nobody", b"lost", exchange="first", properties=after(10))
    assert bench.bodies() == []

    bench.broker.advance(START_MS + 10)
    assert bench.bodies() == [b"lost"]
    assert repr(exchange.intake) == "<DelayedMessages 'first' count=0>"


def test_the_bindings_of_the_later_time_count(bench: Bench) -> None:
    bench.publish(b"hello", 10)
    topology.unbind_queue(bench.channel, "jobs", "later", "k", {})
    other = declare(bench.channel, "other")
    bench.bind("other")
    bench.broker.advance(START_MS + 10)

    assert (bench.bodies(), other.ready_count) == ([], 1)


def test_any_type_routes_what_was_delayed(bench: Bench) -> None:
    bench.declare("topics", "topic")
    bench.bind("jobs", "topics", "a.#")
    publish(bench.channel, "a.b", b"hello", exchange="topics", properties=after(10))
    publish(bench.channel, "b.a", b"nobody", exchange="topics", properties=after(10))
    bench.broker.advance(START_MS + 10)

    assert bench.bodies() == [b"hello"]


def test_a_type_that_remembers_does_so_when_the_time_has_come(bench: Bench) -> None:
    bench.declare("history", "x-recent-history")
    publish(bench.channel, "", b"hello", exchange="history", properties=after(10))
    bench.bind("jobs", "history")
    topology.unbind_queue(bench.channel, "jobs", "history", "k", {})
    bench.broker.advance(START_MS + 10)
    assert bench.bodies() == []

    bench.bind("jobs", "history")
    assert bench.bodies() == [b"hello"]

    bench.channel.vhost.delete_exchange("history")
    assert bench.broker.held_bytes == 0


def test_an_exchange_on_the_way_delays_too(bench: Bench) -> None:
    bench.channel.vhost.declare_exchange("first", "fanout")
    topology.bind_exchange(bench.channel, "later", "first", "", {})
    topology.bind_queue(bench.channel, "jobs", "first", "", {})
    publish(bench.channel, "k", b"a", b"b", exchange="first", properties=after(10))
    assert bench.bodies() == [b"a", b"b"]

    bench.broker.advance(START_MS + 10)
    assert bench.bodies() == [b"a", b"b"]


def test_two_delayed_exchanges_delay_once(bench: Bench) -> None:
    bench.declare("second", "fanout")
    topology.bind_exchange(bench.channel, "second", "later", "k", {})
    declare(bench.channel, "end")
    bench.bind("end", "second")
    bench.publish(b"hello", 10)
    bench.broker.advance(START_MS + 10)

    assert bench.channel.vhost.queues["end"].ready_count == 1


def test_a_dead_letter_is_delayed(bench: Bench) -> None:
    arguments = {"x-dead-letter-exchange": longstr("later"), "x-message-ttl": Field("I", 5)}
    declare(bench.channel, "short", arguments=arguments)
    bench.bind("short", key="short")
    publish(bench.channel, "short", b"hello", properties=after(10))
    bench.bind("jobs", key="short")
    topology.unbind_queue(bench.channel, "short", "later", "short", {})
    bench.client.finish_pass()
    bench.broker.advance(START_MS + 5)
    bench.client.finish_pass()
    assert (len(bench.held), bench.bodies()) == (1, [])

    bench.broker.advance(START_MS + 15)
    assert bench.bodies() == [b"hello"]


def test_what_is_held_takes_memory_until_it_is_routed(bench: Bench) -> None:
    properties = after(10)
    bench.publish(b"x" * 100, 10)
    content = message_of(Publish("later", "k"), b"x" * 100, properties).content
    assert bench.held.held_bytes == len(content) + MESSAGE_OVERHEAD_BYTES
    assert bench.broker.held_bytes == bench.held.held_bytes

    bench.broker.advance(START_MS + 10)
    assert bench.held.held_bytes == 0
    assert bench.broker.held_bytes == bench.queue.held_bytes


def test_deleting_the_exchange_drops_what_it_holds(bench: Bench) -> None:
    bench.publish(b"hello", 10)
    held = bench.held
    bench.channel.vhost.delete_exchange("later")

    assert (len(held), bench.broker.held_bytes) == (0, 0)
    assert bench.broker.schedule.next_deadline_ms() is None

    bench.declare("later")
    bench.bind("jobs")
    bench.broker.advance(START_MS + 10)
    assert bench.bodies() == []


def test_the_schedule_knows_of_the_first_only(bench: Bench) -> None:  # (D3)
    for delay_ms in (*range(100, 1000), 50):
        bench.publish(b"", delay_ms)

    assert bench.broker.schedule.next_deadline_ms() == START_MS + 50
    assert len(bench.broker.schedule) == 2  # the second took the place of the first
    assert len(bench.held) == 901


def test_a_message_of_a_transaction_waits_from_its_publish(bench: Bench) -> None:
    bench.channel.select_transactions()
    bench.publish(b"hello", 10)
    bench.channel.commit()
    bench.broker.advance(START_MS + 10)

    assert bench.bodies() == [b"hello"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
        (
            {"x-delayed-type": Field("I", 5)},
            "Invalid argument, 'x-delayed-type' must be an existing exchange type",
        ),
        (
            {"x-delayed-type": longstr("x-delayed-message")},
            "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'",
        ),
        ({"x-delayed-type": longstr("no-such")}, "unknown exchange type 'no-such'"),
        (
            {"x-delayed-type": longstr("x-consistent-hash"), "hash-property": longstr("app_id")},
            "Unsupported property: app_id",
        ),
        (
            {"x-delayed-type": longstr("x-message-deduplication")},
            "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0",
        ),
    ],
)
def test_a_type_that_cannot_be_delayed_is_refused(
    bench: Bench, arguments: Table, text: str
) -> None:
    vhost = bench.channel.vhost
    with pytest.raises(ChannelException) as caught:
        vhost.declare_exchange("new", "x-delayed-message", arguments=arguments)

    assert caught.value.reply_text == f"PRECONDITION_FAILED - {text}"
    assert "new" not in vhost.exchanges


def test_a_deleted_exchange_goes_without_the_garbage_collector() -> None:
    bench = Bench()
    bench.publish(b"x", 1000)
    left = weakref.ref(bench.held)
    del bench.exchange
    gc.disable()
    try:
        bench.channel.vhost.delete_exchange("later")
        assert left() is None
    finally:
        gc.enable()
