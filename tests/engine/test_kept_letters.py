"""(K1) cites engine/kept_letters.py."""

from __future__ import annotations

import pytest
from brokers import Client, declare, make_broker, publish

from amqpbroker.engine import topology
from amqpbroker.engine.kept_letters import RETRY_MS
from amqpbroker.engine.queue import Queue
from amqpbroker.spec.table import Field, Table, longstr

AT_LEAST_ONCE: Table = {
    "x-queue-type": longstr("quorum"),
    "x-overflow": longstr("reject-publish"),
    "x-dead-letter-exchange": longstr("dlx"),
    "x-dead-letter-routing-key": longstr("dead"),
    "x-dead-letter-strategy": longstr("at-least-once"),
}


class Bench:
    """A broker with a queue whose dead letters are for an exchange that is not there."""

    def __init__(self, arguments: Table = AT_LEAST_ONCE) -> None:
        self.broker = make_broker()
        self.channel = Client(self.broker).open()
        self.queue = declare(self.channel, "jobs", durable=True, arguments=arguments)

    def reject_one(self) -> None:
        publish(self.channel, "jobs", b"1")
        self.channel.get("jobs", no_ack=False)
        self.channel.reject(0, multiple=True, requeue=False)
        self.broker.dispatch()

    def pass_time(self) -> None:
        self.broker.advance(self.broker.now_ms + RETRY_MS)
        self.broker.dispatch()

    def open_way(self, **arguments: Field) -> Queue:
        """Make the exchange, and a queue behind it."""
        self.channel.vhost.declare_exchange("dlx", "direct")
        dead = declare(self.channel, "dead", arguments=arguments)
        topology.bind_queue(self.channel, "dead", "dlx", "dead", {})
        return dead


def test_a_letter_is_kept_until_there_is_a_way() -> None:
    bench = Bench()
    bench.reject_one()
    bench.pass_time()
    assert len(bench.broker.kept_letters) == 1

    dead = bench.open_way()
    bench.pass_time()

    assert (len(bench.broker.kept_letters), dead.ready_count) == (0, 1)
    bench.pass_time()
    assert dead.ready_count == 1


def test_a_letter_is_kept_until_a_full_queue_has_room() -> None:
    bench = Bench()
    dead = bench.open_way(
        **{"x-max-length": Field("I", 1), "x-overflow": longstr("reject-publish")}
    )
    bench.reject_one()
    bench.reject_one()
    assert (len(bench.broker.kept_letters), dead.ready_count) == (1, 1)

    dead.purge()
    bench.pass_time()

    assert (len(bench.broker.kept_letters), dead.ready_count) == (0, 1)


@pytest.mark.parametrize("missing", ["x-dead-letter-strategy", "x-overflow"])
def test_otherwise_a_letter_without_a_way_is_gone(missing: str) -> None:
    bench = Bench({name: field for name, field in AT_LEAST_ONCE.items() if name != missing})
    bench.reject_one()

    assert len(bench.broker.kept_letters) == 0


def test_the_letters_of_a_deleted_queue_are_gone() -> None:
    bench = Bench()
    bench.reject_one()
    topology.delete_queue(bench.channel, "jobs", if_unused=False, if_empty=False)
    dead = bench.open_way()

    bench.pass_time()

    assert (len(bench.broker.kept_letters), dead.ready_count) == (0, 0)


def test_what_is_kept_takes_memory() -> None:
    """(K1)."""
    bench = Bench()
    bench.reject_one()
    assert bench.broker.held_bytes > 0

    dead = bench.open_way()
    bench.pass_time()
    dead.purge()

    assert bench.broker.held_bytes == 0
