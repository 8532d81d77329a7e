"""Dead letters that are kept until somebody takes them: at-least-once (S-275, S-288).

A quorum queue whose x-dead-letter-strategy is at-least-once, and whose overflow is reject-publish,
does not drop what it cannot route: the exchange may be missing, may have no route, or a queue may
be full.  Such a letter is kept and tried again, until every queue that it is routed to takes it,
or its own queue is deleted.  A queue that took it before may get it again: at least once.

    died -> routed [Broker._dead_letter]
    died -> kept   [keep]    kept -> died [a second later]    kept -> gone [the queue is deleted]

(K1) What is kept is counted in `Broker.held_bytes`.
"""

from typing import TYPE_CHECKING, Final

from amqpbroker.engine.queue import MESSAGE_OVERHEAD_BYTES

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker
    from amqpbroker.engine.dead_letter import Dead

#: How long a letter is kept before it is tried again.
RETRY_MS: Final = 1000


class KeptLetters:
    """The dead letters that wait for a route."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._kept: list[Dead] = []

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, dead: "Dead") -> None:
        """Keep what nobody has taken, and try it again."""
        if not self._kept:
            self._broker.schedule.call_at(self._broker.now_ms + RETRY_MS, self._try_again)
        self._kept.append(dead)
        self._broker.held_bytes += _held_bytes(dead)

    def _try_again(self) -> None:
        kept, self._kept = self._kept, []
        for dead in kept:
            self._broker.held_bytes -= _held_bytes(dead)
            if not dead.queue.is_deleted:
                self._broker.deaths.append(dead)


def _held_bytes(dead: "Dead") -> int:
    return len(dead.message.content) + MESSAGE_OVERHEAD_BYTES
