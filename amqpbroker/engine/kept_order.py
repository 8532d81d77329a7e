"""First in, first out, for messages that the journal knows by ids and can read back.

Positions are the journal's ids with the level of the order in the bits above, so they have gaps:
other queues' messages stand between.  They are kept as runs of consecutive ones.

    head      messages in memory, which are next        at most `WINDOW_COUNT` and a chunk
    chunks    behind them, each `CHUNK_COUNT` messages  in memory until they are safe, then paged:
                                                        only their positions stay (M1)

(M1) A message that waits behind the window leaves memory, if the journal keeps it and has it safe;
     it is read back, with its chunk, when the head is used up.
(M2) A short queue has no chunks, and pays nothing for them but a comparison.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import chain
from operator import itemgetter
from typing import Final

from amqpbroker.engine.ports import Journal, Runs
from amqpbroker.spec.message import Message

#: How many messages are kept in memory at the head of a queue, and in how many bytes.
WINDOW_COUNT: Final = 4096
WINDOW_BYTES: Final = 8 * 1024 * 1024
#: How many messages leave memory and come back together, and in how many bytes.
CHUNK_COUNT: Final = 1024
CHUNK_BYTES: Final = 1024 * 1024
#: What a paged message occupies, in bytes: its share of a chunk's positions, and the journal's.
PAGED_BYTES: Final = 24
#: What a message in memory occupies besides its content (`queue.MESSAGE_OVERHEAD_BYTES`).
_OVERHEAD_BYTES: Final = 160

ReadBack = Callable[[Runs], list[Message]]
Positions = Sequence[int]


class Chunk:
    """Messages of one queue that leave memory and come back together."""

    __slots__ = ("content_bytes", "count", "counts", "firsts", "messages", "number")

    def __init__(self) -> None:
        self.firsts = array("Q")  # of the runs of positions
        self.counts = array("I")
        self.messages: list[Message] | None = []  # None: they are paged
        self.count = 0
        self.content_bytes = 0
        self.number = 0  # of the transaction in which the last of them entered; 0: not full yet


class KeptFifoOrder:
    """`ReadyOrder` of a queue, or a level, that the journal knows.

    `read_back` makes messages of what the journal has; without it nothing is paged.
    """

    __slots__ = (
        "_behind_count",
        "_chunks",
        "_head",
        "_head_bytes",
        "_journal",
        "_level_position",
        "_read_back",
        "_returned",
        "_runs",
        "_to_page",
        "paged_count",
        "paged_delta_bytes",
        "recovered_count",
    )

    def __init__(
        self, journal: Journal, level_position: int = 0, read_back: ReadBack | None = None
    ) -> None:
        self._journal = journal
        self._level_position = level_position
        self._read_back = read_back
        self._head: deque[Message] = deque()
        self._head_bytes = 0
        self._runs: deque[tuple[int, int]] = deque()  # (first position, count) of the head
        self._chunks: deque[Chunk] = deque()
        self._behind_count = 0  # messages in chunks
        self._to_page: deque[Chunk] = deque()  # full ones in memory; some may have been read since
        self._returned: list[tuple[int, Message]] = []  # a heap, by position
        self.paged_count = 0
        self.paged_delta_bytes = 0  # come into memory since this was last set to 0, or gone from it
        self.recovered_count = 0  # at the head: the last process may have delivered them

    @property
    def fresh_count(self) -> int:
        """How many `take` could give: those of the last process, or those of this one."""
        return self.recovered_count or len(self._head) + self._behind_count

    @property
    def returned_count(self) -> int:
        """How many were delivered and came back."""
        return len(self._returned)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._head) + self._behind_count + len(self._returned)

    @property
    def are_redelivered(self) -> bool:
        """Whether what `take` would give may have been delivered by the last process."""
        return self.recovered_count > 0

    @property
    def head_position(self) -> int | None:
        """The position of the message that is next; None when there is none."""
        if self._returned:
            return self._returned[0][0]
        return self.fresh_position

    @property
    def fresh_position(self) -> int | None:
        """The position of the first message that has not been delivered."""
        if self._runs:
            return self._runs[0][0]
        return self._chunks[0].firsts[0] if self._chunks else None

    def append(self, messages: Sequence[Message]) -> int:
        """Take in new messages, behind all others; the position of the first."""
        first = self._level_position + self._journal.reserve(len(messages))
        if self._chunks or len(self._head) >= WINDOW_COUNT or self._head_bytes >= WINDOW_BYTES:
            if self._read_back is not None:
                self._append_chunked(first, messages)
                return first
        self._head.extend(messages)
        self._head_bytes += _bytes_of(messages)
        _add_run(self._runs, first, len(messages))
        return first

    def append_one(self, message: Message) -> int:
        """Take in a new message; its position."""
        return self.append((message,))

    def restore(self, entry_id: int, message: Message, *, was_delivered: bool) -> int:
        """Take in a message of the last process, behind those with lower ids; its position."""
        position = self._level_position + entry_id
        self._head.append(message)
        self._head_bytes += len(message.content)
        _add_run(self._runs, position, 1)
        self.recovered_count += was_delivered
        return position

    def restore_paged(self, runs: Runs, fresh_id: int) -> None:
        """Take in messages of the last process, which stay where the journal has them.

        Those below *fresh_id* may have been delivered then.
        """
        mean_bytes = runs.byte_count // max(sum(runs.counts), 1)
        count_max = min(max(CHUNK_BYTES // max(mean_bytes, 1), 1), CHUNK_COUNT)
        for first, count in _pieces(runs, count_max):
            self.recovered_count += min(max(fresh_id - first, 0), count)
            chunk = self._chunks[-1] if self._chunks else None
            if chunk is None or chunk.count + count > count_max:
                chunk = Chunk()
                chunk.messages, chunk.number = None, 1
                self._chunks.append(chunk)
            chunk.firsts.append(first)
            chunk.counts.append(count)
            chunk.count += count
            self._behind_count += count
            self.paged_count += count
            self.paged_delta_bytes += count * PAGED_BYTES

    def put_back(self, position: int, message: Message) -> None:
        """Take back a delivered message, to its old place."""
        heappush(self._returned, (position, message))

    def take(self, count: int) -> tuple[Positions, list[Message]]:
        """The next *count* fresh messages, which must be there, and their positions."""
        head = self._head
        while len(head) < count:
            self._load_chunk()
        if count == len(head):
            messages = list(head)
            head.clear()
            self._head_bytes = 0
        else:
            pop = head.popleft
            messages = [pop() for _ in range(count)]
            self._head_bytes -= _bytes_of(messages)
        if self.recovered_count:
            self.recovered_count -= count
        return self._take_positions(count), messages

    def take_returned(self) -> tuple[int, Message]:
        """The next message that came back, which must be there, and its position."""
        return heappop(self._returned)

    def messages(self) -> Iterator[Message]:
        """All of them, in any order; those that are paged are read, and stay paged."""
        yield from (message for _, message in self._returned)
        yield from self._head
        for chunk in self._chunks:
            if chunk.messages is not None:
                yield from chunk.messages
            else:
                assert self._read_back is not None
                yield from self._read_back(Runs(chunk.firsts, chunk.counts))

    def clear(self) -> None:
        """Forget them all."""
        for _ in self.discard():
            pass

    def entries(self) -> Iterator[tuple[int, Message]]:
        """All of them with their positions, in order; what is paged is read, and stays paged."""
        yield from sorted(self._returned, key=itemgetter(0))
        yield from zip(_positions(self._runs) if self._runs else (), self._head, strict=True)
        for chunk in self._chunks:
            messages = chunk.messages
            if messages is None:
                assert self._read_back is not None
                messages = self._read_back(Runs(chunk.firsts, chunk.counts))
            yield from zip(
                _positions(zip(chunk.firsts, chunk.counts, strict=True)), messages, strict=True
            )

    def discard(self) -> Iterator[tuple[Positions, Sequence[Message] | None]]:
        """Forget them all, in pieces: positions, and the messages if they were in memory."""
        returned, self._returned = self._returned, []
        if returned:
            yield [position for position, _ in returned], [message for _, message in returned]
        if self._head:
            count = len(self._head)
            messages, self._head_bytes = list(self._head), 0
            self._head.clear()
            yield self._take_positions(count), messages
        self.recovered_count = 0
        chunks, self._chunks = self._chunks, deque()
        self._behind_count = 0
        self._to_page.clear()
        for chunk in chunks:
            if chunk.messages is None:
                self._note_paged(chunk, is_paged=False, held_bytes=0)
            positions = _positions(zip(chunk.firsts, chunk.counts, strict=True))
            yield positions, chunk.messages

    # Chunks

    def _append_chunked(self, first: int, messages: Sequence[Message]) -> None:
        """Take in messages that are far from their turn."""
        start = 0
        while start < len(messages):
            if not self._chunks or self._chunks[-1].number:
                self._chunks.append(Chunk())
            chunk = self._chunks[-1]
            assert chunk.messages is not None
            part = messages[start : start + CHUNK_COUNT - chunk.count]
            chunk.messages.extend(part)
            if chunk.count and chunk.firsts[-1] + chunk.counts[-1] == first + start:
                chunk.counts[-1] += len(part)
            else:
                chunk.firsts.append(first + start)
                chunk.counts.append(len(part))
            chunk.count += len(part)
            self._behind_count += len(part)
            chunk.content_bytes += _bytes_of(part)
            start += len(part)
            if chunk.count >= CHUNK_COUNT or chunk.content_bytes >= CHUNK_BYTES:
                chunk.number = self._journal.open_number
                if all(properties.is_persistent for properties in {m[1] for m in chunk.messages}):
                    self._to_page.append(chunk)
        self._page_out()

    def _page_out(self) -> None:
        """Let go of what is safe (M1)."""
        to_page, safe_number = self._to_page, self._journal.safe_number
        while to_page and to_page[0].number <= safe_number:
            chunk = to_page.popleft()
            if chunk.messages is not None:
                chunk.messages = None
                held_bytes = chunk.content_bytes + chunk.count * _OVERHEAD_BYTES
                self._note_paged(chunk, is_paged=True, held_bytes=held_bytes)

    def _load_chunk(self) -> None:
        """Bring the next chunk to the head."""
        chunk = self._chunks[0]
        messages = chunk.messages
        was_paged = messages is None
        if messages is None:
            assert self._read_back is not None
            messages = self._read_back(Runs(chunk.firsts, chunk.counts))
        self._chunks.popleft()
        self._behind_count -= chunk.count
        chunk.messages = []  # so that it is not paged now
        if was_paged:
            held_bytes = _bytes_of(messages) + chunk.count * _OVERHEAD_BYTES
            self._note_paged(chunk, is_paged=False, held_bytes=held_bytes)
        if self._to_page and self._to_page[0] is chunk:
            self._to_page.popleft()
        self._head.extend(messages)
        self._head_bytes += _bytes_of(messages)
        for first, count in zip(chunk.firsts, chunk.counts, strict=True):
            _add_run(self._runs, first, count)

    def _note_paged(self, chunk: Chunk, *, is_paged: bool, held_bytes: int) -> None:
        sign = 1 if is_paged else -1
        self.paged_count += sign * chunk.count
        self.paged_delta_bytes += sign * (chunk.count * PAGED_BYTES - held_bytes)

    def _take_positions(self, count: int) -> Positions:
        """The positions of the next *count* messages of the head."""
        runs = self._runs
        first, length = runs.popleft()
        if length == count:
            return range(first, first + count)
        if length > count:
            runs.appendleft((first + count, length - count))
            return range(first, first + count)
        pieces = [range(first, first + length)]
        left = count - length
        while left:
            first, length = runs.popleft()
            if length > left:
                runs.appendleft((first + left, length - left))
                length = left
            pieces.append(range(first, first + length))
            left -= length
        return list(chain.from_iterable(pieces))


def _add_run(runs: deque[tuple[int, int]], first: int, count: int) -> None:
    if runs:
        last_first, last_count = runs[-1]
        if last_first + last_count == first:
            runs[-1] = (last_first, last_count + count)
            return
    runs.append((first, count))


def _pieces(runs: Runs, count_max: int) -> Iterator[tuple[int, int]]:
    """The runs, none longer than *count_max*."""
    for run_first, run_count in zip(runs.firsts, runs.counts, strict=True):
        for start in range(0, run_count, count_max):
            yield run_first + start, min(count_max, run_count - start)


def _positions(runs: Iterable[tuple[int, int]]) -> Positions:
    """All positions of some runs."""
    pieces = [range(first, first + count) for first, count in runs]
    return pieces[0] if len(pieces) == 1 else list(chain.from_iterable(pieces))


def _bytes_of(messages: Sequence[Message]) -> int:
    return sum([len(content) for _, _, content in messages])
