"""A queue in a test's hand: declared, filled, looked at and emptied without a client."""

from __future__ import annotations

import pytest
from kit_stage import a_client, declare, take

from amqpbroker.spec import methods as m
from amqpbroker.spec.errors import ChannelException
from amqpbroker.testing import LocalBroker, QueueHandle, VHostHandle


@pytest.fixture
def queue(vhost: VHostHandle) -> QueueHandle:
    return vhost.queue("jobs").declare()


def test_it_tells_what_is_there(queue: QueueHandle, vhost: VHostHandle) -> None:
    assert (queue.exists, vhost.queue("nope").exists) == (True, False)
    assert (queue.ready_count, queue.unacked_count, queue.consumer_count) == (0, 0, 0)
    assert list(vhost.queues) == ["jobs"]
    assert repr(queue) == f"<QueueHandle 'jobs' in vhost '{vhost.name}'>"


def test_what_is_not_there_is_said_with_what_is(queue: QueueHandle, vhost: VHostHandle) -> None:
    with pytest.raises(LookupError, match=r"no queue 'job' in vhost '.*'; there are 'jobs'"):
        _ = vhost.queue("job").ready_count
    queue.delete()
    with pytest.raises(LookupError, match=r"no queue 'job' in vhost '.*', nor any other"):
        vhost.queue("job").publish(b"x")


def test_it_is_declared_as_by_a_client(queue: QueueHandle, vhost: VHostHandle) -> None:
    queue.declare()
    with pytest.raises(ChannelException, match="inequivalent arg 'durable' for queue 'jobs'"):
        queue.declare(durable=True)
    short = vhost.queue("short").declare(arguments={"x-max-length": 1})
    for number in range(3):
        short.publish(str(number))

    assert [message.text for message in short.messages] == ["2"]


def test_messages_are_published_and_got(queue: QueueHandle) -> None:
    queue.publish(json={"id": 1}, headers={"tenant": "a"}, priority=3, message_id="m1")
    queue.publish("text")
    queue.publish()
    first, second, third, none = [queue.get() for _ in range(4)]

    assert first is not None
    assert (first.json(), first.headers) == ({"id": 1}, {"tenant": "a"})
    assert first.properties == {
        "content_type": "application/json",
        "priority": 3,
        "message_id": "m1",
    }
    assert second is not None
    assert third is not None
    assert (second.text, third.body, none) == ("text", b"", None)


def test_a_property_that_amqp_does_not_have_is_refused(queue: QueueHandle) -> None:
    with pytest.raises(TypeError, match="no property is called 'prio'; there are headers, content"):
        queue.publish(b"x", prio=3)


def test_clients_get_what_is_published(
    queue: QueueHandle, local: LocalBroker, vhost: VHostHandle
) -> None:
    with a_client(local, vhost.name) as channel:
        channel.consume("jobs")
        queue.publish(b"x")

        assert take(channel)[0] == b"x"
        assert queue.consumer_count == 1


def test_looking_at_messages_disturbs_nothing(
    queue: QueueHandle, local: LocalBroker, vhost: VHostHandle
) -> None:
    for number in range(4):
        queue.publish(str(number))
    with a_client(local, vhost.name) as channel:
        channel.call(m.BasicQos(prefetch_count=1), m.BasicQosOk)
        channel.consume("jobs", "worker")
        _, delivery_tag = take(channel)
        got = channel.get("jobs", no_ack=False)
        assert got is not None
        for _ in range(2):
            assert [
                (message.text, message.is_unacked, message.consumer_tag)
                for message in queue.messages
            ] == [("2", False, None), ("3", False, None), ("0", True, "worker"), ("1", True, None)]
        assert repr(queue.messages[0]) == "<QueuedMessage ready routing_key='jobs' '2'>"
        assert repr(queue.messages[2]) == "<QueuedMessage unacked routing_key='jobs' '0'>"
        channel.send(m.BasicReject(delivery_tag, requeue=True))

        assert take(channel)[0] == b"0"


def test_messages_that_expire_are_seen_until_then(local: LocalBroker, vhost: VHostHandle) -> None:
    queue = vhost.queue("wait").declare(arguments={"x-message-ttl": 60_000})
    local.clock.freeze()
    queue.publish(b"x")
    local.clock.advance("59s")
    assert [message.body for message in queue.messages] == [b"x"]
    local.clock.advance("1s")

    assert queue.messages == []


def test_it_is_emptied_and_deleted(queue: QueueHandle, vhost: VHostHandle) -> None:
    queue.publish(b"x")
    queue.publish(b"y")
    assert queue.purge() == 2
    queue.publish(b"z")
    assert queue.delete() == 1

    assert vhost.queues == {}


def test_exchanges_route_to_it(queue: QueueHandle, vhost: VHostHandle) -> None:
    source = vhost.exchange("source").declare("topic")
    exchange = vhost.exchange("shop").declare("direct").bind("source", "orders.#")
    queue.bind("shop", "orders.new")
    source.publish("orders.new", json=[1])
    source.publish("orders.old", b"nowhere")

    assert [message.json() for message in queue.messages] == [[1]]
    assert {"source", "shop", "amq.topic", ""} <= set(vhost.exchanges)
    exchange.delete()
    assert (exchange.exists, source.exists) == (False, True)


def test_what_an_exchange_cannot_be_is_refused_as_to_a_client(vhost: VHostHandle) -> None:
    with pytest.raises(ChannelException, match="no exchange 'nope'"):
        vhost.exchange("nope").publish("key")
    vhost.exchange("shop").declare("topic")
    with pytest.raises(ChannelException, match="inequivalent arg 'type'"):
        vhost.exchange("shop").declare("fanout")


def test_a_long_body_is_shown_in_part(queue: QueueHandle) -> None:
    queue.publish("x" * 1000)
    queue.publish(bytes([255]) * 3)

    assert repr(queue.messages[0]).endswith("xxx... (1000 bytes)>")
    assert repr(queue.messages[1]).endswith(r"b'\xff\xff\xff'>")


def test_exclusive_queues_of_clients_can_be_looked_at(
    local: LocalBroker, vhost: VHostHandle
) -> None:
    with a_client(local, vhost.name) as channel:
        channel.call(m.QueueDeclare(queue="mine", exclusive=True), m.QueueDeclareOk)
        channel.publish("", "mine", b"x")
        declare(channel, "other")

        assert [message.body for message in vhost.queue("mine").messages] == [b"x"]
