"""What makes a queue a quorum queue, as the clients of a single broker see it (S-307 to S-313).

Messages that come back are delivered before all others, in the order in which they came back;
each delivery that fails is counted, shown in the x-delivery-count header, and with one failure
too many the message dies.  Of fresh messages two of high priority (above 4) are delivered for
each other one.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from amqpbroker.engine.ready import LEVEL_BITS, FifoOrder, ReadyOrder
from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.message import Message
from amqpbroker.spec.table import Field

_HIGH_PRIORITY: Final = 5
#: How many of high priority are delivered for each other one.
_HIGH_IN_A_ROW: Final = 2


class QuorumOrder:
    """A quorum queue's ready messages."""

    __slots__ = ("_has_priorities", "_high", "_in_a_row", "_low", "_returned")

    def __init__(
        self, make_kind: Callable[[int], ReadyOrder] = FifoOrder, *, has_priorities: bool = True
    ) -> None:
        """`make_kind` makes the order of a kind whose positions begin at what it is given.

        Without priorities there is one kind.
        """
        self._has_priorities = has_priorities
        self._high = make_kind(0)
        self._low = make_kind(1 << LEVEL_BITS)
        self._in_a_row = 0  # of high priority since the last other one
        self._returned: deque[tuple[int, Message]] = deque()

    @property
    def fresh_count(self) -> int:
        """How many `take` could give of the kind that is next, before the other's turn."""
        order = self._next()
        if not (self._high.fresh_count and self._low.fresh_count):
            return order.fresh_count
        in_a_row = 1 if order is self._low else _HIGH_IN_A_ROW - self._in_a_row
        return min(order.fresh_count, in_a_row)

    @property
    def returned_count(self) -> int:
        """How many came back."""
        return len(self._returned)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._returned) + self._high.fresh_count + self._low.fresh_count

    @property
    def head_position(self) -> int | None:
        """The position of the message that is next; None when there is none."""
        return self._returned[0][0] if self._returned else self._next().head_position

    @property
    def are_redelivered(self) -> bool:
        """Whether the next may have been delivered before the broker was started."""
        return self._next().are_redelivered

    @property
    def paged_count(self) -> int:
        """How many are not in memory."""
        return self._high.paged_count + self._low.paged_count

    def append(self, messages: Sequence[Message]) -> int:
        """Take in new messages, each behind those of its kind; the position of the first."""
        return next(iter([self.append_one(message) for message in messages]))

    def append_one(self, message: Message) -> int:
        """Take in a new message; its position."""
        return self._kind_of(message).append_one(message)

    def restore(self, entry_id: int, message: Message, *, was_delivered: bool) -> int:
        """Take in a message of the last process; its position."""
        return self._kind_of(message).restore(entry_id, message, was_delivered=was_delivered)

    def _kind_of(self, message: Message) -> ReadyOrder:
        is_high = self._has_priorities and (message.properties.priority or 0) >= _HIGH_PRIORITY
        return self._high if is_high else self._low

    def put_back(self, position: int, message: Message) -> None:
        """Take back a delivered message, behind those that came back before."""
        self._returned.append((position, message))

    def take(self, count: int) -> tuple[Sequence[int], list[Message]]:
        """The next *count* fresh messages of the kind that is next, and their positions."""
        order = self._next()
        self._in_a_row = self._in_a_row + count if order is self._high else 0
        return order.take(count)

    def take_returned(self) -> tuple[int, Message]:
        """The message that came back first, and its position."""
        return self._returned.popleft()

    def messages(self) -> Iterator[Message]:
        """All of them, in any order."""
        yield from (message for _, message in self._returned)
        yield from self._high.messages()
        yield from self._low.messages()

    def clear(self) -> None:
        """Forget them all."""
        self._high.clear()
        self._low.clear()
        self._returned.clear()

    def entries(self) -> Iterator[tuple[int, Message]]:
        """All of them with their positions, in the order in which they would be taken."""
        yield from self._returned
        high, low = deque(self._high.entries()), deque(self._low.entries())
        in_a_row = self._in_a_row
        while high and low:
            if in_a_row >= _HIGH_IN_A_ROW:
                in_a_row = 0
                yield low.popleft()
            else:
                in_a_row += 1
                yield high.popleft()
        yield from high
        yield from low

    def _next(self) -> ReadyOrder:
        if not self._high.fresh_count:
            return self._low
        is_others_turn = self._in_a_row >= _HIGH_IN_A_ROW and self._low.fresh_count
        return self._low if is_others_turn else self._high


class FailedDeliveries:
    """How often the messages of a queue were delivered in vain."""

    __slots__ = ("_counts", "limit")

    def __init__(self, limit: int | None) -> None:
        self._counts: dict[int, int] = {}  # {position: deliveries that failed}
        self.limit = limit  # None: as often as it takes

    def count(self, position: int) -> bool:
        """Another delivery failed; whether the message may be delivered again."""
        count = self._counts[position] = self._counts.get(position, 0) + 1
        return self.limit is None or count <= self.limit

    def forget(self, positions: Sequence[int]) -> None:
        """These messages are gone."""
        if self._counts:
            for position in positions:
                self._counts.pop(position, None)

    def clear(self) -> None:
        """All messages are gone."""
        self._counts.clear()

    def shown(self, position: int, message: Message) -> Message:
        """The message as it is delivered: with the count of failures, if there were any."""
        count = self._counts.get(position)
        if count is None:
            return message
        properties = message.properties
        headers = dict(
            sorted({**properties.headers, "x-delivery-count": Field("l", count)}.items())
        )
        return message.with_properties(properties.edited(headers=headers))


def check_properties(subject: str, *, durable: bool, exclusive: bool, auto_delete: bool) -> None:
    """Refuse what a quorum queue cannot be: 406, in RabbitMQ's order (S-187)."""
    for name, is_wrong in (
        ("auto-delete", auto_delete),
        ("exclusive-owner", exclusive),
        ("non-durable", not durable),
    ):
        if is_wrong:
            raise precondition_failed(f"invalid property '{name}' for {subject}")


def is_possible(*, durable: bool, exclusive: bool, auto_delete: bool) -> bool:
    """Whether a quorum queue could be so; else a vhost's default type is left aside (S-151)."""
    return durable and not exclusive and not auto_delete
