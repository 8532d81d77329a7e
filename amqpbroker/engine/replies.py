"""Direct reply-to: answers go straight to the channel that asked, without a queue.

A client consumes from the pseudo-queue `amq.rabbitmq.reply-to`; a request that names it in its
reply-to property leaves with the channel's secret name instead, and whoever publishes to that
name reaches the channel.  The name cannot be guessed, bound or declared (S-264 to S-270).
"""

from typing import TYPE_CHECKING, Final

from amqpbroker.engine.ports import Deliver, NameSource
from amqpbroker.spec.message import Message

if TYPE_CHECKING:
    from amqpbroker.engine.channel import Channel

REPLY_QUEUE: Final = "amq.rabbitmq.reply-to"
REPLY_PREFIX: Final = REPLY_QUEUE + "."


class ReplyConsumer:
    """A channel's wish to receive direct replies."""

    __slots__ = ("channel", "consumer_tag", "deliver", "reply_name")

    def __init__(
        self, channel: "Channel", consumer_tag: str, deliver: Deliver, reply_name: str
    ) -> None:
        self.channel = channel
        self.consumer_tag = consumer_tag
        self.deliver = deliver
        self.reply_name = reply_name


class Replies:
    """The reply consumers of all channels, by their secret names."""

    def __init__(self, names: NameSource) -> None:
        self._names = names
        self._consumers: dict[str, ReplyConsumer] = {}  # {reply_name: consumer}

    def open(self, channel: "Channel", consumer_tag: str, deliver: Deliver) -> ReplyConsumer:
        """Let *channel* receive replies, under a new name."""
        reply_name = f"{REPLY_PREFIX}{self._names()}{self._names()}"
        consumer = self._consumers[reply_name] = ReplyConsumer(
            channel, consumer_tag, deliver, reply_name
        )
        return consumer

    def close(self, consumer: ReplyConsumer) -> None:
        """Replies to this name are dropped from now on."""
        del self._consumers[consumer.reply_name]

    def __contains__(self, reply_name: str) -> bool:
        return reply_name in self._consumers

    def deliver(self, message: Message) -> ReplyConsumer | None:
        """Deliver a reply to the channel that its routing key names, or drop it; whom it reached.

        It carries the channel's next delivery tag without using it up (S-268, up to 4.1).
        """
        consumer = self._consumers.get(message.publish.routing_key)
        if consumer is not None:
            consumer.deliver(consumer.channel.last_delivery_tag + 1, [message], False)
        return consumer
