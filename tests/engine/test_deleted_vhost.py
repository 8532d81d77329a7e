"""Vhosts come and go while the broker runs, and nothing of one that is deleted is left."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Final

import pytest
from brokers import GUEST, Client, consume, declare, make_broker, publish
from recording import Confirmed, ConnectionClosed, RecordingOutlet

from amqpbroker.engine import topology
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.spec.errors import ConnectionException
from amqpbroker.spec.properties import NO_PROPERTIES
from amqpbroker.spec.table import EMPTY_TABLE, Field, Table, longstr

#: A vhost with few objects is gone in less: tests make and delete one each.
DELETE_SECONDS_MAX: Final = 0.001


def client_of(broker: Broker, vhost_name: str) -> Client:
    """A client of another vhost."""
    client = Client(broker)
    client.connection.close()
    broker.permissions.set("guest", vhost_name)
    client.connection = broker.connect(GUEST, vhost_name, client.outlet, wants_cancel_notify=True)
    return client


def ready_message(channel: Channel) -> None:
    declare(channel, "jobs")
    publish(channel, "jobs", b"x" * 100)


def unacked_message(channel: Channel) -> None:
    ready_message(channel)
    channel.get("jobs", no_ack=False)


def consumed_message(channel: Channel) -> None:
    declare(channel, "jobs", auto_delete=True)
    consume(channel, "jobs")
    publish(channel, "jobs", b"1", b"2")


def exclusive_queue(channel: Channel) -> None:
    declare(channel, "mine", exclusive=True)
    publish(channel, "mine", b"1")


def uncommitted_publish(channel: Channel) -> None:
    declare(channel, "jobs")
    channel.select_transactions()
    publish(channel, "jobs", b"1")


def expiring_queue(channel: Channel) -> None:
    arguments: Table = {"x-expires": Field("I", 60_000), "x-message-ttl": Field("I", 30_000)}
    declare(channel, "jobs", arguments=arguments)
    publish(channel, "jobs", b"1")


def delayed_message(channel: Channel) -> None:
    arguments: Table = {"x-delayed-type": longstr("direct")}
    channel.vhost.declare_exchange("later", "x-delayed-message", arguments=arguments)
    properties = NO_PROPERTIES.edited(headers={"x-delay": Field("I", 5000)})
    publish(channel, "k", b"1", exchange="later", properties=properties)


def history(channel: Channel) -> None:
    channel.vhost.declare_exchange("log", "x-recent-history")
    publish(channel, "k", b"1", exchange="log")


def dead_letter_on_its_way(channel: Channel) -> None:
    arguments: Table = {
        "x-dead-letter-exchange": longstr(""),
        "x-dead-letter-routing-key": longstr("dead"),
    }
    declare(channel, "dead")
    declare(channel, "jobs", arguments=arguments)
    publish(channel, "jobs", b"1")
    channel.get("jobs", no_ack=False)
    channel.reject(1, multiple=False, requeue=False)


def exchanges_that_go_with_each_other(channel: Channel) -> None:
    vhost = channel.vhost
    for name in ("a", "b", "c"):
        vhost.declare_exchange(name, "fanout", auto_delete=True)
    declare(channel, "jobs")
    for destination, source in (("b", "a"), ("c", "b"), ("a", "c")):
        topology.bind_exchange(channel, destination, source, "", EMPTY_TABLE)
    topology.bind_queue(channel, "jobs", "c", "", EMPTY_TABLE)
    topology.bind_queue(channel, "jobs", "amq.topic", "#", EMPTY_TABLE)


@pytest.mark.parametrize(
    "fill",
    [
        ready_message,
        unacked_message,
        consumed_message,
        exclusive_queue,
        uncommitted_publish,
        expiring_queue,
        delayed_message,
        history,
        dead_letter_on_its_way,
        exchanges_that_go_with_each_other,
    ],
)
@pytest.mark.parametrize("has_dispatched", [False, True])
def test_whatever_is_in_a_vhost_goes_with_it(
    fill: Callable[[Channel], None], has_dispatched: bool
) -> None:
    broker = make_broker()
    vhost = broker.add_vhost("test")
    client = client_of(broker, "test")
    fill(client.open())
    if has_dispatched:
        broker.dispatch()

    broker.delete_vhost("test")

    broker.dispatch()
    broker.advance(10**9)
    broker.dispatch()
    assert (broker.held_bytes, broker.to_dispatch) == (0, {})
    assert broker.schedule.next_deadline_ms() is None
    assert (vhost.queues, vhost.exchanges) == ({}, {})
    assert (list(broker.vhosts), broker.connections) == (["/"], {})


def test_its_clients_are_told_confirms_first_and_then_why() -> None:
    broker = make_broker()
    broker.add_vhost("test")
    client = client_of(broker, "test")
    channel = client.open()
    channel.select_confirms()
    publish(channel, "nowhere", b"1")

    broker.delete_vhost("test")

    assert client.outlet.take() == [
        Confirmed(1, 1, False),
        ConnectionClosed(320, "CONNECTION_FORCED - vhost 'test' is deleted"),
    ]


def test_other_vhosts_do_not_notice() -> None:
    broker = make_broker()
    broker.add_vhost("test")
    other = Client(broker)
    queue = declare(other.open(), "jobs")

    broker.delete_vhost("test")

    assert other.finish_pass() == []
    assert list(broker.connections) == [other.connection]
    assert not queue.is_deleted


def test_a_deleted_vhost_lets_nobody_in() -> None:
    broker = make_broker()
    broker.add_vhost("test")
    broker.delete_vhost("test")

    with pytest.raises(ConnectionException, match="vhost test not found"):
        broker.connect(GUEST, "test", RecordingOutlet(), wants_cancel_notify=True)


def test_a_vhost_that_is_made_again_is_empty() -> None:
    broker = make_broker()
    broker.add_vhost("test")
    ready_message(client_of(broker, "test").open())
    broker.delete_vhost("test")

    assert broker.add_vhost("test").queues == {}


def test_adding_a_vhost_that_is_there_changes_nothing() -> None:
    broker = make_broker()
    vhost = broker.add_vhost("test")
    ready_message(client_of(broker, "test").open())

    assert broker.add_vhost("test") is vhost
    assert list(vhost.queues) == ["jobs"]


def test_a_vhost_that_is_not_there_cannot_be_deleted() -> None:
    with pytest.raises(OperatorError, match="there is no vhost 'test'"):
        make_broker().delete_vhost("test")


def test_a_vhost_with_few_objects_is_gone_at_once() -> None:
    broker = make_broker()
    seconds: list[float] = []
    for _ in range(20):
        broker.add_vhost("test")
        channel = client_of(broker, "test").open()
        for fill in (ready_message, exclusive_queue, exchanges_that_go_with_each_other):
            fill(channel)
        began = perf_counter()
        broker.delete_vhost("test")
        seconds.append(perf_counter() - began)

    assert min(seconds) < DELETE_SECONDS_MAX
