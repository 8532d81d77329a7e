"""Brokers without a network: the engine alone, with clients that are lists.

client = Client(make_broker())
channel = client.open()
declare(channel, "jobs")
publish(channel, "jobs", b"hello")
"""

from __future__ import annotations

from itertools import count

from recording import RecordingOutlet, Told

from amqpbroker.engine import passwords, topology
from amqpbroker.engine.access import User, Users
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.node_limits import DEFAULT_NODE_LIMITS, NodeLimits
from amqpbroker.engine.queue import Queue
from amqpbroker.spec.constants import DEFAULT_FRAME_MAX, DEFAULT_MESSAGE_BYTES_MAX
from amqpbroker.spec.message import Message, Publish, encode_content
from amqpbroker.spec.properties import NO_PROPERTIES, Properties
from amqpbroker.spec.table import EMPTY_TABLE, Table

GUEST = User("guest", passwords.hashed_quickly("guest", b"salt"))


def make_broker(
    message_bytes_max: int = DEFAULT_MESSAGE_BYTES_MAX, limits: NodeLimits = DEFAULT_NODE_LIMITS
) -> Broker:
    """A broker with one user, one vhost, and names that are counted: name-1, name-2, ..."""
    numbers = count(1)
    broker = Broker(
        lambda: f"name-{next(numbers)}",
        users=Users((GUEST,)),
        message_bytes_max=message_bytes_max,
        limits=limits,
    )
    broker.permissions.set("guest", "/")
    return broker


class Client:
    """A connection to a broker, and what it was told."""

    def __init__(
        self, broker: Broker, *, vhost_name: str = "/", wants_cancel_notify: bool = True
    ) -> None:
        self.outlet = RecordingOutlet()
        self.connection = broker.connect(
            GUEST, vhost_name, self.outlet, wants_cancel_notify=wants_cancel_notify
        )

    def open(self, number: int = 1) -> Channel:
        """A new channel."""
        return self.connection.open_channel(number)

    def finish_pass(self) -> list[Told]:
        """What this client is told when the pass ends."""
        self.connection.broker.dispatch()
        self.connection.tell_confirms()
        return self.outlet.take()


def declare(
    channel: Channel,
    queue_name: str = "",
    *,
    durable: bool = False,
    exclusive: bool = False,
    auto_delete: bool = False,
    arguments: Table = EMPTY_TABLE,
) -> Queue:
    """Declare a queue; the one that is there then."""
    state = topology.declare_queue(
        channel,
        queue_name,
        durable=durable,
        exclusive=exclusive,
        auto_delete=auto_delete,
        arguments=arguments,
    )
    return channel.vhost.queues[state.queue_name]


def consume(
    channel: Channel,
    queue_name: str,
    consumer_tag: str = "",
    *,
    no_ack: bool = False,
    exclusive: bool = False,
    arguments: Table = EMPTY_TABLE,
) -> str:
    """Start a consumer; its tag."""
    return channel.consume(
        queue_name, consumer_tag, no_ack=no_ack, exclusive=exclusive, arguments=arguments
    )


def message_of(
    publish: Publish,
    body: bytes,
    properties: Properties = NO_PROPERTIES,
    frame_max: int = DEFAULT_FRAME_MAX,
) -> Message:
    """A message as it comes from the wire."""
    content = encode_content(publish.channel_number, properties.raw, body, frame_max)
    return Message(publish, properties, content)


def publish(
    channel: Channel,
    routing_key: str,
    *bodies: bytes,
    exchange: str = "",
    mandatory: bool = False,
    immediate: bool = False,
    properties: Properties = NO_PROPERTIES,
) -> None:
    """Publish messages alike, one after the other, as the wire hands them over."""
    terms = Publish(
        exchange,
        routing_key,
        mandatory=mandatory,
        immediate=immediate,
        channel_number=channel.number,
    )
    messages = [message_of(terms, body, properties) for body in bodies]
    content_bytes = sum(len(message.content) for message in messages)
    channel.publish(terms, messages, content_bytes, is_plain=not properties.needs_a_look)
