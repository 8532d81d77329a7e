"""What is left of queues that were purged or deleted: messages in memory that nobody will get.

To free a million messages takes some 0.2 s, so that is done in slices, between others' requests.
A short queue leaves no remains.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

from amqpbroker.engine.ready import FifoOrder
from amqpbroker.spec.message import Message

if TYPE_CHECKING:
    from amqpbroker.engine.queue import Queue

#: How many messages are freed at once: some 5 ms.
SLICE_COUNT: Final = 20_000


class Remains:
    """Messages that are to be freed."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[Queue, deque[Message]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def take_over(self, queue: "Queue") -> None:
        """Take the fresh messages of a queue that has more than a slice of them.

        The queue accounts for them until they are freed, or until it is deleted.
        """
        order = queue.order
        if isinstance(order, FifoOrder) and order.fresh_count > SLICE_COUNT:
            self._pieces.append((queue, order.detach()))

    def free_some(self) -> None:
        """Free a slice."""
        queue, messages = self._pieces[0]
        count = min(len(messages), SLICE_COUNT)
        pop = messages.pop
        freed = [pop() for _ in range(count)]
        if not queue.is_deleted:
            queue.account_freed(freed)
        if not messages:
            self._pieces.popleft()
