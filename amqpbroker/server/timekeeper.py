"""Timers: synchronous callbacks at a time of trio's clock.

Thousands of connections have a heartbeat each; one task and one heap serve them all.
"""

import logging
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

import trio

logger = logging.getLogger("amqpbroker")


class Timer:
    """A callback that is due at a time, until it is cancelled."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the callback; nothing if it was called."""
        self.callback = None


class Timekeeper:
    """Calls what is due; `after_calls` is called when something was."""

    def __init__(self, after_calls: Callable[[], None]) -> None:
        self._after_calls = after_calls
        self._timers: list[tuple[float, int, Timer]] = []  # a heap
        self._order = count()
        self._sleep: trio.CancelScope | None = None

    def call_in(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call *callback* once, *seconds* from now."""
        timer = Timer(callback)
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
                self._after_calls()

    def _call_due(self) -> bool:
        now = trio.current_time()
        has_called = False
        while self._timers and self._timers[0][0] <= now:
            _, _, timer = heappop(self._timers)
            callback, timer.callback = timer.callback, None
            if callback is not None:
                has_called = True
                try:
                    callback()
                except Exception:  # a bug of ours hurts nobody else
                    logger.exception("a bug in the broker, in %r", callback)
        return has_called
