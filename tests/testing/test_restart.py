"""What is lost in a restart, from the engine alone."""

from __future__ import annotations

from collections.abc import Sequence

from brokers import Client, consume, declare, make_broker, publish
from recording import Delivered

from amqpbroker.engine.channel import Channel
from amqpbroker.engine.queue import Queue
from amqpbroker.spec.properties import properties_of
from amqpbroker.spec.table import Field, Table, longstr
from amqpbroker.testing.restart import drop_messages


def a_queue(bodies: Sequence[bytes], **arguments: int | str) -> tuple[Client, Channel, Queue]:
    """A queue with messages; what is in capitals is persistent."""
    client = Client(make_broker())
    channel = client.open()
    table: Table = {
        f"x-{name.replace('_', '-')}": longstr(value)
        if isinstance(value, str)
        else Field("I", value)
        for name, value in arguments.items()
    }
    queue = declare(channel, "jobs", durable=True, arguments=table)
    for body in bodies:
        mode = 2 if body.isupper() else 1
        publish(channel, "jobs", body, properties=properties_of(delivery_mode=mode))
    client.finish_pass()
    return client, channel, queue


def left_in(client: Client, channel: Channel) -> list[bytes]:
    """The bodies that the queue still gives, in their order."""
    consume(channel, "jobs", no_ack=True)
    return [told.body for told in client.finish_pass() if isinstance(told, Delivered)]


def test_what_is_lost_goes_and_the_others_keep_their_order() -> None:
    client, channel, queue = a_queue([b"A", b"b", b"C", b"d", b"E"])

    assert drop_messages(queue, lambda message: not message.properties.is_persistent) == 2
    assert left_in(client, channel) == [b"A", b"C", b"E"]
    assert (queue.held_bytes, queue.unacked_count, queue.broker.held_bytes) == (0, 0, 0)


def test_when_nothing_is_lost_nothing_is_marked_as_redelivered() -> None:
    client, channel, queue = a_queue([b"A", b"B"])

    assert drop_messages(queue, lambda _: False) == 0
    consume(channel, "jobs")
    told = client.finish_pass()
    assert [one.redelivered for one in told if isinstance(one, Delivered)] == [False, False]


def test_a_length_limit_counts_what_is_left() -> None:
    client, channel, queue = a_queue([b"a", b"B", b"c"], max_length=3)
    drop_messages(queue, lambda message: not message.properties.is_persistent)
    publish(channel, "jobs", b"D", b"E")
    client.finish_pass()

    assert left_in(client, channel) == [b"B", b"D", b"E"]


def test_what_is_lost_is_not_dead_lettered() -> None:
    client, channel, queue = a_queue(
        [b"a"], dead_letter_exchange="", dead_letter_routing_key="dead"
    )
    dead = declare(channel, "dead")
    drop_messages(queue, lambda _: True)
    client.finish_pass()

    assert (queue.ready_count, dead.ready_count) == (0, 0)


def test_what_is_left_expires_when_it_would_have() -> None:
    client, _, queue = a_queue([b"A", b"b"], message_ttl=1000)
    drop_messages(queue, lambda message: not message.properties.is_persistent)
    client.finish_pass()
    queue.broker.advance(999)
    client.finish_pass()
    assert queue.ready_count == 1

    queue.broker.advance(1000)
    client.finish_pass()
    assert queue.ready_count == 0


def test_each_priority_keeps_its_order() -> None:
    client, channel, queue = a_queue([b"A", b"b"], max_priority=2)
    publish(channel, "jobs", b"H", properties=properties_of(priority=2, delivery_mode=2))
    drop_messages(queue, lambda message: not message.properties.is_persistent)

    assert left_in(client, channel) == [b"H", b"A"]
