"""What a transactional channel has said happens at its commit, or never."""

from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish
from recording import Confirmed, Returned

from amqpbroker.engine.channel import Channel
from amqpbroker.spec.errors import ChannelException


@pytest.fixture
def client() -> Client:
    client = Client(make_broker())
    declare(client.open(), "jobs")
    client.connection.channels[1].select_transactions()
    return client


@pytest.fixture
def channel(client: Client) -> Channel:
    return client.connection.channels[1]


def bodies_in(channel: Channel, queue_name: str) -> list[bytes]:
    queue = channel.vhost.queue(queue_name)
    return [message.body for _, message, _ in iter(lambda: queue.get(no_ack=True), None)]


def test_publishes_wait_for_the_commit(channel: Channel) -> None:
    publish(channel, "jobs", b"1", b"2")
    assert bodies_in(channel, "jobs") == []

    channel.commit()

    assert bodies_in(channel, "jobs") == [b"1", b"2"]


def test_what_waits_takes_memory(client: Client, channel: Channel) -> None:
    broker = client.connection.broker
    publish(channel, "jobs", b"1" * 1000)
    waiting_bytes = broker.held_bytes

    channel.commit()

    assert waiting_bytes > 1000
    assert broker.held_bytes == waiting_bytes


@pytest.mark.parametrize("way", ["roll back", "close"])
def test_publishes_that_are_not_committed_never_happen(
    client: Client, channel: Channel, way: str
) -> None:
    publish(channel, "jobs", b"1")

    if way == "close":
        client.connection.close_channel(1)
    else:
        channel.rollback()

    assert bodies_in(channel, "jobs") == []
    assert client.connection.broker.held_bytes == 0


def test_a_mandatory_message_is_returned_at_the_commit(client: Client, channel: Channel) -> None:
    publish(channel, "nowhere", b"1", mandatory=True)
    assert client.finish_pass() == []

    channel.commit()

    assert client.finish_pass() == [Returned(1, 312, "NO_ROUTE", b"1")]


def test_a_queue_that_went_makes_the_commit_partial(client: Client, channel: Channel) -> None:
    """S-219: what could be done is done."""
    gone = declare(channel, "gone")
    publish(channel, "jobs", b"1")
    publish(channel, "gone", b"2", mandatory=True)
    client.connection.broker.delete_queue(gone)

    with pytest.raises(ChannelException, match="PRECONDITION_FAILED - partial tx completion"):
        channel.commit()

    assert bodies_in(channel, "jobs") == [b"1"]
    assert client.finish_pass() == []
    assert client.connection.broker.held_bytes == 0


def test_an_ack_gives_room_for_more_only_at_the_commit(client: Client, channel: Channel) -> None:
    channel.set_prefetch(1, is_global=False)
    consume(channel, "jobs", "c")
    other = client.open(2)
    publish(other, "jobs", b"1", b"2")
    client.finish_pass()

    channel.ack(1, multiple=False)
    assert client.finish_pass() == []
    channel.commit()

    assert len(client.finish_pass()) == 1


def test_a_commit_or_rollback_needs_a_transaction() -> None:
    channel = Client(make_broker()).open()

    for verb in (channel.commit, channel.rollback):
        with pytest.raises(ChannelException, match="channel is not transactional"):
            verb()


def test_a_transaction_and_confirms_exclude_each_other(client: Client, channel: Channel) -> None:
    with pytest.raises(ChannelException, match="cannot switch from tx to confirm mode"):
        channel.select_confirms()
    confirming = client.open(2)
    confirming.select_confirms()
    with pytest.raises(ChannelException, match="cannot switch from confirm to tx mode"):
        confirming.select_transactions()


def test_selecting_a_mode_again_changes_nothing(client: Client, channel: Channel) -> None:
    publish(channel, "jobs", b"1")
    channel.select_transactions()
    channel.commit()
    confirming = client.open(2)
    confirming.select_confirms()
    publish(confirming, "jobs", b"2")
    confirming.select_confirms()

    assert bodies_in(channel, "jobs") == [b"1", b"2"]
    assert client.finish_pass() == [Confirmed(2, 1, False)]
