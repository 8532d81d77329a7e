"""Taking space back: a segment of which little counts is written again, as far as it does.

What still counts of a segment are entries that have not left, and LEAVEs about entries that some
other segment still has (`log.py`, G2).  Both are written again at the end of the log, a piece at a
time, between the transactions; then the segment is removed.  Records need no copying, they stand
in every snapshot.
"""

from collections.abc import Iterator
from typing import Final

from amqpbroker.storage import layout
from amqpbroker.storage.log import Log, Segment
from amqpbroker.storage.told import runs_of

#: How much is read, and how much is written again, in one step.
STEP_READ_BYTES: Final = 4 * 1024 * 1024
STEP_WRITE_BYTES: Final = 512 * 1024
#: A segment that is written although it is not full is left when it is idle and larger.
IDLE_BYTES: Final = 256 * 1024
#: When nothing was found to do, how many commits later to look again.
LOOK_COMMITS: Final = 64

_Moved = tuple[int, int, int, tuple[int, ...] | None]  # (queue id, first id, span, indices)


class Reclaimer:
    """Removes one segment after the other, in steps."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._segment: Segment | None = None  # that is being written again
        self._rest: Iterator[tuple[int, int, bytes]] = iter(())
        self._look_at = 0  # the number of the commit from which on it is worth a look

    def step(self) -> bool:
        """Do some of the work; whether there may be more.  Raises as `Log.commit`."""
        if self._segment is None:
            if self._log.last_commit < self._look_at:
                return False
            segment = self._choose()
            if segment is None:
                self._look_at = self._log.last_commit + LOOK_COMMITS
                return False
            if not segment.live and not self._kills(segment):
                self._log.remove(segment)
                return True
            self._segment = segment
            self._rest = _records(segment)
        self._copy_some(self._segment)
        return True

    def rewrite(self, segment: Segment, records: Iterator[tuple[int, int, bytes]]) -> None:
        """Write again what counts of the *records* that a segment has, and remove it."""
        self._segment, self._rest = segment, records
        while self._segment is segment:
            self._copy_some(segment)

    def idle_step(self) -> bool:
        """As `step`, when nobody else wants to write: the active segment may be left for it."""
        self._look_at = 0
        if self.step():
            return True
        log = self._log
        active = log.active
        if active.size_bytes > IDLE_BYTES and active.live_bytes * 2 < active.size_bytes:
            log.roll()
            return True
        if log.has_removals:
            log.write([])
            return True
        return False

    def _choose(self) -> Segment | None:
        """The segment of which the least counts, if that is less than half."""
        others = [one for one in self._log.segments.values() if one is not self._log.active]
        candidates = [one for one in others if one.live_bytes * 2 <= one.size_bytes]
        return min(candidates, key=lambda one: one.live_bytes / one.size_bytes, default=None)

    def _kills(self, segment: Segment) -> set[int]:
        """The other segments whose entries its LEAVEs are about."""
        return {one for one in segment.kills if one in self._log.segments and one != segment.number}

    def _copy_some(self, segment: Segment) -> None:
        """Write some of the segment again; remove it when that is all."""
        log = self._log
        records: list[bytes] = []
        moved: list[list[_Moved]] = []
        kills: set[int] = set()
        dead: list[int] = []
        read_bytes = write_bytes = 0
        is_finished = True
        queue_ids = log.queue_ids()
        for kind, position, payload in self._rest:
            read_bytes += len(payload)
            if kind == layout.ENTER:
                record, groups = self._living(segment, position, payload, queue_ids, dead)
            elif kind == layout.LEAVE:
                record, groups = self._leaves(segment, payload, kills), []
            else:
                continue
            if record:
                records.append(record)
                moved.append(groups)
                write_bytes += len(record)
            if read_bytes >= STEP_READ_BYTES or write_bytes >= STEP_WRITE_BYTES:
                is_finished = False
                break
        if dead:
            records.append(layout.encode_leave(runs_of(dead)))
            moved.append([])
        if records:
            try:
                positions = log.write(records)
            except OSError:
                self._segment = None  # from its beginning, another time
                raise
            number = log.active.number
            log.active.kills |= kills
            for record, position, groups in zip(records, positions, moved, strict=True):
                for queue_id, first_id, span, indices in groups:
                    place = (number, position, len(record))
                    log.note_group(queue_id, first_id, span, place, indices)
        if is_finished:
            self._segment = None
            log.remove(segment)

    def _living(
        self,
        segment: Segment,
        position: int,
        payload: bytes,
        queue_ids: set[int],
        dead: list[int],
    ) -> tuple[bytes, list[_Moved]]:
        """An ENTER record with what is alive of another, and the groups in it.

        Adds to *dead* what stands in it and has left.
        """
        index = self._log.index
        entered = layout.decode_enter(payload)
        living: list[tuple[int, int]] = []
        columns: list[bytes] = []
        for queue_id, first_id in entered.targets:
            if queue_id not in queue_ids:
                continue
            if index.place_of_group(first_id) != (segment.number, position):
                continue
            alive = index.alive(first_id, entered.span)
            if 0 in alive:
                living.append((queue_id, first_id))
                columns.append(alive)
        if not living:
            return b"", []
        places = [
            place
            for place, one in enumerate(entered.indices)
            if any(not column[one] for column in columns)
        ]
        contents = [entered.content(place) for place in places]
        indices: tuple[int, ...] | None = None
        if len(places) < entered.span:
            indices = tuple(entered.indices[place] for place in places)
        for (_, first_id), column in zip(living, columns, strict=True):
            # It stands here for another queue's sake: that it has left this one stands beside it.
            shared = [first_id + entered.indices[place] for place in places]
            dead += [one for one in shared if column[one - first_id]]
        record = layout.encode_enter(
            living, entered.span, entered.entered_ms, entered.raw_publish, contents, indices
        )
        return record, [(queue_id, first, entered.span, indices) for queue_id, first in living]

    def _leaves(self, segment: Segment, payload: bytes, kills: set[int]) -> bytes:
        """A LEAVE record with what is still needed of another."""
        runs: list[tuple[int, int]] = []
        for first, count in layout.decode_leave(payload):
            for place, start, end in self._log.index.places(first, count):
                number = place.segment_number
                if number in self._log.segments and number != segment.number:
                    runs.append((start, end - start))
                    kills.add(number)
        return layout.encode_leave(runs) if runs else b""


def _records(segment: Segment) -> Iterator[tuple[int, int, bytes]]:
    """(kind, position, payload) of each record; what was written is read back unchecked."""
    position = layout.HEADER_BYTES
    head_bytes = layout.RECORD_HEAD.size
    while position < segment.size_bytes:
        head = segment.file.read(position, head_bytes)
        payload_bytes, crc, kind = layout.RECORD_HEAD.unpack(head)
        payload = segment.file.read(position + head_bytes, payload_bytes)
        assert layout.is_sound(kind, crc, payload), (segment.number, position)
        yield kind, position, payload
        position += head_bytes + payload_bytes
