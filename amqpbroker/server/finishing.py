"""While memory is short: who may finish the message that it has begun.

What has arrived of a message cannot be given to anybody before the rest has.  If nobody could
finish one, a few halves might fill the memory for ever; if everybody could, each connection would
add a message of the largest size, and there is no end of connections.

(F1) One client at a time finishes what it has begun; the others with halves are blocked, and
     have their turn in the order in which they were.
(F2) A turn begins only while all messages take no more than their room and one of the largest.
     So they never take more than the room and two, beside what each client sends in one read.
(F3) Whoever does not finish in `TURN_SECONDS` loses the turn, and waits behind the others.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from amqpbroker.server.timekeeper import Timer
from amqpbroker.wire.connection import Connection

if TYPE_CHECKING:
    from amqpbroker.server.session import Session

#: How long a client may take to finish its message while others wait, in seconds.
TURN_SECONDS: Final = 5.0


class _Timekeeper(Protocol):
    def call_in(self, seconds: float, callback: Callable[[], None]) -> Timer: ...


class Finishing:
    """The clients with halves of messages, while an alarm lasts."""

    def __init__(self, timekeeper: _Timekeeper) -> None:
        self._timekeeper = timekeeper
        self._current: Session | None = None
        self._current_wire: Connection | None = None
        self._waiting: dict[Session, Connection] = {}
        self._timer: Timer | None = None

    def may_go_on(self, session: "Session", wire: Connection, *, has_room: bool) -> bool:
        """Whether a client may be read from; if not, it is blocked and will have its turn.

        *has_room* says that a turn may begin (F2).  One with more halves than a message can be
        large has none before the alarm is over.
        """
        if not wire.arriving_bytes:
            return True
        if wire.arriving_bytes > wire.message_bytes_max:
            return False
        if session is self._current:
            return True
        if self._current is None and has_room:
            self._begin_turn(session, wire)
            return True
        self._waiting[session] = wire
        return False

    def pass_on(self, *, has_room: bool) -> None:
        """Let the next one have its turn, if the last one is done with it."""
        if self._current_wire is not None and not self._current_wire.arriving_bytes:
            self._end_turn()
        if self._current is None and self._waiting and has_room:
            session, wire = next(iter(self._waiting.items()))
            del self._waiting[session]
            self._begin_turn(session, wire)
            session.unblock()

    def forget(self, session: "Session") -> None:
        """A client is gone."""
        self._waiting.pop(session, None)
        if session is self._current:
            self._end_turn()

    def stop(self) -> None:
        """The alarm is over."""
        self._waiting.clear()
        self._end_turn()

    def _begin_turn(self, session: "Session", wire: Connection) -> None:
        self._current, self._current_wire = session, wire
        self._timer = self._timekeeper.call_in(TURN_SECONDS, self._end_turn)

    def _end_turn(self) -> None:
        self._current = self._current_wire = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
