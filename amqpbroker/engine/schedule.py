"""What is due when, by the clock that the engine is given.

The engine does not wait: `Broker.advance` says what time it is, and whatever is due by then
happens, in the order of its times.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Appointment:
    """A callback that is due at a time, until it is cancelled."""

    __slots__ = ("callback", "due_ms")

    def __init__(self, due_ms: int, callback: Callable[[], None]) -> None:
        self.due_ms = due_ms
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the callback; nothing if it was called."""
        self.callback = None


class Schedule:
    """All appointments of a broker."""

    def __init__(self) -> None:
        self._appointments: list[tuple[int, int, Appointment]] = []  # a heap
        self._order = count()

    def __len__(self) -> int:
        return len(self._appointments)

    def call_at(self, due_ms: int, callback: Callable[[], None]) -> Appointment:
        """Call *callback* when the clock says *due_ms*, or as soon as it says more."""
        appointment = Appointment(due_ms, callback)
        heappush(self._appointments, (due_ms, next(self._order), appointment))
        return appointment

    def next_deadline_ms(self) -> int | None:
        """When something is due next; None when nothing is."""
        appointments = self._appointments
        while appointments and appointments[0][2].callback is None:
            heappop(appointments)
        return appointments[0][0] if appointments else None

    def take_due(self, now_ms: int) -> Callable[[], None] | None:
        """The callback that is due first, if it is due by now."""
        deadline_ms = self.next_deadline_ms()
        if deadline_ms is None or deadline_ms > now_ms:
            return None
        appointment = heappop(self._appointments)[2]
        callback, appointment.callback = appointment.callback, None
        return callback
