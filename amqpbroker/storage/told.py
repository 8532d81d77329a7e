"""What the journal was told in a transaction, until it is written.

What has entered and left before it was written need not be written at all: with short queues and
quick consumers that is most of it.
"""

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Final

from amqpbroker.engine.ports import Record, RecordKey
from amqpbroker.spec.message import Message
from amqpbroker.storage import layout

#: More queues than this do not share one copy of a message.
TARGETS_MAX: Final = 60_000


class Enter:
    """Messages entered one queue, or several."""

    __slots__ = ("entered_ms", "indices", "messages", "raw_publish", "span", "targets")

    def __init__(
        self,
        queue_id: int,
        first_id: int,
        raw_publish: bytes,
        messages: Sequence[Message],
        entered_ms: int,
    ) -> None:
        self.targets = [(queue_id, first_id)]
        self.span = len(messages)
        self.raw_publish = raw_publish
        self.messages = messages
        self.entered_ms = entered_ms
        self.indices: Sequence[int] | None = None  # of `messages` in the span, if some are missing

    def encoded(self) -> bytes:
        """The record."""
        return layout.encode_enter(
            self.targets,
            self.span,
            self.entered_ms,
            self.raw_publish,
            [content for _, _, content in self.messages],
            self.indices,
        )

    def has_same(self, messages: Sequence[Message]) -> bool:
        """Whether these are the very messages that entered another queue just before."""
        own = self.messages
        return own is messages or (len(own) == len(messages) == 1 and own[0] is messages[0])

    def keep(self, are_kept: Sequence[int]) -> None:
        """Keep only some of the messages: where `are_kept` is not 0."""
        self.indices = list(compress(range(self.span), are_kept))
        self.messages = list(compress(self.messages, are_kept))


class Leave:
    """Entries left a queue."""

    __slots__ = ("ids", "queue_id")

    def __init__(self, queue_id: int, ids: Sequence[int]) -> None:
        self.queue_id = queue_id
        self.ids = ids

    def runs(self) -> list[tuple[int, int]]:
        """As (first id, count), ascending."""
        return runs_of(self.ids)


class Put:
    """A record was put, or removed."""

    __slots__ = ("key", "kind", "record")

    def __init__(self, kind: str, key: RecordKey, record: Record | None) -> None:
        self.kind = kind
        self.key = key
        self.record = record  # None: it was removed


Told = Enter | Leave | Put


def runs_of(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Ids as runs of consecutive ones, (first, count), ascending."""
    count = len(ids)
    if not count:
        return []
    if isinstance(ids, range) and ids.step == 1:
        return [(ids.start, count)]
    # Speed: what is acked together mostly came together.
    first, last = ids[0], ids[-1]
    if last - first == count - 1 and min(ids) == first and max(ids) == last:
        return [(first, count)]
    runs: list[tuple[int, int]] = []
    ordered = sorted(ids)
    start = previous = ordered[0]
    for one in ordered[1:]:
        if one != previous + 1:
            runs.append((start, previous + 1 - start))
            start = one
        previous = one
    runs.append((start, previous + 1 - start))
    return runs


def without_what_left(told: Sequence[Told]) -> list[Told]:
    """The same, without entries that have entered and left again."""
    enters = [one for one in told if isinstance(one, Enter)]
    leaves = [one for one in told if isinstance(one, Leave)]
    if not enters or not leaves:
        return list(told)
    base = min(first for one in enters for _, first in one.targets)
    end = max(first + one.span for one in enters for _, first in one.targets)
    gone = bytearray(end - base)
    kept: list[Told] = []
    for leave in leaves:
        older: list[int] = []
        for first, count in leave.runs():
            if first + count <= base:
                older += range(first, first + count)
                continue
            if first < base:
                older += range(first, base)
                count, first = first + count - base, base
            gone[first - base : first + count - base] = b"\1" * count
        if older:
            kept.append(Leave(leave.queue_id, older))
    staying: list[Told] = []
    for one in told:
        if isinstance(one, Enter):
            staying += _without(one, gone, base)
        elif isinstance(one, Put):
            staying.append(one)
    return staying + kept


def _without(entered: Enter, gone: bytearray, base: int) -> Iterable[Told]:
    """What is left of an Enter when some of its entries are gone, and what must be said of it."""
    span = entered.span
    gone_by_target = [
        (target, bytes(gone[target[1] - base : target[1] - base + span]))
        for target in entered.targets
    ]
    if not any(1 in marks for _, marks in gone_by_target):
        return [entered]
    entered.targets = [target for target, marks in gone_by_target if 0 in marks]
    if not entered.targets:
        return []
    remaining = [(target, marks) for target, marks in gone_by_target if 0 in marks]
    are_kept = [not all(column) for column in zip(*(marks for _, marks in remaining), strict=True)]
    leaves: list[Told] = []
    for (queue_id, first_id), marks in remaining:
        ids = [
            first_id + index
            for index, (mark, is_kept) in enumerate(zip(marks, are_kept, strict=True))
            if mark and is_kept
        ]
        if ids:
            leaves.append(Leave(queue_id, ids))
    if not all(are_kept):
        entered.keep(are_kept)
    return [entered, *leaves]
