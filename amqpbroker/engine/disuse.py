"""How a queue goes that nobody uses: its rules' `expires_ms` after it was last used (S-195, S-196).

It is used by a declaration, by basic.get, and as long as it has consumers.
"""

from typing import TYPE_CHECKING

from amqpbroker.engine.schedule import Appointment

if TYPE_CHECKING:
    from amqpbroker.engine.queue import Queue


class Disuse:
    """When a queue is to be deleted, unless it is used until then.

    A use only moves the time; there is one appointment, which leads to another if it is too early.
    """

    __slots__ = ("_appointment", "_queue", "_unused_from_ms")

    def __init__(self, queue: "Queue") -> None:
        self._queue = queue
        self._appointment: Appointment | None = None
        self._unused_from_ms = 0

    def touch(self, expires_ms: int) -> None:
        """The queue is used: it lives on for another *expires_ms*."""
        self._unused_from_ms = self._queue.broker.now_ms + expires_ms
        if self._appointment is None:
            self._await()

    def stop(self) -> None:
        """Let the queue be."""
        if self._appointment is not None:
            self._appointment.cancel()
            self._appointment = None

    def _await(self) -> None:
        self._appointment = self._queue.broker.schedule.call_at(self._unused_from_ms, self._check)

    def _check(self) -> None:
        """Delete the queue if it has not been used meanwhile, else look again in time."""
        self._appointment = None
        if len(self._queue.consumers):
            return  # it is touched when the last one goes
        if self._unused_from_ms <= self._queue.broker.now_ms:
            self._queue.broker.delete_queue(self._queue)
        else:
            self._await()
