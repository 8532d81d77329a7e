"""Consumers, and the ring in which a queue's consumers take turns.

(C1) A consumer has never more unacked deliveries than its prefetch count, nor its channel more
     than the channel's.
(C2) Among consumers of one priority that may receive, messages go round in turn; a lower
     priority receives only while nobody above may (S-233).
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from amqpbroker.spec.table import Table

if TYPE_CHECKING:
    from amqpbroker.engine.channel import Channel
    from amqpbroker.engine.ports import Deliver
    from amqpbroker.engine.queue import Queue

#: The credit of a consumer without a limit, in messages.
UNLIMITED: Final = 1 << 30


class Consumer:
    """A client's wish to be given a queue's messages."""

    __slots__ = (
        "arguments",
        "channel",
        "consumer_tag",
        "deliver",
        "exclusive",
        "no_ack",
        "prefetch_count",
        "priority",
        "queue",
        "unacked_count",
    )

    def __init__(
        self,
        channel: "Channel",
        consumer_tag: str,
        queue: "Queue",
        deliver: "Deliver",
        *,
        no_ack: bool,
        exclusive: bool,
        priority: int,
        prefetch_count: int,
        arguments: Table,
    ) -> None:
        self.channel = channel
        self.consumer_tag = consumer_tag
        self.queue = queue
        self.deliver = deliver
        self.no_ack = no_ack
        self.exclusive = exclusive
        self.priority = priority
        self.prefetch_count = prefetch_count  # 0: no limit
        self.arguments = arguments
        self.unacked_count = 0

    def credit(self) -> int:
        """How many messages it may be given now; not positive when none."""
        channel = self.channel
        if channel.connection.is_congested:
            return 0
        if self.no_ack:
            return UNLIMITED
        credit = self.prefetch_count - self.unacked_count if self.prefetch_count else UNLIMITED
        if channel.prefetch_count:
            credit = min(credit, channel.prefetch_count - channel.unacked_count)
        return credit

    def __repr__(self) -> str:
        return f"<Consumer {self.consumer_tag!r} of {self.queue!r} unacked={self.unacked_count}>"


class ConsumerRing:
    """A queue's consumers, highest priority first, and whose turn it is."""

    __slots__ = ("_consumers", "_turn")

    _consumers: list[Consumer]  # by descending priority, then in the order they came
    _turn: dict[int, int]  # {priority: how many of its consumers' turns have passed}

    def __init__(self) -> None:
        self._consumers = []
        self._turn = {}

    def __len__(self) -> int:
        return len(self._consumers)

    def __iter__(self) -> Iterator[Consumer]:
        return iter(self._consumers)

    def add(self, consumer: Consumer) -> None:
        """Take a consumer in, last of its priority."""
        self._consumers.append(consumer)
        self._consumers.sort(key=attrgetter("priority"), reverse=True)
        self._turn.setdefault(consumer.priority, 0)

    def remove(self, consumer: Consumer) -> None:
        """Let a consumer go; the turn of the others stays."""
        group = self._group(consumer.priority)
        if group.index(consumer) < self._turn[consumer.priority]:
            self._turn[consumer.priority] -= 1
        self._consumers.remove(consumer)
        if len(group) == 1:
            del self._turn[consumer.priority]

    def next_able(self) -> Consumer | None:
        """The consumer whose turn it is among those that may receive, and pass the turn on."""
        for priority in self._turn if len(self._turn) == 1 else sorted(self._turn, reverse=True):
            group = self._group(priority)
            turn = self._turn[priority]
            for index in range(turn, turn + len(group)):
                consumer = group[index % len(group)]
                if consumer.credit() > 0:
                    self._turn[priority] = (index + 1) % len(group)
                    return consumer
        return None

    def able(self) -> list[Consumer]:
        """The consumers that are to receive next: of the highest priority that has any that may,
        all that may, in the order of their turns.  The turn is not passed on."""
        for priority in self._turn if len(self._turn) == 1 else sorted(self._turn, reverse=True):
            group = self._group(priority)
            turn = self._turn[priority]
            able = [one for one in (*group[turn:], *group[:turn]) if one.credit() > 0]
            if able:
                return able
        return []

    def _group(self, priority: int) -> list[Consumer]:
        if len(self._turn) == 1:
            return self._consumers
        return [one for one in self._consumers if one.priority == priority]
