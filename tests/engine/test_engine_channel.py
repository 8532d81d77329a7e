"""What a channel does besides its books: who may publish what, and what limits it."""

from __future__ import annotations

import pytest
from brokers import Client, consume, declare, make_broker, message_of, publish
from recording import Confirmed, Delivered, Returned

from amqpbroker.spec.errors import AMQPException, ChannelException, ConnectionException
from amqpbroker.spec.message import Publish
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, longstr


@pytest.fixture
def client() -> Client:
    client = Client(make_broker(message_bytes_max=100))
    declare(client.open(), "jobs")
    return client


def test_a_channel_tells_what_it_holds(client: Client) -> None:
    channel = client.connection.channels[1]
    publish(channel, "jobs", b"1", b"2")
    channel.get("jobs", no_ack=False)
    consume(channel, "jobs")

    assert repr(channel) == "<Channel 1 consumers=1 unacked=1>"
    assert len(channel.unacked) == 1


class TestPublishing:
    def test_immediate_is_not_offered(self, client: Client) -> None:
        channel = client.connection.channels[1]

        with pytest.raises(ConnectionException, match="NOT_IMPLEMENTED - immediate=true"):
            publish(channel, "jobs", b"1", immediate=True)
        with pytest.raises(ConnectionException, match="NOT_IMPLEMENTED - immediate=true"):
            channel.refuse_oversize(Publish("", "jobs", immediate=True), 101, 2)

    def test_to_an_internal_exchange_is_refused(self, client: Client) -> None:
        vhost = client.connection.vhost
        vhost.declare_exchange("inside", "fanout", internal=True)

        with pytest.raises(
            ChannelException,
            match="ACCESS_REFUSED - cannot publish to internal exchange 'inside' in vhost '/'",
        ):
            publish(client.connection.channels[1], "k", b"1", exchange="inside")

    def test_many_messages_together_may_be_larger_than_one(self, client: Client) -> None:
        channel = client.connection.channels[1]

        publish(channel, "jobs", b"." * 60, b"." * 60, b"." * 60)

        assert channel.vhost.queue("jobs").ready_count == 3

    def test_what_stands_before_a_message_that_is_too_large_is_published(
        self, client: Client
    ) -> None:
        channel = client.connection.channels[1]

        with pytest.raises(ChannelException, match="message size 101 is larger than configured"):
            publish(channel, "jobs", b"." * 60, b"." * 101, b"." * 60)

        assert channel.vhost.queue("jobs").ready_count == 1

    def test_a_body_that_was_not_kept_is_refused(self, client: Client) -> None:
        channel = client.connection.channels[1]

        with pytest.raises(ChannelException, match="message size 101 is larger than configured"):
            channel.refuse_oversize(Publish("", "jobs"), 101, 2)
        with pytest.raises(AssertionError):
            channel.refuse_oversize(Publish("", "jobs"), 100, 2)

    def test_a_message_with_several_keys_goes_to_all_of_them(self, client: Client) -> None:
        channel = client.connection.channels[1]
        copies = declare(channel, "copies")
        headers = {"CC": Field("A", [longstr("copies"), longstr("jobs")])}

        publish(channel, "jobs", b"1", properties=properties_of(headers=headers))

        assert (channel.vhost.queue("jobs").ready_count, copies.ready_count) == (1, 1)

    def test_a_return_is_told_before_its_confirm(self, client: Client) -> None:
        """(C2)."""
        channel = client.connection.channels[1]
        channel.select_confirms()

        publish(channel, "nowhere", b"1", b"2", mandatory=True)
        publish(channel, "nowhere", b"3")

        assert client.finish_pass() == [
            Returned(1, 312, "NO_ROUTE", b"1"),
            Returned(1, 312, "NO_ROUTE", b"2"),
            Confirmed(1, 3, True),
        ]

    def test_on_a_transactional_channel_waits(self, client: Client) -> None:
        channel = client.connection.channels[1]
        channel.select_transactions()

        publish(channel, "jobs", b"1", properties=properties_of(headers={"a": longstr("b")}))

        assert channel.vhost.queue("jobs").ready_count == 0
        channel.commit()
        assert channel.vhost.queue("jobs").ready_count == 1


class TestTheChannelsLimit:
    """A global prefetch is for all consumers of the channel together (S-245)."""

    def test_counts_deliveries_of_all_its_consumers(self, client: Client) -> None:
        channel = client.connection.channels[1]
        declare(channel, "more")
        channel.set_prefetch(2, is_global=True)
        for name in ("jobs", "more"):
            consume(channel, name, f"from {name}")
            publish(channel, name, b"1", b"2")

        assert len(client.finish_pass()) == 2
        channel.ack(1, multiple=False)

        assert len(client.finish_pass()) == 1

    def test_can_be_raised_and_taken_back(self, client: Client) -> None:
        channel = client.connection.channels[1]
        channel.set_prefetch(1, is_global=True)
        consume(channel, "jobs", "c")
        publish(channel, "jobs", *[b"."] * 6)
        assert len(client.finish_pass()) == 1

        channel.set_prefetch(3, is_global=True)
        assert len(client.finish_pass()) == 2
        channel.set_prefetch(2, is_global=True)
        assert len(client.finish_pass()) == 0
        channel.set_prefetch(5, is_global=False)

        assert len(client.finish_pass()) == 3

    def test_of_a_quorum_queue_is_not_offered(self, client: Client) -> None:
        channel = client.connection.channels[1]
        declare(channel, "q", durable=True, arguments={"x-queue-type": longstr("quorum")})
        channel.set_prefetch(2, is_global=True)

        with pytest.raises(
            AMQPException, match="queue 'q' in vhost '/' does not support global qos"
        ):
            consume(channel, "q")


def test_without_confirms_there_is_nothing_to_tell(client: Client) -> None:
    channel = client.connection.channels[1]
    publish(channel, "jobs", b"1")

    channel.tell_confirms()

    assert client.finish_pass() == []


def test_a_quorum_queue_with_a_single_active_consumer_gives_nothing_to_others(
    client: Client,
) -> None:
    channel = client.connection.channels[1]
    arguments = {"x-queue-type": longstr("quorum"), "x-single-active-consumer": Field("t", True)}
    declare(channel, "q", durable=True, arguments=arguments)

    with pytest.raises(ChannelException, match="get operations are not supported by quorum"):
        channel.get("q", no_ack=True)


def test_getting_from_an_empty_queue_gets_nothing(client: Client) -> None:
    channel = client.connection.channels[1]

    assert channel.get("jobs", no_ack=False) is None
    assert channel.last_delivery_tag == 0


def test_closing_leaves_nothing_and_gives_back_what_was_held(client: Client) -> None:
    """(C3)."""
    channel = client.connection.channels[1]
    auto = declare(channel, "auto", auto_delete=True)
    for name in ("jobs", "auto"):
        publish(channel, name, b"1")
        consume(channel, name)
    client.finish_pass()

    client.connection.close_channel(1)

    vhost = client.connection.vhost
    assert repr(vhost.queue("jobs")) == "<Queue 'jobs' ready=1 unacked=0 consumers=0>"
    assert auto.is_deleted
    answer = vhost.queue("jobs").get(no_ack=True)
    assert answer is not None
    assert answer[2], "it is marked redelivered"


def test_deliveries_to_who_does_not_ack_use_up_tags_too(client: Client) -> None:
    """(C1)."""
    channel = client.connection.channels[1]
    consume(channel, "jobs", "c", no_ack=True)
    publish(channel, "jobs", b"1")
    client.finish_pass()
    publish(channel, "jobs", b"2")

    assert client.finish_pass() == [Delivered(1, "c", 2, False, b"2")]
    with pytest.raises(ChannelException, match="unknown delivery tag 2"):
        channel.ack(2, multiple=False)


def test_a_plain_message_is_shared_by_its_queues(client: Client) -> None:
    """(Message): queues hold the same object, nobody changes it."""
    channel, vhost = client.connection.channels[1], client.connection.vhost
    for name in ("jobs", "copies"):
        vhost.bind("amq.fanout", vhost.queues.get(name) or declare(channel, name), "", {})
    message = message_of(Publish("amq.fanout", ""), b"1")

    channel.publish(message.publish, [message], len(message.content), is_plain=True)

    for name in ("jobs", "copies"):
        answer = vhost.queue(name).get(no_ack=True)
        assert answer is not None
        assert answer[1] is message
