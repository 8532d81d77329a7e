"""What a test sees of a message: Python values, read from the message when they are asked for."""

import json
from collections.abc import Mapping
from typing import Final, cast

from amqpbroker.spec.constants import DEFAULT_FRAME_MAX
from amqpbroker.spec.message import Message, Publish, encode_content
from amqpbroker.spec.properties import NAMES, Properties, properties_of
from amqpbroker.spec.table import Table
from amqpbroker.testing.values import as_dict, as_table

#: How much of a body a description shows, in bytes.
_SHOWN_BYTES_MAX: Final = 60


class SeenMessage:
    """A message as it was published, or as it stands in a queue."""

    def __init__(self, message: Message) -> None:
        #: The engine's message, its bytes as they came from the wire.
        self.raw = message

    @property
    def content(self) -> bytes:
        """Properties and body as they were on the wire; the very object that the engine knows."""
        return self.raw.content

    @property
    def body(self) -> bytes:
        """The body."""
        return self.raw.body

    @property
    def text(self) -> str:
        """The body as text; raises `UnicodeDecodeError` when it is not UTF-8."""
        return self.body.decode()

    def json(self) -> object:
        """What the body says in JSON; raises `ValueError` when it is not JSON."""
        return json.loads(self.body)

    @property
    def exchange(self) -> str:
        """The exchange that it was published to; empty for the default exchange."""
        return self.raw.publish.exchange_name

    @property
    def routing_key(self) -> str:
        """The routing key that it was published with."""
        return self.raw.publish.routing_key

    @property
    def headers(self) -> dict[str, object]:
        """The headers as Python values, ``x-death`` among them after a dead-lettering."""
        return as_dict(self.raw.properties.headers)

    @property
    def properties(self) -> dict[str, object]:
        """The properties that were set, by their AMQP names with underscores, except headers."""
        properties = self.raw.properties
        found = {name: _value(properties, name) for name in NAMES if name != "headers"}
        return {name: value for name, value in found.items() if value is not None}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {describe(self.raw)}>"


class QueuedMessage(SeenMessage):
    """A message in a queue, which does not notice that it is looked at."""

    def __init__(self, message: Message, consumer_tag: str | None, *, is_unacked: bool) -> None:
        super().__init__(message)
        #: Whether a client has it and has not settled it; else it is ready.
        self.is_unacked = is_unacked
        #: Whose it is, if it is unacked and was not got by basic.get.
        self.consumer_tag = consumer_tag

    def __repr__(self) -> str:
        state = "unacked" if self.is_unacked else "ready"
        return f"<QueuedMessage {state} {describe(self.raw)}>"


def describe(message: Message) -> str:
    """A message in a few words: where to, and how its body begins."""
    publish = message.publish
    where = f"exchange={publish.exchange_name!r} " if publish.exchange_name else ""
    shown = message.body[: _SHOWN_BYTES_MAX + 1]
    try:
        text = repr(shown.decode())
    except UnicodeDecodeError:
        text = repr(shown)
    if len(shown) > _SHOWN_BYTES_MAX:
        text = f"{text[:_SHOWN_BYTES_MAX]}... ({message.body_bytes} bytes)"
    return f"{where}routing_key={publish.routing_key!r} {text}"


def make_message(
    exchange_name: str,
    routing_key: str,
    body: bytes | str | None,
    json_body: object,
    headers: Mapping[str, object] | None,
    properties: Mapping[str, object],
) -> Message:
    """A message that a test publishes, of Python values.

    Raises `TypeError` for a property that AMQP does not have.
    """
    values = dict(properties)
    if json_body is not None:
        assert body is None, "give a body or json, not both"
        body = json.dumps(json_body)
        values.setdefault("content_type", "application/json")
    unknown = [name for name in values if name not in NAMES]
    if unknown:
        raise TypeError(
            f"no property is called {unknown[0]!r}; there are headers, "
            f"{', '.join(name for name in NAMES if name != 'headers')}"
        )
    if headers:
        values["headers"] = as_table(headers)
    encoded = properties_of(**cast("dict[str, str | int | Table]", values))
    raw_body = body.encode() if isinstance(body, str) else body or b""
    content = encode_content(1, encoded.raw, raw_body, DEFAULT_FRAME_MAX)
    return Message(Publish(exchange_name, routing_key), encoded, content)


def _value(properties: Properties, name: str) -> object:
    if name == "delivery_mode":
        return properties.delivery_mode
    if name == "priority":
        return properties.priority
    if name == "timestamp":
        return properties.timestamp
    return properties.text(name)
