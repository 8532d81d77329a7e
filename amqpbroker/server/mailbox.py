"""The mailbox: how other threads get something done in the reactor's thread.

A thread that has written to disk, or a test that wants to look at a queue, may touch nothing of
the broker itself.  It posts a call instead, which is made in the next round, between the sockets'
turns: nothing else happens meanwhile, and what it made ready leaves with that round.

Posting wakes the reactor through an eventfd in its own epoll set, so a call does not wait for
trio to give it a turn.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("amqpbroker")


class ServerStopped(RuntimeError):
    """There is no reactor any more that would make the call."""


class Mailbox:
    """Calls to be made in the reactor's thread, in the order in which they were posted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of the file, which may be closed while it is written to
        self._calls: deque[Callable[[], object]] = deque()
        self._file: int | None = None
        self._is_closed = False

    def open(self) -> int:
        """The file that becomes readable when there are calls, also those posted before."""
        with self._lock:
            self._file = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            if self._calls:
                os.eventfd_write(self._file, 1)
            return self._file

    def post(self, call: Callable[[], object]) -> None:
        """Have *call* made soon, from any thread; raises `ServerStopped` when it never will be.

        What it raises is logged: whoever wants to know catches it in the call.
        """
        with self._lock:
            if self._is_closed:
                raise ServerStopped("the server has stopped")
            self._calls.append(call)
            if self._file is not None:
                os.eventfd_write(self._file, 1)

    def on_readable(self) -> None:
        """Make the calls that were posted until now."""
        assert self._file is not None
        os.eventfd_read(self._file)
        for _ in range(len(self._calls)):  # what they post has the next round
            call = self._calls.popleft()
            try:
                call()
            except Exception:  # a bug of ours hurts no other call
                logger.exception("a bug in the broker, in %r", call)

    def on_writable(self) -> None:
        """Never asked."""

    def drop(self) -> None:
        """Stay open: there are other calls."""

    def close(self) -> None:
        """Take no more calls.  Those that were not made yet never are."""
        with self._lock:
            self._is_closed = True
            self._calls.clear()
            if self._file is not None:
                os.close(self._file)
                self._file = None
