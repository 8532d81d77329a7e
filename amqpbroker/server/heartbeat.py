"""Heartbeats: showing a client that we live, and noticing that it does not.

One is sent every half interval in which nothing else was, and in the first (S-066).  A client is
lost when nothing came from it in two intervals on end (S-067); any bytes count.
"""

from collections.abc import Callable
from typing import Final

from amqpbroker.server.timekeeper import Timekeeper, Timer

#: How many intervals on end a client may be silent.
SILENT_INTERVALS_MAX: Final = 2


class Heartbeat:
    """One connection's heartbeat.  The session notes what it sends and receives."""

    __slots__ = (
        "_is_first",
        "_lost",
        "_receive_timer",
        "_seconds",
        "_send",
        "_send_timer",
        "_silent_intervals",
        "_timekeeper",
        "has_received",
        "has_sent",
        "is_suspended",
    )

    def __init__(
        self,
        timekeeper: Timekeeper,
        seconds: int,
        send: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        """`send` sends a heartbeat at once; `lost` is told once that the client is silent."""
        self._timekeeper = timekeeper
        self._seconds = seconds
        self._send = send
        self._lost = lost
        self._silent_intervals = 0
        self.has_sent = False  # anything else since the last look
        self._is_first = True
        self.has_received = True  # since the last look; the client has just opened
        self.is_suspended = False  # nothing is read from the client: its silence means nothing
        self._send_timer: Timer = timekeeper.call_in(seconds / 2, self._check_sent)
        self._receive_timer: Timer = timekeeper.call_in(seconds, self._check_received)

    def stop(self) -> None:
        """Neither send nor look any more."""
        self._send_timer.cancel()
        self._receive_timer.cancel()

    def _check_sent(self) -> None:
        if self._is_first or not self.has_sent:
            self._send()
        self._is_first = self.has_sent = False
        self._send_timer = self._timekeeper.call_in(self._seconds / 2, self._check_sent)

    def _check_received(self) -> None:
        if self.has_received or self.is_suspended:
            self._silent_intervals = 0
        else:
            self._silent_intervals += 1
        self.has_received = False
        if self._silent_intervals >= SILENT_INTERVALS_MAX:
            self.stop()
            self._lost()
        else:
            self._receive_timer = self._timekeeper.call_in(self._seconds, self._check_received)
