"""A durable queue's messages in the journal: which are kept, and when they may be forgotten.

The journal keeps the persistent messages of durable queues, and all of quorum queues (S-157).
Each message of such a queue has an id from the journal, kept or not, and its position in the
queue is that id, with the level of its order in the bits above (`ready.LEVEL_BITS`).

(E1) A message enters when it is enqueued, and leaves when it is settled, or when what becomes of
     it after its death has entered elsewhere: the journal sees both in one transaction.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from amqpbroker.engine.ports import Journal, Runs
from amqpbroker.engine.publish_record import read_publish, write_publish
from amqpbroker.engine.ready import LEVEL_BITS
from amqpbroker.spec.message import Message, raw_properties
from amqpbroker.spec.properties import Properties

_ID_MASK: Final = (1 << LEVEL_BITS) - 1


class QueueEntries:
    """What the journal keeps of one queue."""

    __slots__ = ("_is_quorum", "has_expirations", "journal", "kept_count", "queue_id")

    def __init__(self, journal: Journal, queue_id: int, *, is_quorum: bool) -> None:
        self.journal = journal
        self.queue_id = queue_id
        self._is_quorum = is_quorum
        self.has_expirations = False  # of their own, some of its messages: the journal notes it
        self.kept_count = 0  # entries that have not left

    def enter(self, position: int, messages: Sequence[Message], now_ms: int) -> bool:
        """Keep what is to be kept of *messages*, at consecutive positions; whether any was."""
        if not self._is_quorum:
            # Speed: messages that are published together mostly share their properties.
            kinds = {properties.is_persistent for properties in {one[1] for one in messages}}
            if kinds == {False}:
                return False
            if len(kinds) > 1:
                for offset, message in enumerate(messages):
                    if message.properties.is_persistent:
                        self._enter(position + offset, (message,), now_ms)
                return True
        self._enter(position, messages, now_ms)
        return True

    def _enter(self, position: int, messages: Sequence[Message], now_ms: int) -> None:
        self.kept_count += len(messages)
        first_id = position & _ID_MASK
        raw_publish = write_publish(messages[0].publish)
        self.journal.enter(self.queue_id, first_id, raw_publish, messages, now_ms)

    def leave(self, positions: Sequence[int], messages: Sequence[Message]) -> None:
        """These messages are gone from the queue."""
        if not self.kept_count:
            return
        if not self._is_quorum:
            kinds = {properties.is_persistent for properties in {one[1] for one in messages}}
            if kinds == {False}:
                return
            if len(kinds) > 1:
                positions = [
                    position
                    for position, message in zip(positions, messages, strict=True)
                    if message.properties.is_persistent
                ]
        self.kept_count -= len(positions)
        if positions[-1] > _ID_MASK:
            positions = [position & _ID_MASK for position in positions]
        self.journal.leave(self.queue_id, positions)

    def leave_paged(self, positions: Sequence[int]) -> None:
        """Messages are gone of which all were kept."""
        self.kept_count -= len(positions)
        self.journal.leave(self.queue_id, positions)

    def restored(self) -> Runs:
        """What the journal has of the queue from the last process; it is counted as kept now."""
        runs = self.journal.entries(self.queue_id)
        self.kept_count += sum(runs.counts)
        return runs

    def read(self, runs: Runs) -> list[Message]:
        """Messages as they entered, by their ids."""
        return [message for _, message in self.read_timed(runs)]

    def read_timed(self, runs: Runs) -> Iterator[tuple[int, Message]]:
        """Messages as they entered, each with the time when it did."""
        known: dict[bytes, Properties] = {}
        for raw_publish, entered_ms, contents in self.journal.read(runs):
            publish = read_publish(raw_publish)
            for content in contents:
                raw = raw_properties(content)
                properties = known.get(raw)
                if properties is None:
                    properties = known[raw] = Properties(raw)
                yield entered_ms, Message(publish, properties, content)


def ids_of(runs: Runs) -> Iterator[int]:
    """All ids of some runs."""
    for first, count in zip(runs.firsts, runs.counts, strict=True):
        yield from range(first, first + count)
