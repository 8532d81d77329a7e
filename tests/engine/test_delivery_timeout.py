"""(T1) and (T2) cite engine/delivery_timeout.py."""

from __future__ import annotations

import attrs
import pytest
from brokers import Client, consume, declare, make_broker, publish
from recording import ChannelClosed

from amqpbroker.engine.delivery_timeout import TIMES_MAX
from amqpbroker.spec.table import Field

HALF_AN_HOUR_MS = 1_800_000


class Bench:
    """A broker with a queue `jobs`, and a client that consumes from it."""

    def __init__(self, **arguments: Field) -> None:
        self.broker = make_broker()
        self.client = Client(self.broker)
        self.channel = self.client.open()
        self.queue = declare(self.channel, "jobs", arguments=arguments)

    def closed(self) -> list[tuple[int, str]]:
        """Which channels were closed since the last call, and with what."""
        return [
            (told.reply_code, told.reply_text)
            for told in self.client.finish_pass()
            if isinstance(told, ChannelClosed)
        ]

    def deliver(self, *bodies: bytes) -> None:
        publish(self.channel, "jobs", *bodies)
        self.client.finish_pass()


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    consume(bench.channel, "jobs", "worker")
    return bench


def late(timeout_ms: int) -> tuple[int, str]:
    return (
        406,
        "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value "
        f"used: {timeout_ms} ms. This timeout value can be configured, see consumers doc guide to "
        "learn more",
    )


def test_a_channel_that_does_not_ack_for_half_an_hour_is_closed(bench: Bench) -> None:
    bench.deliver(b"1")
    bench.broker.advance(HALF_AN_HOUR_MS - 1)
    assert bench.closed() == []

    bench.broker.advance(HALF_AN_HOUR_MS)

    assert bench.closed() == [late(HALF_AN_HOUR_MS)]
    assert (bench.queue.ready_count, bench.client.connection.channels) == (1, {})


def test_who_acks_in_time_may_go_on_for_ever(bench: Bench) -> None:
    for now_ms in range(0, 10 * HALF_AN_HOUR_MS, HALF_AN_HOUR_MS - 1):
        bench.broker.advance(now_ms)
        bench.deliver(b"1", b"2")
        bench.channel.ack(0, multiple=True)

    assert bench.closed() == []
    bench.broker.advance(20 * HALF_AN_HOUR_MS)
    assert len(bench.broker.schedule) == 0


def test_only_the_oldest_counts(bench: Bench) -> None:
    bench.deliver(b"1")
    bench.broker.advance(1000)
    bench.deliver(b"2")
    bench.channel.ack(1, multiple=False)

    bench.broker.advance(HALF_AN_HOUR_MS + 999)
    assert bench.closed() == []
    bench.broker.advance(HALF_AN_HOUR_MS + 1000)
    assert bench.closed() == [late(HALF_AN_HOUR_MS)]


def test_what_a_get_got_counts_as_well() -> None:
    bench = Bench()
    bench.deliver(b"1")
    bench.channel.get("jobs", no_ack=False)

    bench.broker.advance(HALF_AN_HOUR_MS)

    assert bench.closed() == [late(HALF_AN_HOUR_MS)]


def test_what_needs_no_ack_is_never_late() -> None:
    bench = Bench()
    consume(bench.channel, "jobs", "worker", no_ack=True)
    bench.deliver(b"1")

    assert bench.broker.schedule.next_deadline_ms() is None


def test_the_queue_says_how_long() -> None:
    bench = Bench(**{"x-consumer-timeout": Field("I", 50)})
    consume(bench.channel, "jobs", "worker")
    bench.deliver(b"1")

    bench.broker.advance(50)

    assert bench.closed() == [late(50)]


def test_a_shorter_time_is_kept_behind_a_longer_one() -> None:
    """It counts from when it is the oldest, and then at once."""
    bench = Bench()
    hasty = declare(bench.channel, "hasty", arguments={"x-consumer-timeout": Field("I", 50)})
    consume(bench.channel, "jobs", "worker")
    consume(bench.channel, "hasty", "runner")
    bench.deliver(b"1")
    publish(bench.channel, "hasty", b"2")
    bench.client.finish_pass()
    bench.broker.advance(100)
    assert bench.closed() == []

    bench.channel.ack(1, multiple=False)
    bench.broker.advance(150)

    assert bench.closed() == [late(50)]
    assert hasty.ready_count == 1


@pytest.mark.parametrize("field", [Field("S", b"soon"), Field("d", 0.5)])
def test_a_time_that_is_no_number_is_none(field: Field) -> None:
    assert Bench(**{"x-consumer-timeout": field}).queue.rules.consumer_timeout_ms is None


def test_without_a_limit_nobody_is_late(bench: Bench) -> None:
    bench.broker.limits = attrs.evolve(bench.broker.limits, consumer_timeout_ms=None)
    bench.deliver(b"1")

    assert bench.broker.schedule.next_deadline_ms() is None


def test_a_limit_that_is_lifted_meanwhile_is_not_kept(bench: Bench) -> None:
    bench.deliver(b"1")
    bench.broker.limits = attrs.evolve(bench.broker.limits, consumer_timeout_ms=None)

    bench.broker.advance(HALF_AN_HOUR_MS)

    assert bench.closed() == []
    assert bench.broker.schedule.next_deadline_ms() == 2 * HALF_AN_HOUR_MS  # looks again (T2)


def test_a_rolled_back_ack_counts_from_the_delivery(bench: Bench) -> None:
    bench.deliver(b"1")
    bench.channel.select_transactions()
    bench.channel.ack(1, multiple=False)
    bench.broker.advance(HALF_AN_HOUR_MS)
    assert bench.closed() == []

    bench.channel.rollback()
    bench.broker.advance(2 * HALF_AN_HOUR_MS)

    assert bench.closed() == [late(HALF_AN_HOUR_MS)]


def test_a_closed_channel_is_watched_no_more(bench: Bench) -> None:
    bench.deliver(b"1")
    bench.client.connection.close()

    assert bench.broker.schedule.next_deadline_ms() is None


def test_of_many_times_some_are_forgotten_and_nobody_is_late_too_soon(bench: Bench) -> None:
    """(T1): a delivery counts as if it had been made a little later, never earlier."""
    for now_ms in range(3 * TIMES_MAX):
        bench.broker.advance(now_ms)
        bench.deliver(b"1")
    assert len(bench.channel._timeout._tags) <= TIMES_MAX
    bench.channel.ack(1000, multiple=True)  # the next one was delivered at 1000 ms

    bench.broker.advance(HALF_AN_HOUR_MS + 999)
    assert bench.closed() == []
    bench.broker.advance(HALF_AN_HOUR_MS + 1500)
    assert bench.closed() == [late(HALF_AN_HOUR_MS)]
