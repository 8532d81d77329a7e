"""Timers: synchronous callbacks at a time of trio's clock.

Thousands of connections have a heartbeat each; one task and one heap serve them all.  A timer
that is cancelled stays in the heap until it would have been due, or until most of the heap is
such: a client may ask for an interval of hours, and go.
"""

import logging
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

import trio

logger = logging.getLogger("amqpbroker")

#: A heap with fewer cancelled timers is left as it is.
CANCELLED_MAX: Final = 1000


class Timer:
    """A callback that is due at a time, until it is cancelled."""

    __slots__ = ("_timekeeper", "callback")

    def __init__(self, timekeeper: "Timekeeper", callback: Callable[[], None]) -> None:
        self._timekeeper = timekeeper
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the callback; nothing if it was called."""
        if self.callback is not None:
            self.callback = None
            self._timekeeper.note_cancelled()


class Timekeeper:
    """Calls what is due; `after_calls` is called when something was, as long as it says so."""

    def __init__(self, after_calls: Callable[[], bool]) -> None:
        """`after_calls` says whether it wants to be called again, before anything else is due."""
        self._after_calls = after_calls
        self._timers: list[tuple[float, int, Timer]] = []  # a heap
        self._cancelled_count = 0  # of those in the heap
        self._order = count()
        self._sleep: trio.CancelScope | None = None

    def call_in(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call *callback* once, *seconds* from now."""
        timer = Timer(self, callback)
        deadline = trio.current_time() + seconds
        heappush(self._timers, (deadline, next(self._order), timer))
        if self._sleep is not None and deadline < self._sleep.deadline:
            self._sleep.deadline = deadline
        return timer

    async def run(self) -> None:
        """Call what is due, when it is due, for ever."""
        while True:
            next_deadline = self._timers[0][0] if self._timers else float("inf")
            with trio.move_on_at(next_deadline) as self._sleep:
                await trio.sleep_forever()
            if self._call_due():
                while self._after_calls():
                    await trio.lowlevel.checkpoint()

    def note_cancelled(self) -> None:
        """A timer was cancelled: take out all that were, if they are many."""
        self._cancelled_count += 1
        if self._cancelled_count > max(CANCELLED_MAX, len(self._timers) // 2):
            self._timers = [entry for entry in self._timers if entry[2].callback is not None]
            heapify(self._timers)
            self._cancelled_count = 0

    def _call_due(self) -> bool:
        now = trio.current_time()
        has_called = False
        while self._timers and self._timers[0][0] <= now:
            _, _, timer = heappop(self._timers)
            callback, timer.callback = timer.callback, None
            if callback is None:
                self._cancelled_count -= 1
            else:
                has_called = True
                try:
                    callback()
                except Exception:  # a bug of ours hurts nobody else
                    logger.exception("a bug in the broker, in %r", callback)
        return has_called
