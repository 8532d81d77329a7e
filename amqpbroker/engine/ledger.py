"""A channel's ledger: what it delivered and has not been told about.

(L1) Every unsettled tag is here once, in ascending order.
(L2) A tag is settled once: by name, or together with every older one by `multiple`.
(L3) Settling what is not here settles nothing (S-250).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, cast

from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.message import Message

if TYPE_CHECKING:
    from amqpbroker.engine.consumer import Consumer
    from amqpbroker.engine.queue import Queue


class Unacked(NamedTuple):
    """A delivery that waits for its ack."""

    consumer: "Consumer | None"  # None: it was the answer to a basic.get
    queue: "Queue"
    position: int  # where it stood in the queue
    message: Message


# Speed: made per delivery; from an iterable of fields without a Python frame in between.
_MakeUnacked = Callable[[type[Unacked], Iterable[object]], Unacked]
_new_unacked = cast("_MakeUnacked", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
_unacked_from: Callable[[Iterable[object]], Unacked] = partial(_new_unacked, Unacked)


class Ledger:
    """The unacked deliveries of one channel, by delivery tag."""

    __slots__ = ("_oldest", "_unacked")

    _unacked: dict[int, Unacked]  # {delivery_tag: Unacked}, in tag order
    _oldest: int  # no unacked tag is below

    def __init__(self) -> None:
        self._unacked = {}
        self._oldest = 1

    def __len__(self) -> int:
        return len(self._unacked)

    def __iter__(self) -> Iterator[tuple[int, Unacked]]:
        """Each with its tag, oldest first."""
        return iter(self._unacked.items())

    def add(
        self,
        first_tag: int,
        consumer: "Consumer | None",
        queue: "Queue",
        positions: Sequence[int],
        messages: Sequence[Message],
    ) -> None:
        """Note deliveries with consecutive tags from *first_tag*."""
        entries = zip(repeat(consumer), repeat(queue), positions, messages, strict=False)
        tags = range(first_tag, first_tag + len(messages))
        self._unacked.update(zip(tags, map(_unacked_from, entries), strict=True))

    def __getitem__(self, delivery_tag: int) -> Unacked:
        return self._unacked[delivery_tag]

    def tags(self, delivery_tag: int, *, multiple: bool) -> list[int]:
        """The tags that `settle` would take out; none where it would raise."""
        if not multiple:
            return [delivery_tag] if delivery_tag in self._unacked else []
        if delivery_tag and delivery_tag not in self._unacked:
            return []
        return [tag for tag in self._unacked if not delivery_tag or tag <= delivery_tag]

    def settle(self, delivery_tag: int, *, multiple: bool) -> list[tuple[int, Unacked]]:
        """Take out what a client names by ack, nack or reject; (tag, delivery), oldest first.

        `multiple` takes all up to *delivery_tag*, or all there are when it is 0.  Raises 406
        for a tag that is not here; then nothing has changed.
        """
        unacked = self._unacked
        if not multiple:
            held = unacked.pop(delivery_tag, None)
            if held is None:
                raise precondition_failed(f"unknown delivery tag {delivery_tag}")
            return [(delivery_tag, held)]
        if delivery_tag == 0:
            return self.take_all()
        if delivery_tag not in unacked:
            raise precondition_failed(f"unknown delivery tag {delivery_tag}")
        span = delivery_tag + 1 - self._oldest
        self._oldest, oldest = delivery_tag + 1, self._oldest
        if span <= len(unacked) * 2:
            tags: Iterable[int] = range(oldest, delivery_tag + 1)
            return [(tag, unacked.pop(tag)) for tag in tags if tag in unacked]
        tags = [tag for tag in unacked if tag <= delivery_tag]
        return [(tag, unacked.pop(tag)) for tag in tags]

    def take_all(self) -> list[tuple[int, Unacked]]:
        """Take out everything, oldest first."""
        everything = list(self._unacked.items())
        self._unacked.clear()
        return everything

    def disown(self, queue: "Queue", gone: "Queue") -> list[Unacked]:
        """Let deliveries of *queue* be nobody's, as if they came from *gone*; what they were.

        Their tags stay known, and their consumers no longer count them.
        """
        taken = [(tag, held) for tag, held in self._unacked.items() if held.queue is queue]
        for tag, held in taken:
            self._unacked[tag] = held._replace(queue=gone, consumer=None)
        return [held for _, held in taken]

    def restore(self, entries: Iterable[tuple[int, Unacked]]) -> None:
        """Put back what `settle` took out, at its place: a transaction was rolled back."""
        merged = sorted([*self._unacked.items(), *entries])
        self._unacked = dict(merged)
        if merged:
            self._oldest = min(self._oldest, merged[0][0])
