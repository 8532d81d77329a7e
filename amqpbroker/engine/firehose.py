"""The firehose: a copy of every message of a traced vhost, for whoever binds a queue to it.

What clients publish and what they are given is published again to the vhost's exchange
`amq.rabbitmq.trace`, with what is known about it in the headers (S-348):

    publish.EXCHANGE   exchange_name, routing_keys, properties, and routed_queues
    deliver.QUEUE      the same, and redelivered instead of the queues: 0 or 1

and with both the node, vhost, connection, channel and user.  Dead letters are published by the
broker, and told only when they are delivered.  What came through the trace exchange itself is not
told (S-349), so a trace does not feed itself.

While no vhost is traced, the firehose does not watch, and costs nothing.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from amqpbroker.engine.ports import Witness
from amqpbroker.engine.predeclared import TRACE_EXCHANGE
from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.properties import NAMES, Properties, properties_of
from amqpbroker.spec.table import Field, Table, longstr

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker
    from amqpbroker.engine.channel import Channel
    from amqpbroker.engine.consumer import Consumer
    from amqpbroker.engine.queue import Queue
    from amqpbroker.engine.vhost import VHost

_SHORTSTR_BYTES_MAX: Final = 255
_SIGNED_INT_MAX: Final = 2**31 - 1


class Firehose(Witness):
    """Tells the traced vhosts' trace exchanges what happens there."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._traced: dict[VHost, None] = {}

    def is_on(self, vhost: "VHost") -> bool:
        """Whether a vhost is traced."""
        return vhost in self._traced

    def turn_on(self, vhost: "VHost") -> None:
        """Trace a vhost from now on."""
        if not self._traced:
            self._broker.watch(self)
        self._traced[vhost] = None

    def turn_off(self, vhost: "VHost") -> None:
        """Trace a vhost no more."""
        if vhost in self._traced:
            del self._traced[vhost]
            if not self._traced:
                self._broker.unwatch(self)

    # What is told

    def routed(
        self, channel: "Channel | None", messages: Sequence[Message], queues: "Sequence[Queue]"
    ) -> None:
        """Tell of what a client has published."""
        if channel is None or not self._is_told(channel.vhost):
            return
        names = [queue.name for queue in queues]
        for message in messages:
            self._tell_published(channel, message, names)

    def replied(
        self, publisher: "Channel", channel: "Channel", consumer_tag: str, message: Message
    ) -> None:
        """A direct reply was published like any message."""
        if self._is_told(publisher.vhost):
            self._tell_published(publisher, message, [])

    def delivered(
        self,
        consumer: "Consumer",
        first_tag: int,
        positions: Sequence[int],
        messages: Sequence[Message],
        redelivered: bool,
    ) -> None:
        """Tell of what a consumer is given."""
        if not self._is_told(consumer.channel.vhost):
            return
        for position, message in zip(positions, messages, strict=True):
            self._tell_delivered(consumer.channel, consumer.queue, position, message, redelivered)

    def got(
        self,
        channel: "Channel",
        queue: "Queue",
        delivery_tag: int,
        position: int,
        message: Message,
        *,
        redelivered: bool,
        no_ack: bool,
    ) -> None:
        """Tell of what a basic.get is answered."""
        if self._is_told(channel.vhost):
            self._tell_delivered(channel, queue, position, message, redelivered)

    # How it is told

    def _is_told(self, vhost: "VHost") -> bool:
        return vhost in self._traced and bool(vhost.exchanges[TRACE_EXCHANGE].bindings)

    def _tell_published(
        self, channel: "Channel", message: Message, queue_names: Sequence[str]
    ) -> None:
        publish = message.publish
        if not publish.exchange_name:
            queue_names = sorted(message.routing_keys)  # RabbitMQ: whether or not they are there
        told = {"routed_queues": Field("A", [longstr(name) for name in queue_names])}
        self._tell(channel, f"publish.{publish.exchange_name}", message, told)

    def _tell_delivered(
        self, channel: "Channel", queue: "Queue", position: int, message: Message, redelivered: bool
    ) -> None:
        shown = queue.shown(position, message)
        told = {"redelivered": Field("I", int(redelivered))}
        self._tell(channel, f"deliver.{queue.name}", shown, told)

    def _tell(
        self, channel: "Channel", routing_key: str, message: Message, more: dict[str, Field]
    ) -> None:
        publish = message.publish
        if publish.exchange_name == TRACE_EXCHANGE:
            return
        connection, vhost = channel.connection, channel.vhost
        headers: Table = {
            "exchange_name": longstr(publish.exchange_name),
            "routing_keys": Field("A", [longstr(key) for key in message.routing_keys]),
            "properties": Field("F", _table_of(message.properties)),
            "node": longstr(self._broker.node_name),
            "vhost": longstr(vhost.name),
            "connection": longstr(connection.name),
            "channel": Field("I", channel.number),
            "user": longstr(connection.user.name),
            **more,
        }
        properties = properties_of(headers=dict(sorted(headers.items())))
        trace = Publish(
            TRACE_EXCHANGE, _fitting(routing_key), channel_number=publish.channel_number
        )
        copy = message.with_properties(properties)._replace(publish=trace)
        self._broker.notices.append((vhost.exchanges[TRACE_EXCHANGE], copy))


def _table_of(properties: Properties) -> Table:
    """The properties that there are, the last first, as RabbitMQ lists them."""
    table: dict[str, Field] = {}
    for name, kind in reversed(NAMES.items()):
        if name not in properties:
            continue
        if kind == "table":
            table[name] = Field("F", properties.headers)
        elif kind == "shortstr":
            table[name] = longstr(properties.text(name) or "")
        else:
            value: int = getattr(properties, name)
            table[name] = Field("I" if value <= _SIGNED_INT_MAX else "l", value)
    return table


def _fitting(routing_key: str) -> str:
    """As much of a key as a short string holds: names may take all of it themselves."""
    raw = routing_key.encode("utf-8", "surrogateescape")
    return raw[:_SHORTSTR_BYTES_MAX].decode("utf-8", "surrogateescape")
