"""Which order a queue's rules make, and whether its failed deliveries are counted."""

from collections.abc import Callable
from functools import partial

from amqpbroker.engine.emulation import Emulation
from amqpbroker.engine.entries import QueueEntries
from amqpbroker.engine.kept_order import KeptFifoOrder
from amqpbroker.engine.queue_arguments import QueueRules
from amqpbroker.engine.quorum import FailedDeliveries, QuorumOrder
from amqpbroker.engine.ready import FifoOrder, PriorityOrder, ReadyOrder


def order_of(
    rules: QueueRules, entries: QueueEntries | None, emulation: Emulation, *, pages: bool
) -> ReadyOrder:
    """The order of a queue's ready messages.

    `entries` is what the journal keeps of the queue, if it keeps any; `pages` says that messages
    may leave memory while they wait, since nothing but their turn matters to them.
    """
    make: Callable[[int], ReadyOrder] = FifoOrder
    if entries is not None:
        make = partial(KeptFifoOrder, entries.journal)
    if rules.is_quorum:
        return QuorumOrder(make, has_priorities=emulation.quorum_has_priorities)
    if rules.priority_max is not None:
        return PriorityOrder(max(rules.priority_max, 1), make)  # RabbitMQ: 0 is taken for 1
    if entries is not None and pages:
        make = partial(make, read_back=entries.read)
    return make(0)


def failures_of(rules: QueueRules, emulation: Emulation) -> FailedDeliveries | None:
    """What counts the failed deliveries of a quorum queue."""
    return FailedDeliveries(delivery_limit_of(rules, emulation)) if rules.is_quorum else None


def delivery_limit_of(rules: QueueRules, emulation: Emulation) -> int | None:
    """How often a message may come back to a quorum queue; None: as often as it takes."""
    limit = emulation.delivery_limit if rules.delivery_limit is None else rules.delivery_limit
    return None if limit is None or limit < 0 else limit
