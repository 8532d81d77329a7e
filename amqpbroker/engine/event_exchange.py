"""The event exchange: a message for whatever comes, goes or is changed, for whoever binds to it.

Once it is on, the first vhost has the exchange `amq.rabbitmq.event`, and what happens is published
there: the routing key says what, the headers say to what, and the body is empty (S-350).  The keys
and the headers are those of RabbitMQ's plugin, and so are their forms: arguments of queues and
exchanges are texts that show Erlang terms, and what RabbitMQ names by a process has a name here
that looks like one.

RabbitMQ tells of a consumer of a deleted queue twice, and of parameters as it deletes an exchange;
we do not.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, cast

from amqpbroker.engine.ports import EventWitness
from amqpbroker.engine.predeclared import EVENT_EXCHANGE
from amqpbroker.engine.queue_arguments import TYPE_NAMES
from amqpbroker.spec.constants import DEFAULT_FRAME_MAX
from amqpbroker.spec.message import Message, Publish, encode_content
from amqpbroker.spec.properties import DELIVERY_MODE_PERSISTENT, properties_of
from amqpbroker.spec.table import EMPTY_TABLE, Field, Table, decode_table, longstr
from amqpbroker.spec.terms import row_term

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker
    from amqpbroker.engine.channel import Channel
    from amqpbroker.engine.connection import Connection
    from amqpbroker.engine.consumer import Consumer
    from amqpbroker.engine.exchange import Exchange
    from amqpbroker.engine.queue import Queue
    from amqpbroker.engine.routing.router import Binding
    from amqpbroker.engine.vhost import VHost

_PROTOCOL: Final = "{0,9,1}"

#: Values as they are given; `_fields` gives them their kinds.
_Told = Mapping[str, object]


class EventExchange(EventWitness):
    """Publishes events to one exchange."""

    def __init__(self, broker: "Broker", exchange: "Exchange") -> None:
        self._broker = broker
        self._exchange = exchange

    def vhost_created(self, vhost: "VHost") -> None:
        """Its predeclared exchanges came first."""
        for exchange in vhost.exchanges.values():
            self.exchange_created(exchange)
        is_traced = self._broker.firehose.is_on(vhost)
        default_type = vhost.default_queue_type or "classic"
        told = {"description": "", "default_queue_type": default_type, "tracing": is_traced}
        self._tell("vhost.created", {"name": vhost.name, "tags": [], **told})

    def vhost_deleted(self, vhost: "VHost") -> None:
        """All that it had went before."""
        self._tell("vhost.deleted", {"name": vhost.name})

    def exchange_created(self, exchange: "Exchange") -> None:
        """With all that was asked for."""
        told = {
            "name": exchange.name,
            "vhost": exchange.vhost.name,
            "type": exchange.type,
            "durable": exchange.durable,
            "auto_delete": exchange.auto_delete,
            "internal": exchange.internal,
            "arguments": _terms(exchange.arguments),
            "policy": "",
        }
        self._tell("exchange.created", told)

    def exchange_deleted(self, exchange: "Exchange") -> None:
        """By its name."""
        self._tell("exchange.deleted", {"name": exchange.name, "vhost": exchange.vhost.name})

    def queue_created(self, queue: "Queue") -> None:
        """With all that was asked for."""
        arguments = {"x-queue-type": longstr(queue.rules.queue_type), **queue.arguments}
        told: dict[str, object] = {
            "name": queue.name,
            "vhost": queue.vhost.name,
            "type": TYPE_NAMES[queue.rules.queue_type],
            "durable": queue.durable,
            "auto_delete": queue.auto_delete,
            "exclusive": queue.exclusive_owner is not None,
            "arguments": _terms(dict(sorted(arguments.items()))),
        }
        if not queue.rules.is_quorum:
            owner = queue.exclusive_owner
            told["owner_pid"] = "" if owner is None else self._process_of(owner)
            told["leader"] = self._broker.node_name
            told["members"] = [self._broker.node_name]
        self._tell("queue.created", told)

    def queue_deleted(self, queue: "Queue") -> None:
        """By its name."""
        type_name = TYPE_NAMES[queue.rules.queue_type]
        told = {"name": queue.name, "vhost": queue.vhost.name, "type": type_name}
        self._tell("queue.deleted", told)

    def binding_created(self, vhost: "VHost", binding: "Binding") -> None:
        """With its ends."""
        self._tell("binding.created", _binding(vhost, binding))

    def binding_deleted(self, vhost: "VHost", binding: "Binding") -> None:
        """With its ends."""
        self._tell("binding.deleted", _binding(vhost, binding))

    def consumer_created(self, consumer: "Consumer") -> None:
        """With all that was asked for."""
        told = {
            "ack_required": not consumer.no_ack,
            "exclusive": consumer.exclusive,
            "prefetch_count": consumer.prefetch_count,
            "arguments": _terms(consumer.arguments),
        }
        self._tell("consumer.created", {**self._consumer(consumer), **told})

    def consumer_deleted(self, consumer: "Consumer") -> None:
        """By its channel and tag."""
        self._tell("consumer.deleted", self._consumer(consumer))

    def connection_created(self, connection: "Connection") -> None:
        """With what was agreed."""
        facts = connection.facts
        peer, here = facts.peer, facts.here
        told = {
            "name": facts.name,
            "user": connection.user.name,
            "vhost": connection.vhost.name,
            "pid": self._process_of(connection),
            "auth_mechanism": facts.mechanism,
            "channel_max": facts.channel_max,
            "frame_max": facts.frame_max,
            "timeout": facts.heartbeat_seconds,
            "host": _host_term(here[0]),
            "port": here[1],
            "peer_host": _host_term(peer[0]),
            "peer_port": peer[1],
            "ssl": facts.is_tls,
            "connected_at": self._broker.now_ms,
            "type": "network",
            "protocol": _PROTOCOL,
            **dict.fromkeys(_NOT_TOLD, ""),
        }
        user_name = connection.user.name
        self._tell("connection.created", {**told, **self._client(connection)}, user_name)

    def connection_closed(self, connection: "Connection") -> None:
        """By its name."""
        told = {"name": connection.name, "pid": self._process_of(connection)}
        self._tell("connection.closed", {**told, **self._client(connection)}, None)

    def channel_created(self, channel: "Channel") -> None:
        """With its connection."""
        connection = channel.connection
        told = {
            "pid": self._process_of(connection, channel.number),
            "connection": self._process_of(connection),
            "name": f"{connection.name} ({channel.number})",
            "number": channel.number,
            "user": connection.user.name,
            "vhost": channel.vhost.name,
        }
        self._tell("channel.created", told, connection.user.name)

    def channel_closed(self, channel: "Channel") -> None:
        """By what stands for its process."""
        connection = channel.connection
        told = {"pid": self._process_of(connection, channel.number), "consumer_count": 0}
        self._tell("channel.closed", told, connection.user.name)

    def authentication_succeeded(
        self, user_name: str, mechanism_name: str, peer_address: str
    ) -> None:
        """Before it is known which vhost the client wants."""
        told = _login(user_name, mechanism_name, peer_address)
        self._tell("user.authentication.success", told, None)

    def authentication_failed(self, user_name: str, mechanism_name: str, peer_address: str) -> None:
        """For whatever reason."""
        reason = f"user '{user_name}' - invalid credentials"
        told = {**_login(user_name, mechanism_name, peer_address), "error": list(reason.encode())}
        self._tell("user.authentication.failure", told, None)

    def alarm_set(self, resource_name: str) -> None:
        """Publishers wait."""
        self._tell("alarm.set", {"source": resource_name, "node": self._broker.node_name}, None)

    def alarm_cleared(self, resource_name: str) -> None:
        """They go on."""
        self._tell("alarm.cleared", {"source": resource_name, "node": self._broker.node_name}, None)

    def administered(self, event_name: str, told: Mapping[str, object]) -> None:
        """As it is."""
        self._tell(event_name, told)

    # How it is told

    def _tell(self, event_name: str, told: _Told, user_name: str | None = "") -> None:
        """Publish an event; *user_name* has brought it about: "" the acting one, None nobody."""
        if not self._exchange.bindings:
            return
        now_ms = self._broker.now_ms
        headers = {**_fields(told), "timestamp_in_ms": Field("l", now_ms)}
        if user_name is not None:
            user_name = user_name or self._broker.acting_user_name
            headers["user_who_performed_action"] = longstr(user_name)
        properties = properties_of(
            headers=dict(sorted(headers.items())),
            delivery_mode=DELIVERY_MODE_PERSISTENT,
            timestamp=now_ms // 1000,
        )
        publish = Publish(EVENT_EXCHANGE, event_name)
        content = encode_content(1, properties.raw, b"", DEFAULT_FRAME_MAX)
        self._broker.notices.append((self._exchange, Message(publish, properties, content)))

    def _consumer(self, consumer: "Consumer") -> dict[str, object]:
        channel = consumer.channel
        return {
            "consumer_tag": consumer.consumer_tag,
            "queue": consumer.queue.name,
            "vhost": channel.vhost.name,
            "channel": self._process_of(channel.connection, channel.number),
        }

    def _client(self, connection: "Connection") -> dict[str, object]:
        raw = connection.facts.raw_properties
        properties = decode_table(raw, 0, len(raw))[0] if raw else EMPTY_TABLE
        return {"client_properties": _terms(properties), "node": self._broker.node_name}

    def _process_of(self, connection: "Connection", channel_number: int = 0) -> str:
        """What stands for an Erlang process: of the connection, or of its channel."""
        return f"<{self._broker.node_name}.1.{connection.serial}.{channel_number}>"


#: What RabbitMQ tells of TLS, and we do not know.
_NOT_TOLD: Final = (
    "peer_cert_issuer", "peer_cert_subject", "peer_cert_validity", "ssl_cipher", "ssl_hash",
    "ssl_key_exchange", "ssl_protocol",
)  # fmt: skip


def _binding(vhost: "VHost", binding: "Binding") -> _Told:
    return {
        "source_name": binding.source_name,
        "source_kind": "exchange",
        "destination_name": getattr(binding.destination, "name", ""),
        "destination_kind": "exchange" if hasattr(binding.destination, "router") else "queue",
        "routing_key": binding.routing_key,
        "arguments": _terms(binding.arguments),
        "vhost": vhost.name,
    }


def _login(user_name: str, mechanism_name: str, peer_address: str) -> dict[str, object]:
    return {
        "name": user_name,
        "auth_mechanism": mechanism_name,
        "connection_type": "network",
        "peer_host": _host_term(peer_address),
        "protocol": _PROTOCOL,
    }


def _host_term(host: str) -> str:
    """An IPv4 address as Erlang prints it, {127,0,0,1}; others as they are."""
    parts = host.split(".")
    return f"{{{','.join(parts)}}}" if len(parts) == 4 and "".join(parts).isdigit() else host


def _terms(table: Table) -> list[str]:
    """A table as RabbitMQ tells it: a list of texts that show terms."""
    return [row_term(name, field) for name, field in table.items()]


def _fields(told: Mapping[str, object]) -> dict[str, Field]:
    return {name: _field(value) for name, value in told.items()}


def _field(value: object) -> Field:
    """A value in the kind that RabbitMQ gives it."""
    if isinstance(value, bool):
        return Field("t", value)
    if isinstance(value, int):
        return Field("l", value)
    if isinstance(value, float):
        return Field("d", value)
    if isinstance(value, str):
        return longstr(value)
    if isinstance(value, Mapping):
        return Field("F", _fields(cast("Mapping[str, object]", value)))
    return Field("A", [_field(item) for item in cast("Iterable[object]", value)])
