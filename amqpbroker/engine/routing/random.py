"""Random exchanges: each message goes to one destination, chosen by chance (S-139, S-140).

Of x-random any destination; keys mean nothing.  Of x-local-random classic queues only, which must
be bound without a key: RabbitMQ chooses among those of the node that is published to.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from amqpbroker.engine.ports import Dice
from amqpbroker.engine.routing.one import OneDestinationRouter
from amqpbroker.engine.routing.router import Binding
from amqpbroker.spec.errors import precondition_failed
from amqpbroker.spec.properties import Properties


class RandomRouter(OneDestinationRouter):
    """Rolls dice for each message."""

    uses_properties: ClassVar[bool] = True  # it does not, but no answer is worth remembering

    def __init__(self, dice: Dice) -> None:
        super().__init__()
        self._dice = dice

    def _index(self, count: int, routing_keys: Sequence[str], properties: Properties) -> int:
        return self._dice(count)


class LocalRandomRouter(RandomRouter):
    """As `RandomRouter`, for classic queues that are bound without a key.

    `queue_type_of` tells a destination's queue type in RabbitMQ's words; None: it is no queue.
    """

    def __init__(self, dice: Dice, queue_type_of: Callable[[Hashable], str | None]) -> None:
        super().__init__(dice)
        self._queue_type_of = queue_type_of

    def check(self, binding: Binding) -> None:
        """Refuse a key and what is no classic queue."""
        if binding.routing_key:
            raise precondition_failed(
                f"Non empty binding '{binding.routing_key}' key not permitted"
            )
        queue_type = self._queue_type_of(binding.destination)
        if queue_type is None:
            raise precondition_failed("Destination not found")
        if queue_type != "rabbit_classic_queue":
            raise precondition_failed(f"Queue type {queue_type} not valid for this exchange type")
