"""What a test has left behind in its vhost, in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from amqpbroker.engine import near_miss
from amqpbroker.engine.vhost import VHost
from amqpbroker.testing.publish_record import PublishedMessage

if TYPE_CHECKING:
    from amqpbroker.testing.local_broker import LocalBroker

#: How many things of a kind are listed.
_LISTED_MAX: Final = 10


def find_leftovers(broker: "LocalBroker", vhost_name: str) -> list[str]:
    """What is still open in the vhost, unacked, or was published and went nowhere.

    What was mandatory and given back to its publisher is no leftover: somebody was told.
    """
    return broker.look(_find, broker, vhost_name) if broker.is_running else []


def _find(broker: "LocalBroker", vhost_name: str) -> list[str]:
    vhost = broker.engine.vhosts.get(vhost_name)
    if vhost is None:
        return []
    unroutable = [
        message
        for message in broker.publish_record.messages(vhost_name)
        if message.is_unroutable and not message.was_returned
    ]
    return [
        *_shortened(list(_open_connections(broker, vhost)), "open connections"),
        *_shortened(list(_unacked(vhost)), "queues with unacked messages"),
        *_shortened([_explain(vhost, one) for one in unroutable], "unroutable messages"),
    ]


def describe_vhost(broker: "LocalBroker", vhost_name: str) -> list[str]:
    """The vhost's queues, and what was published in it last: a line each."""

    def describe() -> list[str]:
        vhost = broker.engine.vhosts.get(vhost_name)
        queues = [] if vhost is None else list(map(repr, vhost.queues.values()))
        published = broker.publish_record.messages(vhost_name)[-_LISTED_MAX:]
        return [*_shortened(queues, "queues"), *map(repr, published)]

    return broker.look(describe) if broker.is_running else []


def _open_connections(broker: "LocalBroker", vhost: VHost) -> Iterator[str]:
    for connection in broker.engine.connections:
        if connection.vhost is vhost:
            consumers = sum(len(channel.consumers) for channel in connection.channels.values())
            name = f" '{connection.client_name}'" if connection.client_name else ""
            yield (
                f"an open connection{name} of user '{connection.user.name}' with "
                f"{len(connection.channels)} channels and {consumers} consumers"
            )


def _unacked(vhost: VHost) -> Iterator[str]:
    for queue in vhost.queues.values():
        if queue.unacked_count:
            yield f"{queue.unacked_count} unacked messages of queue '{queue.name}'"


def _explain(vhost: VHost, message: PublishedMessage) -> str:
    exchange = vhost.exchanges.get(message.exchange)
    why = f"there is no exchange '{message.exchange}' any more"
    if exchange is not None:
        why = near_miss.explain(exchange, (message.routing_key,), message.raw.properties)
    return f"a message that went nowhere: {message}: {why}"


def _shortened(lines: list[str], what: str) -> list[str]:
    if len(lines) <= _LISTED_MAX:
        return lines
    return [*lines[:_LISTED_MAX], f"and {len(lines) - _LISTED_MAX} more {what}"]
