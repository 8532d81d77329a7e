"""What a long queue leaves is freed in slices, and nobody sees it meanwhile."""

from __future__ import annotations

import pytest
from brokers import Client, declare, make_broker, publish

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.remains import SLICE_COUNT

LONG = SLICE_COUNT * 2 + 1


def a_long_queue() -> Channel:
    channel = Client(make_broker()).open()
    declare(channel, "q")
    publish(channel, "q", *[b"x"] * LONG)
    return channel


def test_a_purged_queue_is_empty_at_once_and_freed_in_slices() -> None:
    channel = a_long_queue()
    broker = channel.connection.broker

    assert topology.purge_queue(channel, "q") == LONG
    assert channel.vhost.queues["q"].ready_count == 0
    publish(channel, "q", b"new")
    slice_count = 0
    while broker.remains:
        broker.remains.free_some()
        slice_count += 1
    answer = channel.get("q", no_ack=True)

    assert slice_count == 3
    assert answer is not None
    assert answer[1].body == b"new"
    assert (broker.held_bytes, channel.vhost.queues["q"].held_bytes) == (0, 0)


@pytest.mark.parametrize("is_purged_first", [False, True])
def test_a_deleted_queue_holds_nothing_at_once(is_purged_first: bool) -> None:
    channel = a_long_queue()
    broker = channel.connection.broker
    if is_purged_first:
        topology.purge_queue(channel, "q")
    topology.delete_queue(channel, "q", if_unused=False, if_empty=False)

    assert broker.held_bytes == 0
    while broker.remains:
        broker.remains.free_some()
    assert broker.held_bytes == 0
