"""Reading a segment file from its beginning, and telling a torn end from damage.

Writing goes transaction by transaction, each synced before the next begins, so a power cut can
spoil the last one only, whose publishes were never confirmed: that is a *torn end*, and what
stands there is dropped.  Anything else that does not read is *damage*: somebody was told that it
is safe.  What tells them apart is the number of a later COMMIT: behind a torn end there is none,
or the one of the transaction that was torn.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from amqpbroker.storage import layout
from amqpbroker.storage.disk import File

_COMMIT_HEAD: Final = re.compile(rb"\x10\0\0\0[\0-\xff]{4}" + bytes((layout.COMMIT,)))


class StoreDamaged(Exception):
    """The store cannot be read as it stands; `faults` says what is wrong, a sentence each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class ScannedRecord(NamedTuple):
    """A record whose transaction is whole."""

    kind: int
    position: int  # of the record in the file
    size_bytes: int  # of the record, its head included
    payload: memoryview


class SegmentScan:
    """What a segment file holds."""

    def __init__(self, file: File, number: int) -> None:
        self.number = number
        self.size_bytes = file.size_bytes
        self.fault: str | None = None  # what does not read, and where
        self.version = layout.FORMAT_VERSION
        self.is_closed = False  # the broker ended in peace behind its last transaction
        self.sound_bytes = 0  # up to here everything reads, and is part of whole transactions
        self.first_commit: int | None = None
        self.last_commit: int | None = None
        self.next_id = 0
        self._data = file.read(0, self.size_bytes)

    def records(self, *, passes_faults: bool = False) -> Iterator[ScannedRecord]:
        """The records of whole transactions, but for the COMMITs; the attributes are true after.

        It ends at the first fault, or with `passes_faults` goes on behind the next COMMIT.
        """
        header = layout.decode_header(self._data)
        if header is None:
            self.fault = "the header of the file does not read"
            return
        self.version, number = header
        if number != self.number:
            self.fault = f"the header says that it is segment {number}"
            return
        if self.version != layout.FORMAT_VERSION:
            return
        view = memoryview(self._data)
        position = self.sound_bytes = layout.HEADER_BYTES
        pending: list[ScannedRecord] = []
        while position < len(view):
            record = self._record_at(view, position)
            if record is None:
                behind = self._behind_commit(position) if passes_faults else None
                if behind is None:
                    return
                pending.clear()
                position = behind
                continue
            position += record.size_bytes
            if record.kind != layout.COMMIT:
                pending.append(record)
                continue
            self.last_commit, self.next_id = layout.decode_commit(record.payload)
            if self.first_commit is None:
                self.first_commit = self.last_commit
            self.is_closed = bool(pending) and pending[-1].kind == layout.CLOSE
            self.sound_bytes = position
            yield from pending
            pending.clear()
        if pending:
            self.fault = f"it ends within a transaction, at byte {position}"

    def _behind_commit(self, position: int) -> int | None:
        """Where the next COMMIT ends that reads."""
        for match in _COMMIT_HEAD.finditer(self._data, position):
            payload = self._data[match.end() : match.end() + 16]
            crc = layout.RECORD_HEAD.unpack_from(match[0])[1]
            if len(payload) == 16 and layout.is_sound(layout.COMMIT, crc, payload):
                return match.end() + 16
        return None

    def _record_at(self, view: memoryview, position: int) -> ScannedRecord | None:
        start = position + layout.RECORD_HEAD.size
        if start > len(view):
            self.fault = f"it ends within a record, at byte {position}"
            return None
        payload_bytes, crc, kind = layout.RECORD_HEAD.unpack_from(view, position)
        if start + payload_bytes > len(view):
            self.fault = f"it ends within a record, at byte {position}"
            return None
        payload = view[start : start + payload_bytes]
        if not layout.is_sound(kind, crc, payload):
            self.fault = f"a record does not read, at byte {position}"
            return None
        size_bytes = layout.RECORD_HEAD.size + payload_bytes
        return ScannedRecord(kind, position, size_bytes, payload)

    def is_torn(self, last_commit: int) -> bool:
        """Whether the fault may be what a power cut left, *last_commit* being the one before."""
        return all(number <= last_commit + 1 for number in self.commits_behind())

    def commits_behind(self) -> Iterator[int]:
        """The numbers of the transactions whose COMMIT reads behind the fault."""
        for match in _COMMIT_HEAD.finditer(self._data, self.sound_bytes):
            payload = self._data[match.end() : match.end() + 16]
            crc = layout.RECORD_HEAD.unpack_from(match[0])[1]
            if len(payload) == 16 and layout.is_sound(layout.COMMIT, crc, payload):
                yield layout.decode_commit(payload)[0]
