"""Limits of the whole broker, whoever its clients are.  None: no limit.

Each refusal has RabbitMQ's code and text where RabbitMQ has the limit, else such as it would
have.  Lowering a limit ends nothing that is there.  What a user or a vhost may have besides is
`usage_limits.py`'s part.
"""

from typing import TYPE_CHECKING, Final

import attrs

from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.constants import DEFAULT_FRAME_MAX
from amqpbroker.spec.errors import not_allowed, precondition_failed

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker
    from amqpbroker.engine.channel import Channel
    from amqpbroker.engine.exchange import Exchange

#: What stands for the node's name in RabbitMQ's texts.
NODE_NAME: Final = "amqpbroker"


@attrs.frozen
class NodeLimits:
    """How much there may be of what clients make."""

    connection_max: int | None = 100_000  # open ones
    channel_max_per_node: int | None = 1_000_000  # of all connections together
    consumer_max_per_channel: int | None = 100_000
    queue_max: int | None = 100_000  # in all vhosts together
    exchange_max: int | None = 100_000  # as above, those that are always there included
    binding_max: int | None = 1_000_000  # as above
    topic_word_max: int | None = 256  # of a binding key at a topic exchange; 255 bytes have no more
    consumer_timeout_ms: int | None = 1_800_000  # until a delivery must be acked (S-262)
    header_bytes_max: int = DEFAULT_FRAME_MAX  # of a message's properties; a frame has no more


DEFAULT_NODE_LIMITS: Final = NodeLimits()


def check_connection(broker: "Broker") -> None:
    """Refuse a connection that would be one too many: 530 (S-043)."""
    limit = broker.limits.connection_max
    if limit is not None and len(broker.connections) >= limit:
        raise not_allowed(f"connection refused: node connection limit ({limit}) is reached")


def check_channel(broker: "Broker") -> None:
    """Refuse a channel that would be one too many: 530 (S-078)."""
    limit = broker.limits.channel_max_per_node
    if limit is not None and broker.channel_count >= limit:
        raise not_allowed(
            f"number of channels opened on node '{NODE_NAME}' has reached the maximum allowed "
            f"limit of ({limit})"
        ).caused_by_no_method()


def check_consumer(channel: "Channel") -> None:
    """Refuse a consumer that would be one too many: 530 (S-229)."""
    limit = channel.vhost.broker.limits.consumer_max_per_channel
    if limit is not None and len(channel.consumers) >= limit:
        raise not_allowed(f"reached maximum ({limit}) of consumers per channel")


def check_queue(broker: "Broker", queue_name: str) -> None:
    """Refuse a queue that would be one too many: 406 (S-155)."""
    limit = broker.limits.queue_max
    if limit is not None and sum(len(one.queues) for one in broker.vhosts.values()) >= limit:
        raise precondition_failed(
            f"cannot declare queue '{queue_name}': queue limit in cluster ({limit}) is reached"
        )


def check_exchange(broker: "Broker", subject: str) -> None:
    """Refuse an exchange that would be one too many: 406 (S-111)."""
    limit = broker.limits.exchange_max
    if limit is not None and sum(len(one.exchanges) for one in broker.vhosts.values()) >= limit:
        raise precondition_failed(f"cannot declare {subject}: exchange limit of {limit} is reached")


def check_binding(source: "Exchange", binding: Binding) -> None:
    """Refuse a binding that would be one too many, or has too many words: 406."""
    broker, subject = source.vhost.broker, binding.destination
    limit = broker.limits.binding_max
    if limit is not None and sum(one.binding_count for one in broker.vhosts.values()) >= limit:
        if source.find(binding) is None:
            raise precondition_failed(f"cannot bind {subject}: binding limit of {limit} is reached")
    limit = broker.limits.topic_word_max
    if limit is not None and source.type == "topic" and binding.routing_key.count(".") >= limit:
        raise precondition_failed(
            f"cannot bind {subject}: routing key has more words than configured max {limit}"
        )


def check_header_size(broker: "Broker", header_bytes: int) -> None:
    """Refuse properties that are larger than this broker takes: 406."""
    limit = broker.limits.header_bytes_max
    if header_bytes > limit:
        raise precondition_failed(
            f"message header size {header_bytes} is larger than configured max size {limit}"
        )
