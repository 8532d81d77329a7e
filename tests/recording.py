"""An outlet that keeps what it is told, as values, instead of sending it.

It sits the same exam as the session's outlet: `contracts.check_outlet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from amqpbroker.engine.ports import Deliver
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import ChannelException, ConnectionException
from amqpbroker.spec.message import Message


class Delivered(NamedTuple):
    """basic.deliver."""

    channel_number: int
    consumer_tag: str
    delivery_tag: int
    redelivered: bool
    body: bytes


class Returned(NamedTuple):
    """basic.return."""

    channel_number: int
    reply_code: int
    reply_text: str
    body: bytes


class Confirmed(NamedTuple):
    """basic.ack."""

    channel_number: int
    publish_tag: int
    multiple: bool


class Refused(NamedTuple):
    """basic.nack."""

    channel_number: int
    publish_tag: int
    multiple: bool


class Cancelled(NamedTuple):
    """basic.cancel."""

    channel_number: int
    consumer_tag: str


class ChannelClosed(NamedTuple):
    """channel.close."""

    channel_number: int
    reply_code: int
    reply_text: str


class ConnectionClosed(NamedTuple):
    """connection.close."""

    reply_code: int
    reply_text: str


Told: TypeAlias = (
    Delivered | Returned | Confirmed | Refused | Cancelled | ChannelClosed | ConnectionClosed
)


class RecordingOutlet:
    """`engine.ports.Outlet` for a client that is a list."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def take(self) -> list[Told]:
        """What was told since the last call."""
        told, self.told = self.told, []
        return told

    def deliverer(self, channel_number: int, consumer_tag: str) -> Deliver:
        def deliver(first_tag: int, messages: Sequence[Message], redelivered: bool) -> None:
            self.told += [
                Delivered(channel_number, consumer_tag, tag, redelivered, message.body)
                for tag, message in enumerate(messages, first_tag)
            ]

        return deliver

    def return_message(
        self, channel_number: int, message: Message, reply_code: ReplyCode, reply_text: str
    ) -> None:
        self.told.append(Returned(channel_number, reply_code, reply_text, message.body))

    def confirm(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        self.told.append(Confirmed(channel_number, publish_tag, multiple))

    def refuse(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        self.told.append(Refused(channel_number, publish_tag, multiple))

    def cancel_consumer(self, channel_number: int, consumer_tag: str) -> None:
        self.told.append(Cancelled(channel_number, consumer_tag))

    def close_channel(self, channel_number: int, error: ChannelException) -> None:
        self.told.append(ChannelClosed(channel_number, error.reply_code, error.reply_text))

    def close_connection(self, error: ConnectionException) -> None:
        self.told.append(ConnectionClosed(error.reply_code, error.reply_text))
