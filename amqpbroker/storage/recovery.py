"""Opening a log: reading its segments, telling what is wrong with them, knowing what counts.

Every byte is read and checked: what was confirmed is there, or the store does not open.  A
segment that was left says nothing new; its size stands in the snapshot of every later one, so
that one which is missing, cut, or longer is noticed.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import attrs

from amqpbroker.engine.ports import Runs
from amqpbroker.storage import layout
from amqpbroker.storage.disk import Disk, File
from amqpbroker.storage.log import SEGMENT_BYTES, Log, Segment
from amqpbroker.storage.scan import SegmentScan, StoreDamaged

NO_RUNS = Runs((), ())
#: (kind, key) of the record that says that transactions are not synced: of such a store more than
#: one transaction may be torn.
UNSYNCED = ("store", ("unsynced",))


@attrs.define
class _Group:
    """Entries of one queue that stand in one record."""

    queue_id: int
    first_id: int
    span: int
    place: tuple[int, int, int]
    indices: Sequence[int] | None


@attrs.define
class Recovered:
    """A log that was opened, and what it was opened with."""

    log: Log
    entries: dict[int, Runs]  # {queue id: those that have not left}
    torn_bytes: int = 0  # of a transaction that was not confirmed, at the end


class Reading:
    """The segments of a directory, read from the first to the last."""

    def __init__(self, disk: Disk, log: Log, *, passes_faults: bool = False) -> None:
        """With `passes_faults` it takes what it can get, behind faults too."""
        self._passes_faults = passes_faults
        self.disk = disk
        self.log = log
        self.faults: list[str] = []
        self.torn_bytes = 0
        self.superseded: list[int] = []  # segments that nothing needs, removed as far as that went
        self.groups: list[_Group] = []
        self._leaves: list[tuple[int, int, int]] = []  # (segment number, first id, count)
        self._sizes: dict[int, int] = {}  # {segment number: its final size}, by the last snapshot
        self._ends: list[tuple[File, SegmentScan]] = []  # faults that no transaction stands behind
        self._to_cut: tuple[File, int] | None = None
        self._sound: dict[int, int] = {}  # {segment number: bytes that read}

    def read(self) -> None:
        """Read all; afterwards `faults` says what is wrong."""
        for number in sorted(filter(None, map(layout.segment_number, self.disk.names()))):
            self._read_segment(number)
        self._judge_end()
        self._check_sizes()

    def _read_segment(self, number: int) -> None:
        log, name = self.log, layout.segment_name(number)
        file = self.disk.open(name)
        scan = SegmentScan(file, number)
        try:
            for record in scan.records(passes_faults=self._passes_faults):
                self._take(number, record.kind, record.position, record.size_bytes, record.payload)
        except (layout.Malformed, ValueError, KeyError, TypeError) as error:
            scan.fault = f"a record makes no sense: {error}"
        if scan.version != layout.FORMAT_VERSION:
            self.faults.append(
                f"{name} has version {scan.version} of the format; this broker reads "
                f"{layout.FORMAT_VERSION}"
            )
            return
        if scan.last_commit is not None:
            self.faults += [
                f"{layout.segment_name(one.number)}: {one.fault}" for _, one in self._ends
            ]
            self._ends.clear()
        if scan.fault is not None:
            self._ends.append((file, scan))
        if scan.last_commit is None:
            return  # it never began to count
        log.segments[number] = Segment(number, file, scan.sound_bytes)
        log.last_commit = scan.last_commit
        log.next_id = max(log.next_id, scan.next_id)
        log.is_clean = scan.is_closed and scan.fault is None
        self._sound[number] = scan.size_bytes if scan.fault is None else scan.sound_bytes

    def _judge_end(self) -> None:
        """What does not read at the very end may be of a transaction that never was."""
        for file, scan in self._ends:
            was_synced = UNSYNCED not in self.log.state
            if was_synced and not scan.is_torn(self.log.last_commit):
                self.faults.append(f"{layout.segment_name(scan.number)}: {scan.fault}")
                continue
            self.torn_bytes += scan.size_bytes - scan.sound_bytes
            if scan.last_commit is None:
                self.superseded.append(scan.number)
            else:
                self._to_cut = (file, scan.sound_bytes)

    def tidy(self) -> None:
        """Cut off a torn end, and remove what nothing needs."""
        if self._to_cut is not None:
            file, size_bytes = self._to_cut
            file.truncate(size_bytes)
            file.sync()
        for number in self.superseded:
            self.disk.remove(layout.segment_name(number))
        if self.superseded:
            self.disk.sync()

    def _take(
        self, number: int, kind: int, position: int, size_bytes: int, payload: memoryview
    ) -> None:
        state = self.log.state
        if kind == layout.ENTER:
            targets, span, count = layout.enter_targets(payload)
            indices = None
            if count != span:
                indices = layout.decode_enter(bytes(payload)).indices
            place = (number, position, size_bytes)
            for queue_id, first_id in targets:
                self.groups.append(_Group(queue_id, first_id, span, place, indices))
        elif kind == layout.LEAVE:
            leaves = layout.decode_leave(payload)
            self._leaves += [(number, first, count) for first, count in leaves]
        elif kind == layout.STATE:
            record_kind, key, record = layout.decode_state(payload)
            if record is None:
                state.pop((record_kind, key), None)
            else:
                state[record_kind, key] = record
        elif kind == layout.SNAPSHOT:
            self._sizes, items = layout.decode_snapshot(payload)
            state.clear()
            state.update({(one, key): record for one, key, record in items})
        elif kind == layout.DROP:
            self._sizes.pop(layout.decode_drop(payload), None)

    def _check_sizes(self) -> None:
        """Hold the segments against what the last snapshot says of them."""
        segments = self.log.segments
        for number, size_bytes in self._sizes.items():
            name = layout.segment_name(number)
            if number not in self._sound:
                if not any(fault.startswith(name) for fault in self.faults):
                    self.faults.append(f"{name} is missing, or nothing in it reads")
            elif self._sound[number] != size_bytes:
                self.faults.append(
                    f"{name} has {self._sound[number]} bytes instead of {size_bytes}"
                )
        last = max(segments, default=0)
        for number in [one for one in segments if one not in self._sizes and one != last]:
            del segments[number]
            self.superseded.append(number)

    def apply(self) -> dict[int, Runs]:
        """Make the index; the entries that have not left, by queue."""
        log = self.log
        groups = [group for group in self.groups if group.place[0] in log.segments]
        for group in groups:
            log.index.add(group.first_id, group.span, group.place, group.indices)
        for number, first, count in self._leaves:
            if number in log.segments:
                for killed, _ in log.index.bury(first, count):
                    log.segments[number].kills.add(killed)
        queue_ids = log.queue_ids()
        runs: dict[int, list[tuple[int, int]]] = {queue_id: [] for queue_id in queue_ids}
        byte_counts = dict.fromkeys(queue_ids, 0)
        for group in groups:
            segment = log.segments[group.place[0]]
            segment.entered_count += group.span if group.indices is None else len(group.indices)
            if group.queue_id not in queue_ids:
                continue
            if log.index.place_of_group(group.first_id) != group.place[:2]:
                continue  # it was moved
            alive = log.index.alive(group.first_id, group.span)
            if alive_count := alive.count(0):
                live = segment.live
                live[group.queue_id] = live.get(group.queue_id, 0) + alive_count
                byte_counts[group.queue_id] += group.place[2] * alive_count // group.span
                runs[group.queue_id] += _alive_runs(group.first_id, alive, alive_count)
        return {
            queue_id: _merged(one, byte_counts[queue_id]) for queue_id, one in runs.items() if one
        }


def open_log(disk: Disk, *, syncs: bool = True, segment_bytes: int = SEGMENT_BYTES) -> Recovered:
    """Read the log of a directory and make it ready to be written.

    Raises `StoreDamaged`; then nothing on the disk has changed.
    """
    log = Log(disk, syncs=syncs, segment_bytes=segment_bytes)
    reading = Reading(disk, log)
    reading.read()
    if reading.faults:
        raise StoreDamaged(reading.faults)
    entries = reading.apply()
    reading.tidy()
    if not log.segments:
        log.roll()
        log.is_clean = True
    return Recovered(log, entries, reading.torn_bytes)


def _alive_runs(first_id: int, alive: bytes, alive_count: int) -> Iterator[tuple[int, int]]:
    if alive_count == len(alive):
        yield first_id, alive_count
        return
    position = first_id
    for mark, same in groupby(alive):
        count = sum(1 for _ in same)
        if not mark:
            yield position, count
        position += count


def _merged(runs: Iterable[tuple[int, int]], byte_count: int) -> Runs:
    """Runs in order, adjacent ones as one."""
    firsts, counts = array("Q"), array("I")
    for first, count in sorted(runs):
        if firsts and firsts[-1] + counts[-1] == first:
            counts[-1] += count
        else:
            firsts.append(first)
            counts.append(count)
    return Runs(firsts, counts, byte_count)
