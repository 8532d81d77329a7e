"""What the engine asks of the world: a way out, names, and dice.

The engine's verbs answer questions at once; everything that happens later, to whomever, leaves
through an `Outlet`.  Implementations are synchronous and never call back into the engine.
"""

from collections.abc import Sequence
from typing import Protocol

from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import ConnectionException
from amqpbroker.spec.message import Message


class Deliver(Protocol):
    """Sends messages to one consumer.  Made once a consumer, so that it may remember."""

    def __call__(self, first_tag: int, messages: Sequence[Message], redelivered: bool) -> None:
        """Deliver *messages* with consecutive tags from *first_tag*."""
        ...


class Outlet(Protocol):
    """What a connection's client is told without having asked."""

    def deliverer(self, channel_number: int, consumer_tag: str) -> Deliver:
        """The way to a consumer."""
        ...

    def return_message(
        self, channel_number: int, message: Message, reply_code: ReplyCode, reply_text: str
    ) -> None:
        """Give a message back to its publisher: basic.return."""
        ...

    def confirm(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        """The broker has taken over what was published: basic.ack."""
        ...

    def refuse(self, channel_number: int, publish_tag: int, multiple: bool) -> None:
        """The broker could not take over what was published: basic.nack."""
        ...

    def cancel_consumer(self, channel_number: int, consumer_tag: str) -> None:
        """The consumer's queue is gone: basic.cancel."""
        ...

    def close_connection(self, error: ConnectionException) -> None:
        """The broker has ended the connection, and this is why: connection.close (S-075).

        It is the last that the client is told.
        """
        ...


class NameSource(Protocol):
    """Makes names that nobody can guess and that never repeat."""

    def __call__(self) -> str:
        """22 characters of URL-safe base64 (S-094)."""
        ...


class Dice(Protocol):
    """Makes choices."""

    def __call__(self, count: int, /) -> int:
        """A number from 0 to *count* - 1, each as likely as the others; *count* is positive."""
        ...


class TakingTurns:
    """`Dice` without chance: 0, 1, 2 ... in turn, for who needs the same choices every time."""

    def __init__(self) -> None:
        self._roll_count = 0

    def __call__(self, count: int, /) -> int:
        self._roll_count += 1
        return (self._roll_count - 1) % count
