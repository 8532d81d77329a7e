"""Brokers in the tests' own process, and raw clients of theirs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from amqpbroker.spec import methods as m
from amqpbroker.testing import LocalBroker
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import RawConnection
from amqpbroker.testing.values import as_table


@contextmanager
def a_client(broker: LocalBroker, vhost_name: str = "/") -> Generator[RawChannel]:
    """A channel of a connection of its own."""
    with RawConnection.open(broker.url_for(vhost_name)) as connection:
        yield connection.channel()


def declare(channel: RawChannel, name: str, **arguments: object) -> None:
    """Declare a queue; of the arguments' names ``x-`` is left out, and dashes are underscores."""
    table = as_table({f"x-{key.replace('_', '-')}": value for key, value in arguments.items()})
    channel.call(m.QueueDeclare(queue=name, arguments=table), m.QueueDeclareOk)


def take(channel: RawChannel) -> tuple[bytes, int]:
    """The body of the next delivery, and its tag."""
    delivery = channel.expect_content(m.BasicDeliver)
    assert isinstance(delivery.method, m.BasicDeliver)
    return delivery.body, delivery.method.delivery_tag
