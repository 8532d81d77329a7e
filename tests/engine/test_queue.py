"""What a queue does that tests/models/test_queue_model.py does not show: words, bytes, locks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from brokers import Client, consume, declare, make_broker, publish

from amqpbroker.engine.channel import Channel
from amqpbroker.engine.queue import MESSAGE_OVERHEAD_BYTES
from amqpbroker.spec.errors import ChannelException
from amqpbroker.spec.table import Field

HEADER_FRAME_BYTES, FRAME_OVERHEAD_BYTES = 22, 8


@pytest.fixture
def client() -> Client:
    client = Client(make_broker())
    declare(client.open(), "jobs")
    return client


def test_a_queue_tells_what_it_holds(client: Client) -> None:
    channel = client.connection.channels[1]
    queue = channel.vhost.queues["jobs"]
    publish(channel, "jobs", b"1", b"2", b"3")
    channel.get("jobs", no_ack=False)
    client.open(2).consumer_prefetch_count = 1
    consume(client.connection.channels[2], "jobs")
    client.finish_pass()

    assert str(queue) == "queue 'jobs' in vhost '/'"
    assert repr(queue) == "<Queue 'jobs' ready=1 unacked=2 consumers=1>"


def test_a_message_occupies_its_content_and_an_overhead_until_it_is_settled(
    client: Client,
) -> None:
    """(Q5)."""
    channel, broker = client.connection.channels[1], client.connection.broker
    content_bytes = HEADER_FRAME_BYTES + FRAME_OVERHEAD_BYTES + 100

    publish(channel, "jobs", b"." * 100, b"." * 100)
    both_bytes = broker.held_bytes
    channel.get("jobs", no_ack=True)
    channel.get("jobs", no_ack=False)
    one_bytes = broker.held_bytes
    channel.ack(2, multiple=False)

    assert both_bytes == 2 * (content_bytes + MESSAGE_OVERHEAD_BYTES)
    assert one_bytes == content_bytes + MESSAGE_OVERHEAD_BYTES
    assert broker.held_bytes == 0


def test_a_message_in_two_queues_counts_twice(client: Client) -> None:
    channel, broker = client.connection.channels[1], client.connection.broker
    vhost = channel.vhost
    for queue in (vhost.queues["jobs"], declare(channel, "copies")):
        vhost.bind("amq.fanout", queue, "", {})

    publish(channel, "any", b"1", exchange="amq.fanout")

    assert broker.held_bytes == 2 * vhost.queues["jobs"].held_bytes


@pytest.mark.parametrize(
    "verb", [lambda one: one.get("mine", no_ack=True), lambda one: consume(one, "mine")]
)
def test_an_exclusive_queue_is_locked_for_other_connections(
    client: Client, verb: Callable[[Channel], object]
) -> None:
    declare(client.connection.channels[1], "mine", exclusive=True)
    stranger = Client(client.connection.broker).open()

    with pytest.raises(ChannelException) as caught:
        verb(stranger)

    assert caught.value.reply_code == 405
    assert caught.value.reply_text.startswith(
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '/'. "
    )


def test_what_is_held_of_a_deleted_queue_can_still_be_settled(client: Client) -> None:
    channel, broker = client.connection.channels[1], client.connection.broker
    publish(channel, "jobs", b"1", b"2", b"3", b"4")
    for _ in range(3):
        channel.get("jobs", no_ack=False)

    assert broker.delete_queue(channel.vhost.queues["jobs"]) == 1
    channel.ack(1, multiple=False)
    channel.reject(2, multiple=False, requeue=True)
    channel.reject(3, multiple=False, requeue=False)
    broker.dispatch()

    assert broker.held_bytes == 0
    assert len(channel.unacked) == 0


def test_large_messages_are_dealt_out_in_portions(client: Client) -> None:
    """A client that stops reading meanwhile is not given the rest."""
    channel = client.connection.channels[1]
    queue = channel.vhost.queues["jobs"]
    publish(channel, "jobs", *[b"." * 100_000] * 20)
    consume(channel, "jobs")
    (consumer,) = queue.consumers
    inner = consumer.deliver

    def deliver(first_tag: int, messages: object, redelivered: bool) -> None:
        client.connection.is_congested = True
        inner(first_tag, messages, redelivered)  # type: ignore[arg-type]

    consumer.deliver = deliver

    assert 1 <= len(client.finish_pass()) < 20
    client.connection.is_congested = False
    assert queue.ready_count > 0


class TestAQueueThatExpires:
    """S-195: it goes when nobody has used it for a while; to consume, get and declare is use."""

    @pytest.fixture
    def client(self) -> Client:
        client = Client(make_broker())
        declare(client.open(), "short", arguments={"x-expires": Field("I", 1000)})
        return client

    def has_expired_at(self, client: Client, now_ms: int) -> bool:
        client.connection.broker.advance(now_ms)
        return "short" not in client.connection.vhost.queues

    def test_without_use_goes_when_its_time_is_over(self, client: Client) -> None:
        assert not self.has_expired_at(client, 999)
        assert self.has_expired_at(client, 1000)

    def test_lives_on_after_every_use(self, client: Client) -> None:
        channel = client.connection.channels[1]
        assert not self.has_expired_at(client, 900)
        channel.get("short", no_ack=True)
        assert not self.has_expired_at(client, 1800)
        declare(channel, "short", arguments={"x-expires": Field("I", 1000)})

        assert not self.has_expired_at(client, 2799)
        assert self.has_expired_at(client, 2800)

    def test_lives_while_it_has_consumers(self, client: Client) -> None:
        channel = client.connection.channels[1]
        consume(channel, "short", "c")
        assert not self.has_expired_at(client, 10_000)
        channel.cancel("c")

        assert not self.has_expired_at(client, 10_999)
        assert self.has_expired_at(client, 11_000)

    def test_that_was_deleted_is_not_missed(self, client: Client) -> None:
        client.connection.broker.delete_queue(client.connection.vhost.queue("short"))

        assert self.has_expired_at(client, 5000)
