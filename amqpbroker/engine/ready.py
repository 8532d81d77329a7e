"""The order in which a queue's messages are delivered.

A queue asks its `ReadyOrder` for messages and gives it those that come and come back.  Plain
queues are first in, first out; other kinds of queue are other orders behind the same verbs.

(R1) `take` gives fresh messages in the order they were appended, and `take_returned` goes first:
     what came back was delivered once, so it stood before everything fresh.
(R2) Positions ascend in the order of appending, and a message that comes back keeps its own
     (S-254): requeueing restores the old order.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Protocol

from amqpbroker.spec.message import Message


class ReadyOrder(Protocol):
    """The ready messages of one queue."""

    @property
    def fresh_count(self) -> int:
        """How many have never been delivered."""
        ...

    @property
    def returned_count(self) -> int:
        """How many were delivered and came back."""
        ...

    def append(self, messages: Iterable[Message]) -> None:
        """Take in new messages, behind all others."""
        ...

    def put_back(self, position: int, message: Message) -> None:
        """Take back a delivered message, to its old place."""
        ...

    def take(self, count: int) -> tuple[Sequence[int], list[Message]]:
        """The next *count* fresh messages, which must be there, and their positions."""
        ...

    def take_returned(self) -> tuple[int, Message]:
        """The next message that came back, which must be there, and its position."""
        ...

    def clear(self) -> None:
        """Forget them all."""
        ...


class FifoOrder:
    """First in, first out.  A fresh message's position is not stored: it follows from its place."""

    __slots__ = ("_fresh", "_head_position", "_returned")

    _fresh: deque[Message]
    _head_position: int  # of the first fresh message, or of the next to come
    _returned: list[tuple[int, Message]]  # a heap, by position

    def __init__(self) -> None:
        self._fresh = deque()
        self._head_position = 0
        self._returned = []

    @property
    def fresh_count(self) -> int:
        """How many have never been delivered."""
        return len(self._fresh)

    @property
    def returned_count(self) -> int:
        """How many were delivered and came back."""
        return len(self._returned)

    def append(self, messages: Iterable[Message]) -> None:
        """Take in new messages, behind all others."""
        self._fresh.extend(messages)

    def put_back(self, position: int, message: Message) -> None:
        """Take back a delivered message, to its old place."""
        heappush(self._returned, (position, message))

    def take(self, count: int) -> tuple[Sequence[int], list[Message]]:
        """The next *count* fresh messages, which must be there, and their positions."""
        fresh = self._fresh
        first = self._head_position
        self._head_position += count
        if count == len(fresh):
            messages = list(fresh)
            fresh.clear()
        else:
            pop = fresh.popleft
            messages = [pop() for _ in range(count)]
        return range(first, first + count), messages

    def take_returned(self) -> tuple[int, Message]:
        """The next message that came back, which must be there, and its position."""
        return heappop(self._returned)

    def clear(self) -> None:
        """Forget them all."""
        self._head_position += len(self._fresh)
        self._fresh.clear()
        self._returned.clear()
