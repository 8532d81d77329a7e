"""What is due when, by the clock that the engine is given.

The engine does not wait: `Broker.advance` says what time it is, and whatever is due by then
happens, in the order of its times.

What is cancelled stays in the heap until it would have been due, or until most of the heap is
such: a client may ask for a time of weeks, think better of it, and do so again.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

#: A heap with fewer cancelled appointments is left as it is.
CANCELLED_MAX: Final = 1000


class Appointment:
    """A callback that is due at a time, until it is cancelled."""

    __slots__ = ("_schedule", "callback", "due_ms")

    def __init__(self, schedule: "Schedule", due_ms: int, callback: Callable[[], None]) -> None:
        self._schedule = schedule
        self.due_ms = due_ms
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the callback; nothing if it was called."""
        if self.callback is not None:
            self.callback = None
            self._schedule.note_cancelled()


class Schedule:
    """All appointments of a broker."""

    def __init__(self) -> None:
        self._appointments: list[tuple[int, int, Appointment]] = []  # a heap
        self._cancelled_count = 0  # of those in the heap
        self._order = count()

    def __len__(self) -> int:
        return len(self._appointments)

    def call_at(self, due_ms: int, callback: Callable[[], None]) -> Appointment:
        """Call *callback* when the clock says *due_ms*, or as soon as it says more."""
        appointment = Appointment(self, due_ms, callback)
        heappush(self._appointments, (due_ms, next(self._order), appointment))
        return appointment

    def next_deadline_ms(self) -> int | None:
        """When something is due next; None when nothing is."""
        appointments = self._appointments
        while appointments and appointments[0][2].callback is None:
            heappop(appointments)
            self._cancelled_count -= 1
        return appointments[0][0] if appointments else None

    def take_due(self, now_ms: int) -> Callable[[], None] | None:
        """The callback that is due first, if it is due by now."""
        deadline_ms = self.next_deadline_ms()
        if deadline_ms is None or deadline_ms > now_ms:
            return None
        appointment = heappop(self._appointments)[2]
        callback, appointment.callback = appointment.callback, None
        return callback

    def note_cancelled(self) -> None:
        """An appointment was cancelled: take out all that were, if they are many."""
        self._cancelled_count += 1
        if self._cancelled_count > max(CANCELLED_MAX, len(self._appointments) // 2):
            kept = [entry for entry in self._appointments if entry[2].callback is not None]
            heapify(kept)
            self._appointments = kept
            self._cancelled_count = 0
