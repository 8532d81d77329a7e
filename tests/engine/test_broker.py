from __future__ import annotations

import pytest
from brokers import GUEST, Client, consume, declare, make_broker, publish
from recording import Delivered, RecordingOutlet

from amqpbroker.spec.errors import ConnectionException
from amqpbroker.spec.table import Table, longstr


def test_an_unknown_vhost_is_refused() -> None:
    with pytest.raises(ConnectionException, match="NOT_ALLOWED - vhost nowhere not found"):
        make_broker().connect(GUEST, "nowhere", RecordingOutlet(), wants_cancel_notify=True)


def test_a_broker_tells_what_it_holds() -> None:
    broker = make_broker()

    client = Client(broker)
    client.open()

    assert repr(broker) == "<Broker vhosts=1 connections=1>"
    assert repr(client.connection) == "<Connection 'guest'@'/' channels=1>"
    assert repr(broker.vhosts["/"]) == "<VHost '/' exchanges=7 queues=0>"


def test_nothing_is_given_out_before_the_pass_ends() -> None:
    client = Client(make_broker())
    channel = client.open()
    declare(channel, "jobs")
    consume(channel, "jobs", "c")

    publish(channel, "jobs", b"1", b"2")

    assert client.outlet.take() == []
    assert client.finish_pass() == [
        Delivered(1, "c", 1, False, b"1"),
        Delivered(1, "c", 2, False, b"2"),
    ]


def test_what_died_for_an_exchange_that_is_not_there_is_gone() -> None:
    broker = make_broker()
    channel = Client(broker).open()
    declare(channel, "jobs", arguments={"x-dead-letter-exchange": longstr("absent")})
    publish(channel, "jobs", b"1")
    channel.get("jobs", no_ack=False)

    channel.reject(1, multiple=False, requeue=False)
    broker.dispatch()

    assert broker.held_bytes == 0


def test_dead_letters_can_be_routed_in_portions() -> None:
    broker = make_broker()
    channel = Client(broker).open()
    arguments: Table = {
        "x-dead-letter-exchange": longstr(""),
        "x-dead-letter-routing-key": longstr("dead"),
    }
    declare(channel, "jobs", arguments=arguments)
    dead = declare(channel, "dead")
    publish(channel, "jobs", b"1", b"2", b"3")
    for _ in range(3):
        channel.get("jobs", no_ack=False)
    channel.reject(0, multiple=True, requeue=False)

    broker.dispatch(deaths_max=2)
    assert (dead.ready_count, len(broker.deaths)) == (2, 1)
    broker.dispatch()

    assert (dead.ready_count, len(broker.deaths)) == (3, 0)


def test_the_clock_never_goes_back() -> None:
    broker = make_broker()
    broker.advance(10)

    with pytest.raises(AssertionError):
        broker.advance(9)
