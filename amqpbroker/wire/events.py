"""What can happen on a connection, as values."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.method import Method


class HeaderReceived(NamedTuple):
    """The client speaks AMQP 0-9-1 and waits for connection.start."""


class HeaderRefused(NamedTuple):
    """The client speaks something else; `answer` names what we speak, then the socket closes."""

    answer: bytes
    header: bytes  # what came


class MethodReceived(NamedTuple):
    """A method that may come in this state, and carries no content."""

    channel_number: int
    method: Method


class PublishReceived(NamedTuple):
    """Messages that were published alike, one after the other."""

    channel_number: int
    publish: Publish
    messages: Sequence[Message]
    content_bytes: int  # of all their contents together
    is_plain: bool  # no message's properties need a look


class OversizeReceived(NamedTuple):
    """A message whose body or properties were larger than this broker takes; it was not kept."""

    channel_number: int
    publish: Publish
    body_bytes: int
    header_bytes: int  # of its properties


class AcksReceived(NamedTuple):
    """basic.ack, one or several in a row on one channel."""

    channel_number: int
    acks: Sequence[tuple[int, bool]]  # (delivery_tag, multiple)


Event: TypeAlias = (
    HeaderReceived
    | HeaderRefused
    | MethodReceived
    | PublishReceived
    | OversizeReceived
    | AcksReceived
)
