"""A queue, as a test takes hold of it: by its name, whether or not it is there already."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self, TypeVar

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.queue import Queue
from amqpbroker.testing.barriers import TIMEOUT_SECONDS, Condition
from amqpbroker.testing.kit_client import find_queue, kit_channel
from amqpbroker.testing.messages import QueuedMessage, SeenMessage, make_message
from amqpbroker.testing.values import as_table

if TYPE_CHECKING:
    from amqpbroker.testing.local_broker import LocalBroker

T = TypeVar("T")


class QueueHandle:
    """One queue of a vhost.

    What it tells is true of the moment after everything that clients had sent by then was worked
    off: whatever was written to a socket before the call counts.  Where the queue is not there,
    it raises `LookupError`.
    """

    def __init__(self, broker: "LocalBroker", vhost_name: str, name: str) -> None:
        self._broker = broker
        self.vhost_name = vhost_name
        self.name = name

    def __repr__(self) -> str:
        return f"<QueueHandle '{self.name}' in vhost '{self.vhost_name}'>"

    # What is there

    @property
    def exists(self) -> bool:
        """Whether it is declared."""
        return self._broker.look(
            lambda: self.name in self._broker.engine.vhosts[self.vhost_name].queues
        )

    @property
    def ready_count(self) -> int:
        """How many messages wait, not counting the unacked."""
        return self._broker.look(lambda: self._queue().ready_count)

    @property
    def unacked_count(self) -> int:
        """How many messages are with clients that have not settled them."""
        return self._broker.look(lambda: self._queue().unacked_count)

    @property
    def consumer_count(self) -> int:
        """How many consumers it has."""
        return self._broker.look(lambda: len(self._queue().consumers))

    @property
    def messages(self) -> list[QueuedMessage]:
        """What it holds: the ready messages in the order of their delivery, then the unacked.

        Nothing is disturbed: no message is delivered, marked or moved by it.
        """
        return self._broker.look(self._peek)

    def _peek(self) -> list[QueuedMessage]:
        queue = self._queue()
        found = [
            QueuedMessage(queue.shown(position, message), None, is_unacked=False)
            for position, message in queue.order.entries()
        ]
        for connection in self._broker.engine.connections:
            for channel in connection.channels.values():
                for _, (consumer, held_by, position, message) in channel.unacked:
                    if held_by is queue:
                        tag = None if consumer is None else consumer.consumer_tag
                        shown = queue.shown(position, message)
                        found.append(QueuedMessage(shown, tag, is_unacked=True))
        return found

    # What a test does with it

    def declare(
        self,
        *,
        durable: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, object] | None = None,
    ) -> Self:
        """Declare it, as queue.declare does; raises the 406 that a client would be answered."""

        def declare(channel: Channel) -> None:
            topology.declare_queue(
                channel,
                self.name,
                durable=durable,
                exclusive=False,
                auto_delete=auto_delete,
                arguments=as_table(arguments or {}),
            )

        self._with_channel(declare)
        return self

    def bind(
        self, exchange: str, routing_key: str = "", *, arguments: Mapping[str, object] | None = None
    ) -> Self:
        """Bind it to an exchange, as queue.bind does; raises the 404 that a client would see."""
        table = as_table(arguments or {})
        self._with_channel(
            lambda channel: topology.bind_queue(channel, self.name, exchange, routing_key, table)
        )
        return self

    def publish(
        self,
        body: bytes | str | None = None,
        *,
        json: object = None,
        headers: Mapping[str, object] | None = None,
        **properties: object,
    ) -> None:
        """Publish a message to this queue, by the default exchange.

        The properties have AMQP's names: ``publish(json={"id": 1}, priority=5, message_id="m1")``.
        It does not count among the messages that the broker has seen published.
        """
        message = make_message("", self.name, body, json, headers, properties)
        is_plain = not message.properties.needs_a_look

        def publish(channel: Channel) -> None:
            self._queue()
            channel.publish(message.publish, (message,), len(message.content), is_plain=is_plain)

        self._with_channel(publish)

    def get(self) -> SeenMessage | None:
        """Take out the next message, as basic.get with no-ack does; None when there is none."""

        def get(channel: Channel) -> SeenMessage | None:
            answer = channel.get(self.name, no_ack=True)
            return None if answer is None else SeenMessage(answer[1])

        return self._with_channel(get)

    def purge(self) -> int:
        """Drop all ready messages; how many there were."""
        return self._broker.look(lambda: self._queue().purge())

    def delete(self) -> int:
        """Delete it, whoever uses it; how many messages were ready."""
        return self._broker.look(lambda: self._broker.engine.delete_queue(self._queue()))

    # Waiting

    def wait_for(
        self,
        *,
        ready: int | None = None,
        unacked: int | None = None,
        consumers: int | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """Wait until it is there and has exactly so many of what is given.

        Raises `StillOutstanding`, a `TimeoutError`, after *timeout* seconds.
        """
        __tracebackhide__ = True
        self._broker.barriers.wait(*self._wish(ready, unacked, consumers), timeout)

    async def async_wait_for(
        self,
        *,
        ready: int | None = None,
        unacked: int | None = None,
        consumers: int | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """As `wait_for`, for code under asyncio or trio."""
        await self._broker.barriers.async_wait(*self._wish(ready, unacked, consumers), timeout)

    def _wish(
        self, ready: int | None, unacked: int | None, consumers: int | None
    ) -> tuple[str, Condition]:
        wishes = {"ready": ready, "unacked": unacked, "consumers": consumers}
        wanted = {name: count for name, count in wishes.items() if count is not None}

        def find_missing() -> list[str]:
            if not self._broker.server.is_caught_up:
                return ["clients go on sending"]
            vhost = self._broker.engine.vhosts.get(self.vhost_name)
            queue = None if vhost is None else vhost.queues.get(self.name)
            if queue is None:
                return ["nobody has declared it"]
            counts = {
                "ready": queue.ready_count,
                "unacked": queue.unacked_count,
                "consumers": len(queue.consumers),
            }
            return [
                f"{name}: {counts[name]}, not {count}"
                for name, count in wanted.items()
                if counts[name] != count
            ]

        listed = ", ".join(f"{name}={count}" for name, count in wanted.items())
        return (
            f"waiting for queue '{self.name}' in vhost '{self.vhost_name}' {listed}",
            find_missing,
        )

    # Parts

    def _queue(self) -> Queue:
        return find_queue(self._broker.engine, self.vhost_name, self.name)

    def _with_channel(self, action: Callable[[Channel], T]) -> T:
        def act() -> T:
            with kit_channel(self._broker.engine, self.vhost_name) as channel:
                return action(channel)

        return self._broker.look(act)
