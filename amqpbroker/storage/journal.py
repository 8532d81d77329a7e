"""`engine.ports.Journal` on a log.

The engine's side says what happens (`put`, `enter`, `leave` ...) and ends a transaction with
`end_round`; the writing side takes whatever has been ended meanwhile, and writes and syncs it
together.  So there is no timer: while one commit is on its way, the next one gathers.

    ROUND    being told                               [engine's thread]
    ENDED    waits to be written                      [any thread may look]
    SAFE     `safe_number` has come to its number     [writing thread]

(W1) What a round told is written together, and rounds in the order in which they ended.
(W2) After a failure nothing becomes safe any more, except when the disk was full and is not.
"""

import errno
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from amqpbroker.engine.ports import Entries, Record, RecordKey, Runs
from amqpbroker.spec.message import Message
from amqpbroker.storage.log import CannotSync, Log, Transaction
from amqpbroker.storage.reclaim import Reclaimer
from amqpbroker.storage.recovery import NO_RUNS, UNSYNCED, Recovered
from amqpbroker.storage.told import TARGETS_MAX, Enter, Leave, Put, Told

#: What is gathered into one transaction at most, in bytes of contents.
TRANSACTION_BYTES: Final = 8 * 1024 * 1024
#: What may wait to be written before publishers are held back, in bytes of contents.
WAITING_BYTES_MAX: Final = 64 * 1024 * 1024

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class FileJournal:
    """A journal; somebody must call `write_some`, in whatever thread (`writer.py`)."""

    keeps = True

    def __init__(
        self, recovered: Recovered, ended: Callable[[bool], object] = lambda is_urgent: None
    ) -> None:
        """`ended` is called whenever a round has ended in which anything was told.

        It is told whether somebody waits for that to be safe: nobody does where entries have
        left and nothing else.
        """
        self._log = log = recovered.log
        self._entries = recovered.entries
        self._ended = ended
        self.is_clean = log.is_clean
        self.open_number = 1
        self.safe_number = 0
        self.demand_count = 0
        self.failure: OSError | None = None  # why nothing becomes safe; None: it does
        self.is_full = False  # the disk was when last tried
        self.waiting_bytes = 0  # of contents, ended and not written
        self._records = dict(log.state)
        self._next_id = log.next_id
        self._told: list[Told] = []
        self._is_urgent = False
        self._told_bytes = 0
        self._rounds: deque[tuple[int, int, list[Told], int]] = deque()
        self._unwritten: tuple[int, int, Transaction] | None = None
        self._reclaimer = Reclaimer(log)

    @property
    def told_number(self) -> int:
        """The number of the last transaction to which anything belongs."""
        return self.open_number if self._told else self.open_number - 1

    @property
    def log(self) -> Log:
        """What is written."""
        return self._log

    # What the engine says

    def put(self, kind: str, key: RecordKey, record: Record) -> None:
        """Keep a record."""
        if self._records.get((kind, key)) != record:
            self._records[kind, key] = record
            self._told.append(Put(kind, key, record))
            self.demand()

    def remove(self, kind: str, key: RecordKey) -> None:
        """Forget a record."""
        if self._records.pop((kind, key), None) is not None:
            self._told.append(Put(kind, key, None))
            self.demand()

    def demand(self) -> None:
        """Who asked waits until it is safe."""
        self.demand_count += 1
        self._is_urgent = True

    def records(self, kind: str) -> Sequence[tuple[RecordKey, Record]]:
        """The records of a kind."""
        return [(key, record) for (one, key), record in self._records.items() if one == kind]

    def reserve(self, count: int) -> int:
        """New ids."""
        first = self._next_id
        self._next_id += count
        return first

    def enter(
        self,
        queue_id: int,
        first_id: int,
        raw_publish: bytes,
        messages: Sequence[Message],
        now_ms: int,
    ) -> None:
        """Keep messages; the same that have just entered another queue are written once."""
        if self._told:
            last = self._told[-1]
            if (
                isinstance(last, Enter)
                and last.has_same(messages)
                and last.entered_ms == now_ms
                and last.raw_publish == raw_publish
                and len(last.targets) < TARGETS_MAX
            ):
                last.targets.append((queue_id, first_id))
                return
        self._is_urgent = True
        self._told.append(Enter(queue_id, first_id, raw_publish, messages, now_ms))
        self._told_bytes += sum([len(content) for _, _, content in messages])

    def leave(self, queue_id: int, ids: Sequence[int]) -> None:
        """Forget entries."""
        self._told.append(Leave(queue_id, ids))

    def entries(self, queue_id: int) -> Runs:
        """What the last process has left; asked once for each queue."""
        return self._entries.pop(queue_id, NO_RUNS)

    def read(self, runs: Runs) -> list[Entries]:
        """Read entries back; raises `StoreDamaged`."""
        return list(self._log.read(runs))

    def end_round(self) -> None:
        """The transaction is complete: it may be written."""
        if self._told:
            self.waiting_bytes += self._told_bytes
            self._rounds.append((self.open_number, self._next_id, self._told, self._told_bytes))
            self._told = []
            self._told_bytes = 0
            self.open_number += 1
            self._ended(self._is_urgent)
        self._is_urgent = False

    def note_syncs(self, *, syncs: bool) -> None:
        """Keep in mind whether transactions are synced; call it before anything else is told."""
        if syncs:
            self.remove(*UNSYNCED)
        else:
            self.put(*UNSYNCED, {})
        self.end_round()
        if self.write_some():
            self._log.active.file.sync()

    @property
    def is_behind(self) -> bool:
        """Whether more waits to be written than is good."""
        return self.waiting_bytes > WAITING_BYTES_MAX

    # Writing

    def write_some(self) -> bool:
        """Write and sync what has ended; False when there is nothing, or it cannot be.

        Afterwards `safe_number` says what is safe, and `failure` why the rest is not.
        """
        if self.failure is not None and not self.is_full:
            return False
        if self._unwritten is None:
            self._unwritten = self._gather()
        if self._unwritten is None:
            return False
        number, content_bytes, transaction = self._unwritten
        try:
            self._log.commit(transaction)
        except OSError as error:
            self._failed(error)
            return False
        self._unwritten = None
        self.failure, self.is_full = None, False
        self.waiting_bytes -= content_bytes
        self.safe_number = number
        return True

    def tend(self, *, is_idle: bool) -> bool:
        """Do some of the log's own work: segments begin and go; whether there may be more."""
        if self.failure is not None:
            return False
        try:
            if self._log.is_full:
                self._log.roll()
            return self._reclaimer.idle_step() if is_idle else self._reclaimer.step()
        except OSError as error:
            self._failed(error)
            return False

    def close(self) -> None:
        """Write everything, and that the end is peaceful; nothing may be told afterwards."""
        self.end_round()
        while self.write_some():
            pass
        if self.failure is None:
            try:
                self._log.close()
            except OSError as error:
                self._failed(error)

    def _gather(self) -> tuple[int, int, Transaction] | None:
        """All rounds that have ended, or as many as make a transaction."""
        told: list[Told] = []
        number = next_id = content_bytes = 0
        while self._rounds and content_bytes < TRANSACTION_BYTES:
            number, next_id, round_told, round_bytes = self._rounds.popleft()
            told += round_told
            content_bytes += round_bytes
        if not number:
            return None
        return number, content_bytes, self._log.prepare(told, next_id)

    def _failed(self, error: OSError) -> None:
        self.failure = error
        self.is_full = error.errno in _FULL and not isinstance(error, CannotSync)
