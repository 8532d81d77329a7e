"""Limits of vhosts and users: how many connections, channels and queues."""

from __future__ import annotations

import pytest
from brokers import Client, declare, make_broker

from amqpbroker.engine.operator_error import OperatorError
from amqpbroker.engine.usage_limits import check_user_limits, check_vhost_limits
from amqpbroker.spec.errors import ChannelException, ConnectionException


def test_a_queue_too_many_is_refused_and_one_that_is_there_is_not() -> None:
    channel = Client(make_broker()).open()
    channel.vhost.limits = {"max-queues": 1}
    declare(channel, "one")

    declare(channel, "one")
    with pytest.raises(ChannelException, match=r"queue limit in vhost '/' \(1\) is reached"):
        declare(channel, "two")


def test_a_connection_too_many_in_a_vhost_is_refused() -> None:
    broker = make_broker()
    broker.vhosts["/"].limits = {"max-connections": 1}
    first = Client(broker)

    with pytest.raises(ConnectionException, match=r"connection limit \(1\) is reached"):
        Client(broker)
    first.connection.close()

    assert Client(broker).connection in broker.connections


def test_a_connection_too_many_of_a_user_is_refused() -> None:
    broker = make_broker()
    broker.user_limits["guest"] = {"max-connections": 0}

    with pytest.raises(ConnectionException, match=r"user connection limit \(0\) is reached"):
        Client(broker)


def test_a_users_channels_are_counted_over_all_connections() -> None:
    broker = make_broker()
    broker.user_limits["guest"] = {"max-channels": 2}
    one, other = Client(broker), Client(broker)
    one.open(1)
    other.open(1)

    with pytest.raises(ConnectionException, match=r"maximum allowed user limit of \(2\)"):
        other.open(2)
    one.connection.close_channel(1)
    other.open(2)


def test_a_negative_limit_is_none() -> None:
    broker = make_broker()
    broker.vhosts["/"].limits = {"max-connections": -1, "max-queues": -1}
    broker.user_limits["guest"] = {"max-connections": -1, "max-channels": -1}

    assert declare(Client(broker).open(), "q").name == "q"


@pytest.mark.parametrize("value", ["5", 1.5, None, True])
def test_a_limit_is_a_number(value: object) -> None:
    with pytest.raises(OperatorError, match="max-queues should be a number, actually was"):
        check_vhost_limits({"max-queues": value})


def test_an_unknown_limit_is_refused() -> None:
    with pytest.raises(OperatorError, match=r'Unrecognised terms \[\{<<"max-queues">>,1\}\] in'):
        check_user_limits({"max-channels": 2, "max-queues": 1})
