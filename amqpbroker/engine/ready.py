"""The order in which a queue's messages are delivered.

A queue asks its `ReadyOrder` for messages and gives it those that come and come back.  Plain
queues are first in, first out; queues with priorities are several such orders in one.

(R1) `take` gives fresh messages in the order they were appended, and `take_returned` goes first:
     what came back was delivered once, so it stood before everything fresh.
(R2) Positions ascend in the order of appending, and a message that comes back keeps its own
     (S-254): requeueing restores the old order.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from operator import itemgetter
from typing import Final, Protocol

from amqpbroker.spec.message import Message

#: Positions of one level of priority; the level stands in the bits above.
LEVEL_BITS: Final = 48


class ReadyOrder(Protocol):
    """The ready messages of one queue."""

    @property
    def fresh_count(self) -> int:
        """How many `take` could give: at the head, and never delivered."""
        ...

    @property
    def returned_count(self) -> int:
        """How many `take_returned` could give: at the head, and delivered before."""
        ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def head_position(self) -> int | None:
        """The position of the message that is next; None when there is none."""
        ...

    @property
    def are_redelivered(self) -> bool:
        """Whether what `take` would give may have been delivered before the broker was started."""
        ...

    @property
    def paged_count(self) -> int:
        """How many of them are not in memory."""
        ...

    def append(self, messages: Sequence[Message]) -> int:
        """Take in new messages, behind all others of their kind; the position of the first.

        Of one kind, the others' positions follow that without a gap.
        """
        ...

    def append_one(self, message: Message) -> int:
        """Take in a new message; its position."""
        ...

    def restore(self, entry_id: int, message: Message, *, was_delivered: bool) -> int:
        """Take in a message of the last process, behind those with lower ids; its position."""
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

    def messages(self) -> Iterator[Message]:
        """All of them, in any order."""
        ...

    def clear(self) -> None:
        """Forget them all."""
        ...

    def entries(self) -> Iterator[tuple[int, Message]]:
        """All of them with their positions, in the order in which they would be taken now."""
        ...


class FifoOrder:
    """First in, first out.  A fresh message's position is not stored: it follows from its place."""

    __slots__ = ("_first_position", "_fresh", "_returned")

    _fresh: deque[Message]
    _first_position: int  # of the first fresh message, or of the next to come
    _returned: list[tuple[int, Message]]  # a heap, by position

    def __init__(self, first_position: int = 0) -> None:
        self._fresh = deque()
        self._first_position = first_position
        self._returned = []

    @property
    def are_redelivered(self) -> bool:
        """Never: it starts empty."""
        return False

    @property
    def paged_count(self) -> int:
        """None: all are in memory."""
        return 0

    @property
    def fresh_count(self) -> int:
        """How many have never been delivered."""
        return len(self._fresh)

    @property
    def returned_count(self) -> int:
        """How many were delivered and came back."""
        return len(self._returned)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._fresh) + len(self._returned)

    @property
    def head_position(self) -> int | None:
        """The position of the message that is next; None when there is none."""
        if self._returned:
            return self._returned[0][0]
        return self._first_position if self._fresh else None

    def append(self, messages: Sequence[Message]) -> int:
        """Take in new messages, behind all others; the position of the first."""
        position = self._first_position + len(self._fresh)
        self._fresh.extend(messages)
        return position

    def append_one(self, message: Message) -> int:
        """Take in a new message; its position."""
        self._fresh.append(message)
        return self._first_position + len(self._fresh) - 1

    def restore(self, entry_id: int, message: Message, *, was_delivered: bool) -> int:
        """Never asked: no journal has its messages."""
        raise AssertionError(entry_id)

    def put_back(self, position: int, message: Message) -> None:
        """Take back a delivered message, to its old place."""
        heappush(self._returned, (position, message))

    def take(self, count: int) -> tuple[Sequence[int], list[Message]]:
        """The next *count* fresh messages, which must be there, and their positions."""
        fresh = self._fresh
        first = self._first_position
        self._first_position += count
        if count == len(fresh):
            messages = list(fresh)
            fresh.clear()
        else:
            pop = fresh.popleft
            messages = [pop() for _ in range(count)]
        return range(first, first + count), messages

    def detach(self) -> deque[Message]:
        """Give away all fresh messages, in no time; their positions are used up."""
        detached, self._fresh = self._fresh, deque()
        self._first_position += len(detached)
        return detached

    def take_returned(self) -> tuple[int, Message]:
        """The next message that came back, which must be there, and its position."""
        return heappop(self._returned)

    def messages(self) -> Iterator[Message]:
        """All of them, in any order."""
        yield from (message for _, message in self._returned)
        yield from self._fresh

    def clear(self) -> None:
        """Forget them all."""
        self._first_position += len(self._fresh)
        self._fresh.clear()
        self._returned.clear()

    def entries(self) -> Iterator[tuple[int, Message]]:
        """All of them with their positions, in order."""
        yield from sorted(self._returned, key=itemgetter(0))
        yield from enumerate(self._fresh, self._first_position)


class PriorityOrder:
    """Higher priorities first, and first in, first out within each (S-296 to S-298).

    Everything that concerns the head concerns the highest level that has messages, so
    `fresh_count` and `returned_count` are that level's.
    """

    __slots__ = ("_highest", "_levels")

    def __init__(
        self, priority_max: int, make_level: Callable[[int], ReadyOrder] = FifoOrder
    ) -> None:
        """`make_level` makes the order of a level whose positions begin at what it is given."""
        self._levels = [make_level(level << LEVEL_BITS) for level in range(priority_max + 1)]
        self._highest = 0  # no level above has messages

    @property
    def fresh_count(self) -> int:
        """How many of the highest level have never been delivered."""
        return self._head_level().fresh_count

    @property
    def returned_count(self) -> int:
        """How many of the highest level were delivered and came back."""
        return self._head_level().returned_count

    @property
    def count(self) -> int:
        """How many there are, on all levels."""
        return sum(level.count for level in self._levels[: self._highest + 1])

    @property
    def head_position(self) -> int | None:
        """The position of the message that is next; None when there is none."""
        return self._head_level().head_position

    @property
    def are_redelivered(self) -> bool:
        """Whether the highest level's may have been delivered before the broker was started."""
        return self._head_level().are_redelivered

    @property
    def paged_count(self) -> int:
        """How many are not in memory."""
        return sum(level.paged_count for level in self._levels)

    def append(self, messages: Sequence[Message]) -> int:
        """Take in new messages, each on the level of its priority; the position of the first."""
        return next(iter([self.append_one(message) for message in messages]))

    def append_one(self, message: Message) -> int:
        """Take in a new message; its position."""
        return self._level_of(message).append_one(message)

    def restore(self, entry_id: int, message: Message, *, was_delivered: bool) -> int:
        """Take in a message of the last process; its position."""
        return self._level_of(message).restore(entry_id, message, was_delivered=was_delivered)

    def _level_of(self, message: Message) -> ReadyOrder:
        level = min(message.properties.priority or 0, len(self._levels) - 1)
        self._highest = max(self._highest, level)
        return self._levels[level]

    def put_back(self, position: int, message: Message) -> None:
        """Take back a delivered message, to its old place."""
        level = position >> LEVEL_BITS
        self._highest = max(self._highest, level)
        self._levels[level].put_back(position, message)

    def take(self, count: int) -> tuple[Sequence[int], list[Message]]:
        """The next *count* fresh messages of the highest level, and their positions."""
        return self._head_level().take(count)

    def take_returned(self) -> tuple[int, Message]:
        """The next message of the highest level that came back, and its position."""
        return self._head_level().take_returned()

    def messages(self) -> Iterator[Message]:
        """All of them, in any order."""
        for level in self._levels:
            yield from level.messages()

    def clear(self) -> None:
        """Forget them all."""
        for level in self._levels:
            level.clear()
        self._highest = 0

    def entries(self) -> Iterator[tuple[int, Message]]:
        """All of them with their positions, the highest level first."""
        for level in reversed(self._levels):
            yield from level.entries()

    def _head_level(self) -> ReadyOrder:
        while self._highest and not self._levels[self._highest].count:
            self._highest -= 1
        return self._levels[self._highest]
