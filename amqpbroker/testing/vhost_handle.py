"""A vhost and its exchanges, as a test takes hold of them: by their names."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.testing.kit_client import find_vhost, kit_channel
from amqpbroker.testing.leftovers import describe_vhost, find_leftovers
from amqpbroker.testing.messages import make_message
from amqpbroker.testing.published import Published
from amqpbroker.testing.queue_handle import QueueHandle
from amqpbroker.testing.values import as_table

if TYPE_CHECKING:
    from amqpbroker.testing.local_broker import LocalBroker


class VHostHandle:
    """One vhost of a broker."""

    def __init__(self, broker: "LocalBroker", name: str) -> None:
        self._broker = broker
        self.name = name

    def __repr__(self) -> str:
        return f"<VHostHandle '{self.name}'>"

    @property
    def url(self) -> str:
        """Where clients connect to it."""
        return self._broker.url_for(self.name)

    def queue(self, name: str) -> QueueHandle:
        """The queue of that name, which need not be there yet."""
        return QueueHandle(self._broker, self.name, name)

    def exchange(self, name: str) -> "ExchangeHandle":
        """The exchange of that name, which need not be there yet."""
        return ExchangeHandle(self._broker, self.name, name)

    @property
    def queues(self) -> dict[str, QueueHandle]:
        """The queues that are declared, by name."""
        names = self._broker.look(lambda: list(find_vhost(self._broker.engine, self.name).queues))
        return {name: self.queue(name) for name in names}

    @property
    def exchanges(self) -> dict[str, "ExchangeHandle"]:
        """The exchanges that are there, the predeclared ones too, by name."""
        names = self._broker.look(
            lambda: list(find_vhost(self._broker.engine, self.name).exchanges)
        )
        return {name: self.exchange(name) for name in names}

    def published(
        self, routing_key: str | None = None, *, exchange: str | None = None
    ) -> Published:
        """What clients have published in this vhost; see `LocalBroker.published`."""
        return self._broker.published(routing_key, exchange=exchange, vhost=self.name)

    def leftovers(self) -> list[str]:
        """What a test would leave behind now, in words: the plugin's leak report.

        Connections that are open, messages that are unacked, and what clients have published that
        went nowhere without their being told.
        """
        return find_leftovers(self._broker, self.name)

    def describe(self) -> list[str]:
        """Its queues, and what was published last: a line each."""
        return describe_vhost(self._broker, self.name)

    def delete(self) -> None:
        """Delete it and all that it has; whoever is connected to it is closed with 320."""
        self._broker.delete_vhost(self.name)


class ExchangeHandle:
    """One exchange of a vhost."""

    def __init__(self, broker: "LocalBroker", vhost_name: str, name: str) -> None:
        self._broker = broker
        self.vhost_name = vhost_name
        self.name = name

    def __repr__(self) -> str:
        return f"<ExchangeHandle '{self.name}' in vhost '{self.vhost_name}'>"

    @property
    def exists(self) -> bool:
        """Whether it is declared."""
        engine = self._broker.engine
        return self._broker.look(lambda: self.name in engine.vhosts[self.vhost_name].exchanges)

    def declare(
        self,
        exchange_type: str = "direct",
        *,
        durable: bool = False,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Mapping[str, object] | None = None,
    ) -> Self:
        """Declare it, as exchange.declare does; raises the 406 that a client would be answered."""
        self._with_channel(
            lambda channel: channel.vhost.declare_exchange(
                self.name,
                exchange_type,
                durable=durable,
                auto_delete=auto_delete,
                internal=internal,
                arguments=as_table(arguments or {}),
            )
        )
        return self

    def bind(
        self, source: str, routing_key: str = "", *, arguments: Mapping[str, object] | None = None
    ) -> Self:
        """Bind it to another exchange, its source, as exchange.bind does."""
        table = as_table(arguments or {})
        self._with_channel(
            lambda channel: topology.bind_exchange(channel, self.name, source, routing_key, table)
        )
        return self

    def publish(
        self,
        routing_key: str = "",
        body: bytes | str | None = None,
        *,
        json: object = None,
        headers: Mapping[str, object] | None = None,
        **properties: object,
    ) -> None:
        """Publish a message to it; see `QueueHandle.publish`."""
        message = make_message(self.name, routing_key, body, json, headers, properties)
        is_plain = not message.properties.needs_a_look
        self._with_channel(
            lambda channel: channel.publish(
                message.publish, (message,), len(message.content), is_plain=is_plain
            )
        )

    def delete(self) -> None:
        """Delete it and every binding from and to it; nothing when it is not there."""
        self._with_channel(lambda channel: channel.vhost.delete_exchange(self.name))

    def _with_channel(self, action: Callable[[Channel], object]) -> None:
        def act() -> None:
            with kit_channel(self._broker.engine, self.vhost_name) as channel:
                action(channel)

        self._broker.look(act)
