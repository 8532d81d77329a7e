"""The store of a running server: its journal on disk, the thread that writes it, its alarm.

round ends    what it told may be written (`finish_round`)
more is safe  confirms are told, and answers given that waited (`Server.told_safe`)
trouble       the disk is full, has failed, or has less than `disk_free_limit_bytes` left:
              publishers wait, and somebody must look
"""

import logging
import sys
from collections.abc import Callable
from typing import Final

from amqpbroker.server.alarms import Alarms
from amqpbroker.server.timekeeper import Timekeeper
from amqpbroker.storage.disk import RealDisk
from amqpbroker.storage.journal import FileJournal
from amqpbroker.storage.recovery import open_log
from amqpbroker.storage.writer import Writer

logger = logging.getLogger("amqpbroker")

#: How often to see what the disk has left.
LOOK_SECONDS: Final = 1.0
#: The alarm ends when so much more is free than where it began.
_ALARM_END_SHARE: Final = 1.1
#: A thread that comes back from the disk waits so long, at most, for a busy one to let it go on.
#: With CPython's own 5 ms a commit takes ten times as long as the disk.
SWITCH_SECONDS: Final = 0.0005
_DISK: Final = "disk"
_MIB: Final = 1024 * 1024


class Store:
    """A directory that the server keeps its journal in."""

    def __init__(self, path: str, *, syncs: bool, disk_free_limit_bytes: int) -> None:
        """Open it; raises `StoreLocked`, `StoreDamaged` and `OSError`."""
        self._path = path
        self._disk_free_limit_bytes = disk_free_limit_bytes
        self._disk = RealDisk(path)
        try:
            recovered = open_log(self._disk, syncs=syncs)
        except BaseException:
            self._disk.close()
            raise
        self._writer: Writer | None = None
        self.journal = FileJournal(recovered, self._wake)
        self.journal.note_syncs(syncs=syncs)
        self._alarms: Alarms | None = None
        self._timekeeper: Timekeeper | None = None
        if recovered.torn_bytes:
            logger.warning(
                "store %s: dropped %d bytes at its end, of a transaction that was under way when "
                "the broker or the machine stopped; nobody was told that it is safe",
                path,
                recovered.torn_bytes,
            )
        if not syncs:
            logger.warning(
                "store %s: fsync is off: a power cut loses what was confirmed in the last moments "
                "before it, a killed broker loses nothing",
                path,
            )

    def start(self, alarms: Alarms, timekeeper: Timekeeper, told: Callable[[], object]) -> None:
        """Begin to write; *told* is called in the writer's thread when something is to be told."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._alarms, self._timekeeper = alarms, timekeeper
        self._writer = Writer(self.journal, told)
        self._writer.start()
        self._watch_disk()

    def stop(self) -> None:
        """Write what there is, and close."""
        if self._writer is not None:
            self._writer.stop()
        self._disk.close()

    def _wake(self, is_urgent: bool) -> None:
        if self._writer is not None:
            self._writer.wake(is_urgent)

    def look(self) -> None:
        """See whether the disk is as it should be, and raise or end the alarm."""
        alarms = self._alarms
        assert alarms is not None
        failure = self.journal.failure
        free_bytes = self._disk.free_bytes()
        limit_bytes = self._disk_free_limit_bytes
        if _DISK in alarms:
            if failure is None and free_bytes >= limit_bytes * _ALARM_END_SHARE:
                logger.warning("disk alarm is over: publishers go on")
                alarms.clear(_DISK)
        elif failure is not None:
            alarms.set(_DISK)
            end = (
                "until there is room again"
                if self.journal.is_full
                else "until the broker is started again, when the disk is good"
            )
            logger.error(
                "disk alarm: cannot write to %s: %s; nothing is confirmed, and publishers wait, %s",
                self._path,
                failure.strerror or failure,
                end,
            )
        elif free_bytes < limit_bytes:
            alarms.set(_DISK)
            logger.warning(
                "disk alarm: %s has %.1f MiB free, less than the limit of %.1f MiB; publishers "
                "wait",
                self._path,
                free_bytes / _MIB,
                limit_bytes / _MIB,
            )

    def _watch_disk(self) -> None:
        assert self._timekeeper is not None
        self.look()
        self._timekeeper.call_in(LOOK_SECONDS, self._watch_disk)
