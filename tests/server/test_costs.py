"""What requests cost grows with what they ask for: twice as much is twice the work, not four times.

The work is counted in lines of Python executed, so that the result is the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from executed import lines_executed

from amqpbroker.engine import topology
from amqpbroker.engine.access import User, Users
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.connection import Connection
from amqpbroker.engine.ports import Deliver
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import ChannelException, ConnectionException
from amqpbroker.spec.message import Message, Publish, encode_content
from amqpbroker.spec.properties import NO_PROPERTIES
from amqpbroker.spec.table import EMPTY_TABLE, Field

COUNT = 300
#: How much twice the work may cost; four times would be a square.
GROWTH_MAX = 2.5
CONTENT = encode_content(1, b"\0\0", b"work", 4096)


class Sink:
    """An outlet that leads nowhere."""

    def deliverer(self, channel_number: int, consumer_tag: str) -> Deliver:
        def deliver(first_tag: int, messages: Sequence[Message], redelivered: bool) -> None:
            pass

        return deliver

    def return_message(
        self, channel_number: int, message: Message, reply_code: ReplyCode, reply_text: str
    ) -> None:
        pass

    def confirm(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        pass

    def refuse(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        pass

    def cancel_consumer(self, channel_number: int, consumer_tag: str) -> None:
        pass

    def close_channel(self, channel_number: int, error: ChannelException) -> None:
        pass

    def close_connection(self, error: ConnectionException) -> None:
        pass


class Scene:
    """A broker, and a client with a channel and a queue."""

    def __init__(self) -> None:
        names = iter(range(10**9))
        self.broker = Broker(lambda: f"name-{next(names)}", users=Users())
        self.broker.permissions.set("guest", "/")
        self.connection = self.connect()
        self.channel = self.connection.open_channel(1)
        self.declare("jobs")

    def connect(self) -> Connection:
        return self.broker.connect(User("guest"), "/", Sink(), wants_cancel_notify=True)

    def declare(self, name: str, *, exclusive: bool = False) -> None:
        topology.declare_queue(
            self.channel, name, durable=False, exclusive=exclusive, auto_delete=False,
            arguments=EMPTY_TABLE,
        )  # fmt: skip

    def bind(self, key: str, exchange_name: str = "amq.topic") -> None:
        topology.bind_queue(self.channel, "jobs", exchange_name, key, EMPTY_TABLE)

    def unbind(self, key: str, exchange_name: str = "amq.topic") -> None:
        topology.unbind_queue(self.channel, "jobs", exchange_name, key, EMPTY_TABLE)

    def consume(self, tag: str, channel: Channel | None = None, *, priority: int = 0) -> None:
        arguments = {"x-priority": Field("I", priority)} if priority else EMPTY_TABLE
        (channel or self.channel).consume(
            "jobs", tag, no_ack=False, exclusive=False, arguments=arguments
        )

    def publish(self, count: int) -> None:
        message = Message(Publish("", "jobs"), NO_PROPERTIES, CONTENT)
        messages = [message] * count
        self.channel.publish(messages[0].publish, messages, len(CONTENT) * count, is_plain=True)

    def take(self, count: int) -> None:
        """Let the channel have unacked messages."""
        self.publish(count)
        self.consume("taker")
        self.broker.dispatch()
        assert len(self.channel.unacked) == count


Act = Callable[[], object]


def many_exclusive_queues_go(scene: Scene, count: int) -> Act:
    for number in range(count):
        scene.declare(f"queue-{number}", exclusive=True)
    return scene.connection.close


def many_consumers_start(scene: Scene, count: int) -> Act:
    return lambda: [scene.consume(f"{number}") for number in range(count)]


def many_consumers_of_one_channel_are_served(scene: Scene, count: int) -> Act:
    scene.channel.set_prefetch(1, is_global=False)
    for number in range(count):
        scene.consume(f"{number}")
    scene.publish(count)
    return scene.broker.dispatch


def many_consumers_of_many_channels_are_served(scene: Scene, count: int) -> Act:
    for number in range(2, count + 2):
        channel = scene.connection.open_channel(number)
        channel.set_prefetch(1, is_global=False)
        scene.consume("one", channel)
    scene.publish(count)
    return scene.broker.dispatch


def many_consumers_go(scene: Scene, count: int) -> Act:
    for number in range(count):
        scene.consume(f"{number}")
    return scene.channel.close


def the_queue_of_many_consumers_goes(scene: Scene, count: int) -> Act:
    for number in range(count):
        scene.consume(f"{number}")
    return lambda: topology.delete_queue(scene.channel, "jobs", if_unused=False, if_empty=False)


def many_priorities_come(scene: Scene, count: int) -> Act:
    return lambda: [scene.consume(f"{n}", priority=n * 7919 % 10_000 + 1) for n in range(count)]


def many_bindings_come(scene: Scene, count: int) -> Act:
    return lambda: [scene.bind(f"key.{number}") for number in range(count)]


def many_bindings_go(scene: Scene, count: int) -> Act:
    for number in range(count):
        scene.bind(f"key.{number}")
    return lambda: [scene.unbind(f"key.{number}") for number in range(count)]


def the_queue_of_many_bindings_goes(scene: Scene, count: int) -> Act:
    for number in range(count):
        scene.bind(f"key.{number}", "amq.direct")
    return lambda: topology.delete_queue(scene.channel, "jobs", if_unused=False, if_empty=False)


def a_full_queue_is_purged(scene: Scene, count: int) -> Act:
    scene.publish(count)
    return lambda: topology.purge_queue(scene.channel, "jobs")


def a_channel_with_many_unacked_goes(scene: Scene, count: int) -> Act:
    scene.take(count)
    return scene.channel.close


def many_are_acked_from_the_newest(scene: Scene, count: int) -> Act:
    scene.take(count)
    return lambda: [scene.channel.ack(tag, multiple=False) for tag in range(count, 0, -1)]


def many_are_acked_with_multiple(scene: Scene, count: int) -> Act:
    scene.take(count)
    return lambda: [scene.channel.ack(tag, multiple=True) for tag in range(1, count + 1)]


def all_is_requeued_and_delivered_again(scene: Scene, count: int) -> Act:
    scene.take(count)

    def requeue() -> None:
        scene.channel.recover()
        scene.broker.dispatch()

    return requeue


def limits_change_often_with_many_consumers(scene: Scene, count: int) -> Act:
    for number in range(count):
        scene.consume(f"{number}")
    return lambda: [scene.channel.set_prefetch(n, is_global=False) for n in range(count)]


@pytest.mark.parametrize(
    "prepare",
    [
        many_exclusive_queues_go,
        many_consumers_start,
        many_consumers_of_one_channel_are_served,
        many_consumers_of_many_channels_are_served,
        many_consumers_go,
        the_queue_of_many_consumers_goes,
        many_priorities_come,
        many_bindings_come,
        many_bindings_go,
        the_queue_of_many_bindings_goes,
        a_full_queue_is_purged,
        a_channel_with_many_unacked_goes,
        many_are_acked_from_the_newest,
        many_are_acked_with_multiple,
        all_is_requeued_and_delivered_again,
        limits_change_often_with_many_consumers,
    ],
)
def test_twice_as_much_costs_twice(prepare: Callable[[Scene, int], Act]) -> None:
    once = lines_executed(prepare(Scene(), COUNT))
    twice = lines_executed(prepare(Scene(), 2 * COUNT))

    assert twice < GROWTH_MAX * once, f"{COUNT}: {once} lines, {2 * COUNT}: {twice}"


def test_publishes_of_a_transaction_count_as_memory_until_it_ends() -> None:
    for end in (Channel.commit, Channel.rollback, Channel.close):
        scene = Scene()
        scene.channel.select_transactions()
        scene.publish(100)
        put_off_bytes = scene.broker.held_bytes
        end(scene.channel)
        queued_bytes = scene.broker.vhosts["/"].queues["jobs"].held_bytes

        assert put_off_bytes >= 100 * len(CONTENT)
        assert scene.broker.held_bytes == queued_bytes
        assert queued_bytes == (put_off_bytes if end is Channel.commit else 0)
