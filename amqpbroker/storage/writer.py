"""The thread that writes a journal.

It sleeps until a round has ended, and a little longer where nobody waits for that: acks are
written together with the next publishes, not between one and its confirm.  When there is nothing
to write it tends the log: it takes back space, a step at a time, as long as nobody has anything
more urgent.
"""

import threading
from collections.abc import Callable
from typing import Final

from amqpbroker.storage.journal import FileJournal

#: When nothing was told for so long, the log may be tidied up.
IDLE_SECONDS: Final = 1.0
#: How long what nobody waits for may wait for something more urgent, to be written with it.
LOOSE_SECONDS: Final = 0.02
#: How often to try whether a full disk has room again.
RETRY_SECONDS: Final = 1.0


class Writer:
    """Writes a journal in a thread of its own."""

    def __init__(self, journal: FileJournal, changed: Callable[[], object]) -> None:
        """`changed` is called, in that thread, when more is safe, or nothing is any more."""
        self._journal = journal
        self._changed = changed
        self._has_ended = threading.Event()
        self._is_urgent = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="amqpbroker writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def wake(self, is_urgent: bool) -> None:
        """A round has ended."""
        if is_urgent:
            self._is_urgent.set()
        self._has_ended.set()

    def stop(self) -> None:
        """Write what there is, say that the end is peaceful, and end."""
        self._is_stopping = True
        self.wake(is_urgent=True)
        self._thread.join()
        self._journal.close()

    def _run(self) -> None:
        journal, has_ended = self._journal, self._has_ended
        is_idle = False
        while True:
            had_failed = journal.failure is not None
            has_written = journal.write_some()
            if has_written or (journal.failure is not None) != had_failed:
                self._changed()
            has_more = journal.tend(is_idle=is_idle)
            if self._is_stopping and not has_written:
                return
            if journal.failure is not None:
                has_ended.clear()
                has_ended.wait(RETRY_SECONDS)
            elif not has_written and not (has_more and not has_ended.is_set()):
                is_idle = not has_ended.wait(IDLE_SECONDS)
            if has_ended.is_set():
                is_idle = False
                self._is_urgent.wait(LOOSE_SECONDS)
                self._is_urgent.clear()
                has_ended.clear()
