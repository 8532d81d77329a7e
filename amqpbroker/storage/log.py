"""The log: transactions are appended to segment files, and what no longer counts is left behind.

    commit    what the journal was told becomes records, which are written and synced together
    roll      a segment that is full is left as it is; the next begins with all records
    reclaim   of a segment with little that counts, that is written again at the end of the log,
              and the segment removed (`reclaim.py`)
    open      reads every segment, and knows again what counts (`recovery.py`)

(G1) A transaction counts when its COMMIT stands on the disk, and nothing of it before.
(G2) A LEAVE is kept as long as a segment has the entry that it is about.
(G3) After a write has failed nothing more is written behind it; after a sync has failed nothing
     is written at all (`disk.py`, K3).

One thread writes; `read` may be called from any.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from amqpbroker.engine.ports import Entries, Record, RecordKey, Runs
from amqpbroker.storage import layout
from amqpbroker.storage.disk import Disk, File
from amqpbroker.storage.index import Index, Place
from amqpbroker.storage.scan import StoreDamaged
from amqpbroker.storage.told import Enter, Leave, Put, Told, without_what_left

#: A segment that has become larger is left.
SEGMENT_BYTES: Final = 32 * 1024 * 1024

StateKey = tuple[str, RecordKey]


@attrs.define(eq=False)
class Segment:
    """A segment file and what of it counts."""

    number: int
    file: File
    size_bytes: int
    entered_count: int = 0
    live: dict[int, int] = attrs.field(factory=dict)  # {queue id: entries that have not left}
    kills: set[int] = attrs.field(factory=set)  # the segments whose entries its LEAVEs are about

    @property
    def live_count(self) -> int:
        """How many of its entries have not left."""
        return sum(self.live.values())

    @property
    def live_bytes(self) -> int:
        """About how many of its bytes count."""
        return self.size_bytes * self.live_count // max(self.entered_count, 1)


@attrs.define
class Transaction:
    """Records that are written together, and what they say."""

    records: list[bytes] = attrs.field(factory=list)
    entered: list[tuple[Enter, int]] = attrs.field(factory=list)  # with its place in `records`
    left: list[tuple[int, list[tuple[int, int]]]] = attrs.field(factory=list)  # (queue id, runs)
    puts: list[Put] = attrs.field(factory=list)


class CannotSync(OSError):
    """A sync has failed: what is on the disk is not known any more (G3)."""


class Log:
    """The segments of one directory, ready to be written; `recovery.open_log` makes it."""

    def __init__(
        self, disk: Disk, *, syncs: bool = True, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        """Without `syncs` nothing is synced but what is complete: a power cut may cost the rest."""
        self.disk = disk
        self._segment_bytes = segment_bytes
        self.syncs = syncs
        self.index = Index()
        self.segments: dict[int, Segment] = {}  # {number: segment}, ascending; the last is written
        self.state: dict[StateKey, Record] = {}
        self.next_id = 1
        self.last_commit = 0
        self.is_clean = True  # the last process ended in peace
        self._to_remove: list[Segment] = []  # nothing needs them

    @property
    def active(self) -> Segment:
        """The segment that is written."""
        return next(reversed(self.segments.values()))

    @property
    def size_bytes(self) -> int:
        """What all segments take."""
        return sum(segment.size_bytes for segment in self.segments.values())

    def prepare(self, told: Sequence[Told], next_id: int) -> "Transaction":
        """Make records of what the journal was told; nothing is written yet."""
        self.next_id = max(self.next_id, next_id)
        kept = without_what_left(told)
        transaction = Transaction()
        records = transaction.records
        for one in kept:
            if isinstance(one, Enter):
                transaction.entered.append((one, len(records)))
                records.append(one.encoded())
            elif isinstance(one, Leave):
                if runs := one.runs():
                    transaction.left.append((one.queue_id, runs))
            else:
                transaction.puts.append(one)
                records.append(layout.encode_state(one.kind, one.key, one.record))
        if transaction.left:
            all_runs = [run for _, runs in transaction.left for run in runs]
            records.append(layout.encode_leave(all_runs))
        return transaction

    def commit(self, transaction: "Transaction") -> None:
        """Write and sync a transaction; raises `OSError`, then nothing of it counts.

        `CannotSync` says that no other will.
        """
        records = transaction.records
        if not records:
            return
        positions = self.write(records)
        number = self.active.number
        for one, place in transaction.entered:
            self.note_entered(one, (number, positions[place], len(records[place])))
        for queue_id, runs in transaction.left:
            self.note_left(queue_id, runs)
        for one in transaction.puts:
            self.note_state(one.kind, one.key, one.record)

    def write(self, records: list[bytes]) -> list[int]:
        """Append records and a COMMIT, and sync; where each record stands."""
        active = self.active
        removed, self._to_remove = self._to_remove, []
        drops = [layout.encode_drop(segment.number) for segment in removed]
        position = active.size_bytes
        positions: list[int] = []
        for record in records:
            positions.append(position)
            position += len(record)
        commit = layout.encode_commit(self.last_commit + 1, self.next_id)
        data = b"".join([*records, *drops, commit])
        try:
            active.file.append(data)
        except OSError:
            self._to_remove = removed
            active.file.truncate(active.size_bytes)
            raise
        if self.syncs:
            _sync(active.file)
        active.size_bytes += len(data)
        self.last_commit += 1
        for segment in removed:
            self.disk.remove(layout.segment_name(segment.number))
            segment.file.close()
        return positions

    @property
    def is_full(self) -> bool:
        """Whether it is time to `roll`."""
        return self.active.size_bytes >= self._segment_bytes

    def roll(self) -> None:
        """Leave the active segment as it is, and begin the next one; raises as `commit`."""
        before = self.active if self.segments else None
        if before is not None:
            _sync(before.file)
        gone = {segment.number for segment in self._to_remove}
        number = before.number + 1 if before is not None else 1
        name = layout.segment_name(number)
        if name in self.disk.names():  # what a failed attempt has left
            self.disk.remove(name)
        sizes = [(one.number, one.size_bytes) for one in self.segments.values()]
        state = [(kind, key, record) for (kind, key), record in self.state.items()]
        snapshot = layout.encode_snapshot([one for one in sizes if one[0] not in gone], state)
        commit = layout.encode_commit(self.last_commit + 1, self.next_id)
        file = self.disk.open(name)
        try:
            file.append(layout.encode_header(number) + snapshot + commit)
        except OSError:
            self.disk.remove(name)  # the one before goes on
            raise
        _sync(file)
        _sync(self.disk)
        self.last_commit += 1
        self.segments[number] = Segment(number, file, file.size_bytes)
        removed, self._to_remove = self._to_remove, []
        for segment in removed:
            self.disk.remove(layout.segment_name(segment.number))
            segment.file.close()

    def close(self) -> None:
        """Say that the end is peaceful."""
        self.write([layout.encode_record(layout.CLOSE)])
        _sync(self.active.file)

    # What counts

    def note_entered(self, entered: Enter, place: tuple[int, int, int]) -> None:
        """Entries stand in a record."""
        for queue_id, first_id in entered.targets:
            self.note_group(queue_id, first_id, entered.span, place, entered.indices)

    def note_group(
        self,
        queue_id: int,
        first_id: int,
        span: int,
        place: tuple[int, int, int],
        indices: Sequence[int] | None,
    ) -> None:
        """The entries of one target stand in a record, whether they are new or were moved."""
        segment = self.segments[place[0]]
        before = self.index.add(first_id, span, place, indices)
        alive = self.index.alive(first_id, span).count(0)
        segment.entered_count += span if indices is None else len(indices)
        if alive:
            segment.live[queue_id] = segment.live.get(queue_id, 0) + alive
            if before in self.segments:
                _decrease(self.segments[before].live, queue_id, alive)

    def note_left(self, queue_id: int, runs: Iterable[tuple[int, int]]) -> None:
        """Entries have left; it stands in the active segment."""
        kills = self.active.kills
        for first, count in runs:
            for number, alive in self.index.bury(first, count):
                if number in self.segments:
                    kills.add(number)
                    if alive:
                        _decrease(self.segments[number].live, queue_id, alive)

    def note_state(self, kind: str, key: RecordKey, record: Record | None) -> None:
        """A record was put or removed, a queue's with its entries."""
        if record is not None:
            self.state[kind, key] = record
            return
        removed = self.state.pop((kind, key), None)
        if kind == "queue" and removed is not None:
            for segment in self.segments.values():
                segment.live.pop(queue_id_of(removed), None)

    def queue_ids(self) -> set[int]:
        """The queues that are there."""
        return {queue_id_of(record) for (kind, _), record in self.state.items() if kind == "queue"}

    def remove(self, segment: Segment) -> None:
        """Nothing needs a segment any more: it goes with the next transaction."""
        self.index.forget_segment(segment.number)
        del self.segments[segment.number]
        self._to_remove.append(segment)

    @property
    def has_removals(self) -> bool:
        """Whether segments wait for the next transaction to be removed."""
        return bool(self._to_remove)

    # Reading

    def read(self, runs: Runs) -> Iterator[Entries]:
        """Read entries back; raises `StoreDamaged` for what does not read."""
        for first, count in zip(runs.firsts, runs.counts, strict=True):
            got = 0
            for place, start, end in self.index.places(first, count):
                entered = self.read_record(place, first)
                contents = _contents(entered, start - place.first_id, end - place.first_id)
                got += len(contents)
                yield Entries(entered.raw_publish, entered.entered_ms, contents)
            if got != count:
                raise StoreDamaged([f"of {count} entries from {first} on {got} are there"])

    def read_record(self, place: Place, first: int) -> layout.Enter:
        """Read the ENTER record at a place, which *first* is looked up again by if it has moved."""
        while True:
            segment = self.segments.get(place.segment_number)
            if segment is not None:
                raw = segment.file.read(place.position, place.size_bytes)
                break
            place = self.index.places(place.first_id, 1)[0][0]
        head = layout.RECORD_HEAD.size
        payload = raw[head:]
        if len(raw) == place.size_bytes:
            payload_bytes, crc, kind = layout.RECORD_HEAD.unpack_from(raw)
            if payload_bytes == len(payload) and layout.is_sound(kind, crc, payload):
                return layout.decode_enter(payload)
        raise StoreDamaged(
            [f"segment {place.segment_number}: a record does not read, at byte {place.position}"]
        )


def queue_id_of(record: Record) -> int:
    """The id of a queue, by its record."""
    queue_id = record["id"]
    assert isinstance(queue_id, int), record
    return queue_id


def _contents(entered: layout.Enter, start: int, end: int) -> list[bytes]:
    """The contents of the messages whose indices are from *start* to *end*."""
    if len(entered.indices) == entered.span:
        return [entered.content(place) for place in range(start, end)]
    places = {index: place for place, index in enumerate(entered.indices)}
    return [entered.content(places[index]) for index in range(start, end) if index in places]


def _sync(one: File | Disk) -> None:
    try:
        one.sync()
    except OSError as error:
        raise CannotSync(error.errno, error.strerror) from error


def _decrease(live: dict[int, int], queue_id: int, count: int) -> None:
    left = live.get(queue_id, 0) - count
    if left > 0:
        live[queue_id] = left
    else:
        live.pop(queue_id, None)
