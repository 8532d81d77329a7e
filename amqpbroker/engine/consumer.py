"""Consumers, and the ring in which a queue's consumers take turns.

(C1) A consumer has never more unacked deliveries than its prefetch count, nor its channel more
     than the channel's.
(C2) Among consumers of one priority that may receive, messages go round in turn, and whoever was
     served or is new comes last; a lower priority receives only while nobody above may (S-233).
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from amqpbroker.engine.emulation import Emulation
from amqpbroker.engine.queue_arguments import TYPE_NAMES, QueueRules
from amqpbroker.spec.errors import access_refused, not_implemented, precondition_failed
from amqpbroker.spec.table import INTEGER_KINDS, Table

if TYPE_CHECKING:
    from amqpbroker.engine.channel import Channel
    from amqpbroker.engine.ports import Deliver
    from amqpbroker.engine.queue import Queue

#: The credit of a consumer without a limit, in messages.
UNLIMITED: Final = 1 << 30
#: What only consumers of streams may ask for.
_STREAM_ARGUMENTS: Final = frozenset(
    ("x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered")
)


def check_type_rules(queue: "Queue", *, exclusive: bool, has_global_qos: bool) -> None:
    """Refuse what the queue's type does not allow its consumers (S-230, S-247)."""
    if queue.rules.is_quorum:
        if has_global_qos:
            raise not_implemented(f"{queue} does not support global qos")
        return
    # One that is exclusive is the only one.
    has_exclusive = len(queue.consumers) == 1 and next(iter(queue.consumers)).exclusive
    is_shared = len(queue.consumers) or queue.rules.has_single_active_consumer
    if has_exclusive or (exclusive and is_shared):
        raise access_refused(f"{queue} in exclusive use")


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
        if channel.prefetch_count and not self.queue.rules.is_quorum:
            credit = min(credit, channel.prefetch_count - channel.limited_count)
        return credit

    def __repr__(self) -> str:
        return f"<Consumer {self.consumer_tag!r} of {self.queue!r} unacked={self.unacked_count}>"


class _Peers:
    """The consumers of one priority."""

    __slots__ = ("members", "priority")

    def __init__(self, priority: int) -> None:
        self.priority = priority
        self.members: deque[Consumer] = deque()  # in the order of their turns


def _rank(peers: _Peers) -> int:
    return -peers.priority


class ConsumerRing:
    """A queue's consumers, highest priority first, then in the order of their turns."""

    __slots__ = ("_count", "_peers")

    _peers: list[_Peers]  # by descending priority, none empty

    def __init__(self) -> None:
        self._peers = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Consumer]:
        for peers in self._peers:
            yield from peers.members

    def add(self, consumer: Consumer) -> None:
        """Take a consumer in; its turn is the last of its priority."""
        index = bisect_left(self._peers, -consumer.priority, key=_rank)
        if index == len(self._peers) or self._peers[index].priority != consumer.priority:
            self._peers.insert(index, _Peers(consumer.priority))
        self._peers[index].members.append(consumer)
        self._count += 1

    def remove(self, consumer: Consumer) -> None:
        """Let a consumer go."""
        peers = self._peers_of(consumer)
        peers.members.remove(consumer)
        if not peers.members:
            self._peers.remove(peers)
        self._count -= 1

    def next_able(self) -> Consumer | None:
        """The consumer whose turn it is among those that may receive; its next comes last."""
        for peers in self._peers:
            for index, consumer in enumerate(peers.members):
                if consumer.credit() > 0:
                    peers.members.rotate(-1 - index)
                    return consumer
        return None

    def able(self) -> list[Consumer]:
        """Those of the highest priority that may receive, in the order of their turns."""
        for peers in self._peers:
            able = [consumer for consumer in peers.members if consumer.credit() > 0]
            if able:
                return able
        return []

    def pass_turn(self, consumer: Consumer) -> None:
        """Let whoever stands behind *consumer* be next."""
        members = self._peers_of(consumer).members
        members.rotate(-1 - members.index(consumer))

    def _peers_of(self, consumer: Consumer) -> _Peers:
        return self._peers[bisect_left(self._peers, -consumer.priority, key=_rank)]


class SingleActiveRing(ConsumerRing):
    """Consumers of which one receives: the first that came, then the next by priority (S-271)."""

    __slots__ = ("_active", "_yields")

    def __init__(self, *, yields: bool) -> None:
        """`yields`: the active one makes way for a higher priority, when it has settled all."""
        super().__init__()
        self._active: Consumer | None = None
        self._yields = yields

    def add(self, consumer: Consumer) -> None:
        """Take a consumer in; it becomes the active one if there is none."""
        super().add(consumer)
        if self._active is None:
            self._active = consumer

    def remove(self, consumer: Consumer) -> None:
        """Let a consumer go; if it was the active one, another takes over."""
        super().remove(consumer)
        if consumer is self._active:
            self._active = next(iter(self), None)

    def next_able(self) -> Consumer | None:
        """The active consumer, if it may receive."""
        active = self._active
        if active is None:
            return None
        first = next(iter(self))
        if self._yields and first.priority > active.priority:
            if active.unacked_count:
                return None
            active = self._active = first
        return active if active.credit() > 0 else None

    def able(self) -> list[Consumer]:
        """The active consumer, if it may receive."""
        active = self.next_able()
        return [] if active is None else [active]

    def pass_turn(self, consumer: Consumer) -> None:
        """There are no turns."""


def ring_of(rules: QueueRules, emulation: Emulation) -> ConsumerRing:
    """The ring for a queue with these rules."""
    if rules.has_single_active_consumer:
        return SingleActiveRing(yields=rules.is_quorum and emulation.single_active_yields)
    return ConsumerRing()


def checked_priority(queue: "Queue", arguments: Table) -> int:
    """A consumer's x-priority, after a check of all its arguments (S-231, S-232).

    Raises 406 for an argument of another type of queue, and for a priority that is no integer.
    """
    for name in arguments:
        if name in _STREAM_ARGUMENTS:
            raise precondition_failed(
                f"invalid arg '{name}' for {queue} of queue type "
                f"{TYPE_NAMES[queue.rules.queue_type]}"
            )
    field = arguments.get("x-priority")
    if field is None:
        return 0
    if field.kind not in INTEGER_KINDS or not isinstance(field.value, int):
        raise precondition_failed(
            f"invalid arg 'x-priority' for {queue}: \"expected integer, got {field.kind_name}\""
        )
    return field.value
