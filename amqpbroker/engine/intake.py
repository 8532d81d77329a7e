"""What an exchange does with a message before it routes it, where its type does anything.

Most types only route (`routing/types.py`).  Some remember messages, or keep them for later; they
have an `Intake`, which sees each message that comes to the exchange, by whatever way.

    x-delayed-message          keeps it until its time has come (`delayed.py`)
    x-message-deduplication    refuses what came before (`deduplication.py`)
    x-recent-history           remembers it for queues that are bound later (`recent_history.py`)

An intake sees a message when it is published, also in a transaction: RabbitMQ routes then, and
only delivers when the transaction is committed.
"""

from collections.abc import Hashable
from enum import Enum, auto
from typing import Protocol

from amqpbroker.spec.message import Message


class Verdict(Enum):
    """What becomes of a message that an intake was shown."""

    ROUTE = auto()  # it is routed
    KEPT = auto()  # the intake will publish it later; for now it goes nowhere
    REFUSED = auto()  # it goes nowhere but to the alternate exchange


class Intake(Protocol):
    """What one exchange keeps.  It counts what that occupies in `Broker.held_bytes`."""

    def take(self, message: Message) -> Verdict:
        """Look at a message that came to the exchange."""
        ...

    def bound(self, destination: Hashable) -> None:
        """A destination was bound to the exchange; a second time by another binding."""
        ...

    def close(self) -> None:
        """The exchange is gone, and so is what was kept."""
        ...

    def remember(self) -> object:
        """What is kept, for `recall`; it does not change with what comes later."""
        ...

    def recall(self, memory: object, later_ms: int) -> None:
        """Keep what `remember` gave, in the place of nothing; times are so much later now."""
        ...
