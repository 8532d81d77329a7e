"""A queue's length limit: how many messages may wait, and how many bytes (S-300 to S-303).

Only ready messages count, and of their bytes only the bodies'.
"""

from collections.abc import Iterable

from amqpbroker.engine.queue_arguments import QueueRules
from amqpbroker.spec.message import Message


class LengthLimit:
    """What a queue may hold.  The queue says what becomes ready and what no longer is."""

    __slots__ = ("_bytes_max", "_count_max", "_ready_bytes")

    def __init__(self, rules: QueueRules) -> None:
        self._count_max = rules.length_max
        self._bytes_max = rules.length_bytes_max
        self._ready_bytes = 0  # kept only where bytes are limited

    def added(self, messages: Iterable[Message]) -> None:
        """*messages* are ready."""
        if self._bytes_max is not None:
            self._ready_bytes += sum(message.body_bytes for message in messages)

    def removed(self, messages: Iterable[Message]) -> None:
        """*messages* are no longer ready."""
        if self._bytes_max is not None:
            self._ready_bytes -= sum(message.body_bytes for message in messages)

    def has_room(self, ready_count: int, message: Message) -> bool:
        """Whether one more message would be within the limits."""
        return (self._count_max is None or ready_count < self._count_max) and (
            self._bytes_max is None or self._ready_bytes + message.body_bytes <= self._bytes_max
        )

    def is_exceeded(self, ready_count: int) -> bool:
        """Whether there are too many."""
        return (self._count_max is not None and ready_count > self._count_max) or (
            self._bytes_max is not None and self._ready_bytes > self._bytes_max
        )
