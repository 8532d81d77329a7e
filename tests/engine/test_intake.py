"""Exchanges that look at each message are asked for each, whatever way it comes."""

from __future__ import annotations

import pytest
from brokers import Client, declare, make_broker, publish

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, longstr


@pytest.fixture
def channel() -> Channel:
    return Client(make_broker()).open()


def chained(channel: Channel, type_name: str, **arguments: Field) -> None:
    """The fanout `first`, bound to `second` of a type; and a queue `jobs` bound to that."""
    channel.vhost.declare_exchange("first", "fanout")
    channel.vhost.declare_exchange("second", type_name, arguments=arguments)
    topology.bind_exchange(channel, "second", "first", "", {})
    declare(channel, "jobs")
    topology.bind_queue(channel, "jobs", "second", "", {})


def test_dice_are_rolled_for_each_message_of_a_batch(channel: Channel) -> None:
    chained(channel, "x-random")
    other = declare(channel, "other")
    topology.bind_queue(channel, "other", "second", "", {})
    for exchange in ("first", "second"):
        publish(channel, "k", *[b""] * 50, exchange=exchange)
        publish(channel, "k", *[b""] * 50, exchange=exchange)

    assert other.ready_count + channel.vhost.queues["jobs"].ready_count == 200
    assert abs(other.ready_count - 100) <= 2


def test_a_history_behind_another_exchange_holds_each_message_once(channel: Channel) -> None:
    chained(channel, "x-recent-history")
    publish(channel, "k", b"1", b"2", exchange="first")
    publish(channel, "k", b"3", exchange="first")
    late = declare(channel, "late")
    topology.bind_queue(channel, "late", "second", "", {})

    assert late.ready_count == 3


def test_duplicates_are_refused_behind_another_exchange(channel: Channel) -> None:
    chained(channel, "x-message-deduplication", **{"x-cache-size": Field("I", 5)})
    properties = properties_of(headers={"x-deduplication-header": longstr("a")})
    publish(channel, "k", b"1", b"2", exchange="first", properties=properties)
    publish(channel, "k", b"3", exchange="first", properties=properties)

    assert channel.vhost.queues["jobs"].ready_count == 1


def test_a_hash_of_keys_is_remembered(channel: Channel) -> None:
    chained(channel, "x-modulus-hash")
    publish(channel, "k", b"1", b"2", exchange="first")

    assert channel.vhost.route(channel.vhost.exchanges["first"], "k") == (
        channel.vhost.queues["jobs"],
    )


def test_a_choice_by_dice_is_not_remembered(channel: Channel) -> None:
    chained(channel, "x-random")
    publish(channel, "k", b"1", b"2", exchange="first")

    assert channel.vhost.route(channel.vhost.exchanges["first"], "k") is None
