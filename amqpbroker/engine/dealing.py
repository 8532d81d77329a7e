"""How a queue's fresh messages are dealt out to its consumers: in turns, many at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from amqpbroker.engine.consumer import Consumer
from amqpbroker.engine.kept_order import PAGED_BYTES

if TYPE_CHECKING:
    from amqpbroker.engine.queue import Queue

#: At most this much is handed to consumers between two looks at how their connections drain.
_DISPATCH_BYTES_MAX: Final = 256 * 1024


def deal(queue: "Queue", fresh_count: int) -> bool:
    """Give some fresh messages out in turns; False when nobody may have any."""
    if fresh_count > 1:
        able = queue.consumers.able()
        if not able:
            return False
        # Speed: whole rounds are dealt out at once, to each consumer every n-th message,
        # which is what one message at a time would come to.
        rounds = min(fresh_count, _batch_count(queue)) // len(able)
        if queue.has_own_times:
            rounds = 0
        elif len(able) > 1 and not _are_apart(able):
            _deal_singly(queue, able)
            return True
        rounds = min(rounds, *(one.credit() for one in able)) if rounds else 0
        if rounds:
            redelivered = queue.order.are_redelivered
            positions, messages = queue.order.take(rounds * len(able))
            if len(able) == 1:
                queue.deliver(able[0], positions, messages, redelivered=redelivered)
                queue.consumers.pass_turn(able[0])
                return True
            step = len(able)
            for index, consumer in enumerate(able):
                queue.deliver(
                    consumer,
                    positions[index::step],
                    messages[index::step],
                    redelivered=redelivered,
                )
            queue.consumers.pass_turn(able[-1])
            return True
    consumer = queue.consumers.next_able()
    if consumer is None:
        return False
    _deliver_one(queue, consumer)
    return True


def _deliver_one(queue: "Queue", consumer: Consumer) -> None:
    """Give the next fresh message to *consumer*."""
    redelivered = queue.order.are_redelivered
    positions, messages = queue.order.take(1)
    queue.deliver(consumer, positions, messages, redelivered=redelivered)


def _deal_singly(queue: "Queue", able: Sequence[Consumer]) -> None:
    """Give a fresh message to each of *able*, as long as there are any and it still may.

    What one is given may use up another's limit; nobody gets more room by it.
    """
    served = able[0]
    for consumer in able:
        if not queue.order.fresh_count:
            break
        if consumer.credit() > 0:
            _deliver_one(queue, consumer)
            served = consumer
    queue.consumers.pass_turn(served)


def _batch_count(queue: "Queue") -> int:
    """How many messages make `_DISPATCH_BYTES_MAX`, going by the mean of small ones."""
    if queue.has_large:
        return len(queue.consumers)
    queue.note_paging()
    order = queue.order
    paged_count = order.paged_count
    held_bytes = queue.held_bytes - paged_count * PAGED_BYTES
    mean_bytes = held_bytes // max(order.count + queue.unacked_count - paged_count, 1)
    return max(len(queue.consumers), _DISPATCH_BYTES_MAX // max(mean_bytes, 1))


def _are_apart(consumers: Sequence[Consumer]) -> bool:
    """Whether no two share a channel: its limit, and the order in which messages show on it."""
    return len({consumer.channel for consumer in consumers}) == len(consumers)
