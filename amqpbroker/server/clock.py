"""The engine's clock: what time it is told, and when it is told again."""

import logging
import time

import trio

from amqpbroker.engine.broker import Broker
from amqpbroker.server.timekeeper import Timekeeper, Timer

logger = logging.getLogger("amqpbroker")


class EngineClock:
    """Tells the broker the time at the start of every round, and when something is due.

    Milliseconds since 1970 as this process counts them: from the wall clock at the start, then by
    trio's clock, which never goes back.  A test may let it stand still and jump; heartbeats and
    other things of the connections go by trio's clock all the same.
    """

    def __init__(self, broker: Broker, timekeeper: Timekeeper) -> None:
        self._broker = broker
        self._timekeeper = timekeeper
        self._epoch_ms: float | None = None  # trio's clock at 1970
        self._stands_at_ms: int | None = None  # None: it goes
        self._timer: Timer | None = None
        self._timer_ms = 0  # when the timer is due, by the engine's clock

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still."""
        return self._stands_at_ms is not None

    def read(self) -> int:
        """What time it is; the broker is not told."""
        if self._stands_at_ms is not None:
            return self._stands_at_ms
        now_ms = trio.current_time() * 1000
        if self._epoch_ms is None:
            self._epoch_ms = time.time() * 1000 - now_ms
        # The sum of two floats may be less than what `jump` took them from.
        return max(int(self._epoch_ms + now_ms), self._broker.now_ms)

    def tick(self) -> None:
        """Tell the broker what time it is; what is due happens."""
        try:
            self._broker.advance(self.read())
        except Exception:  # a bug of ours hurts what was due; the next tick goes on behind it
            logger.exception("a bug in the broker, in what was due")

    def freeze(self) -> None:
        """Stand still: nothing is due any more, except by `jump`."""
        self._stands_at_ms = self.read()

    def resume(self) -> None:
        """Go on from where it stands."""
        if self._stands_at_ms is not None:
            self._epoch_ms = self._stands_at_ms - trio.current_time() * 1000
            self._stands_at_ms = None

    def jump(self, now_ms: int) -> None:
        """From now on it is *now_ms*, unless it is later already; what is due happens."""
        now_ms = max(now_ms, self.read())
        if self._stands_at_ms is not None:
            self._stands_at_ms = now_ms
        else:
            self._epoch_ms = now_ms - trio.current_time() * 1000
        self.tick()

    def wait(self) -> None:
        """Make sure to tick when the next thing is due."""
        deadline_ms = None if self.is_frozen else self._broker.schedule.next_deadline_ms()
        if self._timer is not None:
            if deadline_ms == self._timer_ms:
                return
            self._timer.cancel()
            self._timer = None
        if deadline_ms is not None:
            self._timer_ms = deadline_ms
            delay_ms = max(deadline_ms - self._broker.now_ms, 0)
            self._timer = self._timekeeper.call_in(delay_ms / 1000, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.tick()
