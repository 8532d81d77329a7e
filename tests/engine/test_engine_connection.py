from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, publish
from recording import Cancelled

from amqpbroker.engine.queue import LAGGING_COUNT


def test_a_channel_number_is_open_once() -> None:
    client = Client(make_broker())
    client.open(1)

    with pytest.raises(AssertionError):
        client.open(1)

    client.connection.close_channel(1)
    client.connection.close_channel(1)

    assert client.open(1).number == 1


def test_closing_takes_the_exclusive_queues_along() -> None:
    broker = make_broker()
    client = Client(broker)
    channel = client.open()
    declare(channel, "mine", exclusive=True)
    declare(channel, "ours")
    publish(channel, "mine", b"1")

    client.connection.close()

    assert list(broker.vhosts["/"].queues) == ["ours"]
    assert broker.held_bytes == 0


def test_an_exclusive_queue_deleted_by_its_owner_is_forgotten() -> None:
    client = Client(make_broker())
    queue = declare(client.open(), "mine", exclusive=True)

    client.connection.broker.delete_queue(queue)

    assert client.connection.exclusive_queues == {}


@pytest.mark.parametrize(("wants", "expected"), [(True, [Cancelled(1, "c")]), (False, [])])
def test_a_client_is_told_of_a_consumers_end_if_it_asked_for_it(
    wants: bool, expected: list[Cancelled]
) -> None:
    broker = make_broker()
    client = Client(broker, wants_cancel_notify=wants)
    queue = declare(client.open(), "jobs")
    consume(client.connection.channels[1], "jobs", "c")

    broker.delete_queue(queue)

    assert client.finish_pass() == expected


class TestPublishingToAQueueThatLags:
    """(Q3): a publisher owes the queue some deliveries, as long as somebody consumes."""

    @pytest.fixture
    def publisher(self) -> Client:
        broker = make_broker()
        publisher, consumer = Client(broker), Client(broker)
        channel = publisher.open()
        declare(channel, "jobs")
        consumer.open().consumer_prefetch_count = 1
        consume(consumer.connection.channels[1], "jobs", "c")
        publish(channel, "jobs", *[b""] * (LAGGING_COUNT + 2))
        publisher.finish_pass()
        publisher.connection.debts.clear()
        return publisher

    def test_it_is_indebted_until_the_queue_has_delivered_more(self, publisher: Client) -> None:
        connection = publisher.connection
        queue = connection.vhost.queues["jobs"]

        publish(connection.channels[1], "jobs", b"", b"", b"", b"")

        assert connection.is_indebted
        assert connection.debts == {queue: queue.delivered_count + 5}
        queue.delivered_count += 5
        assert not connection.is_indebted

    def test_it_owes_nothing_to_a_queue_that_has_lost_its_consumers(
        self, publisher: Client
    ) -> None:
        connection = publisher.connection
        queue = connection.vhost.queues["jobs"]
        publish(connection.channels[1], "jobs", b"")

        for consumer in list(queue.consumers):
            consumer.channel.cancel("c")

        assert not connection.is_indebted
