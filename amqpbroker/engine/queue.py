"""A queue: messages wait, are delivered, and are settled.

A message in a queue is in exactly one place.  It is *ready* (in `_order`), or it is *unacked*
(some channel's ledger holds it), or it is gone.

    enqueue -> READY      [enqueue]          READY   -> UNACKED   [dispatch, get]
    UNACKED -> READY      [requeue]          UNACKED -> gone      [settle]
    READY   -> gone       [purge; dispatch and get where nobody will ack]

(Q1) A ready message never overtakes another that was enqueued before it, also not after a
     requeue: it goes back to its old place, marked redelivered.
(Q2) After `dispatch`, either nothing is ready or no consumer may be given more.
(Q3) A queue that lags (`LAGGING_COUNT`) says so to whoever publishes to it, so that consumers are
     not starved by publishers that never wait.
(Q4) `held_bytes` is what the ready and the unacked messages occupy; it is zero when there are
     none.

Dispatching is put off to the end of a pass (`Broker.dispatch`), so that messages published
together are delivered together.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from amqpbroker.engine.consumer import Consumer, ConsumerRing
from amqpbroker.engine.ready import FifoOrder, ReadyOrder
from amqpbroker.spec.errors import resource_locked
from amqpbroker.spec.message import Message
from amqpbroker.spec.table import Table

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker
    from amqpbroker.engine.connection import Connection
    from amqpbroker.engine.routing.router import Binding
    from amqpbroker.engine.vhost import VHost

#: What a queued message occupies besides its content, in bytes: the content's object header, the
#: message, the properties' share, its place in the queue (measured: bench, 1 M queued).
MESSAGE_OVERHEAD_BYTES: Final = 160
#: A queue with consumers and this many ready messages lags behind its publishers.
LAGGING_COUNT: Final = 20_000
#: At most this much is handed to consumers between two looks at how their connections drain.
_DISPATCH_BYTES_MAX: Final = 256 * 1024


class Queue:
    """A queue.  It does not know who may use it, nor what is bound where."""

    __slots__ = (
        "arguments",
        "auto_delete",
        "bindings",
        "broker",
        "consumers",
        "delivered_count",
        "durable",
        "exclusive_owner",
        "held_bytes",
        "is_deleted",
        "is_starving",
        "name",
        "order",
        "unacked_count",
        "vhost",
    )

    def __init__(
        self,
        broker: "Broker",
        vhost: "VHost",
        name: str,
        *,
        durable: bool,
        exclusive_owner: "Connection | None",
        auto_delete: bool,
        arguments: Table,
    ) -> None:
        self.broker = broker
        self.vhost = vhost
        self.name = name
        self.durable = durable
        self.exclusive_owner = exclusive_owner
        self.auto_delete = auto_delete
        self.arguments = arguments
        self.order: ReadyOrder = FifoOrder()
        self.consumers = ConsumerRing()
        self.bindings: dict[Binding, None] = {}  # those that lead here, in the order they came
        self.unacked_count = 0
        self.delivered_count = 0  # since it was declared, each delivery counted
        self.held_bytes = 0
        self.is_deleted = False
        self.is_starving = True  # no consumer could be given more when last looked

    def __str__(self) -> str:
        return f"queue '{self.name}' in vhost '{self.vhost.name}'"

    def __repr__(self) -> str:
        return (
            f"<Queue {self.name!r} ready={self.ready_count} unacked={self.unacked_count} "
            f"consumers={len(self.consumers)}>"
        )

    @property
    def ready_count(self) -> int:
        """The messages that wait, not counting the unacked."""
        return self.order.fresh_count + self.order.returned_count

    def check_lock(self, connection: "Connection") -> None:
        """Refuse a connection that an exclusive queue does not belong to: 405 (S-160)."""
        if self.exclusive_owner is not None and self.exclusive_owner is not connection:
            raise locked(self)

    # The verbs, in the order in which a message meets them

    def enqueue(self, messages: Sequence[Message], content_bytes: int) -> bool:
        """Take in *messages*, whose contents have *content_bytes* in all.

        Returns whether the queue lags behind: more wait than its consumers are about to get.
        """
        self.order.append(messages)
        held_bytes = content_bytes + len(messages) * MESSAGE_OVERHEAD_BYTES
        self.held_bytes += held_bytes
        self.broker.held_bytes += held_bytes
        if not self.is_starving:
            self.broker.to_dispatch[self] = None
        return self.order.fresh_count > LAGGING_COUNT and len(self.consumers) > 0

    def dispatch(self) -> None:
        """Give ready messages to consumers, until there are none or nobody may have more (Q2)."""
        order = self.order
        while order.returned_count:
            consumer = self.consumers.next_able()
            if consumer is None:
                self.is_starving = True
                return
            position, message = order.take_returned()
            self._deliver(consumer, (position,), [message], redelivered=True)
        while fresh_count := order.fresh_count:
            if not self._dispatch_fresh(fresh_count):
                self.is_starving = True
                return

    def _dispatch_fresh(self, fresh_count: int) -> bool:
        """Give some fresh messages out in turns; False when nobody may have any."""
        if fresh_count > 1:
            able = self.consumers.able()
            if not able:
                return False
            # Speed: whole rounds are dealt out at once, to each consumer every n-th message,
            # which is what one message at a time would come to.
            rounds = min(fresh_count, self._batch_count()) // len(able)
            if len(able) > 1 and not _are_apart(able):
                rounds = 0
            rounds = min(rounds, *(one.credit() for one in able)) if rounds else 0
            if rounds:
                positions, messages = self.order.take(rounds * len(able))
                if len(able) == 1:
                    self._deliver(able[0], positions, messages, redelivered=False)
                    return True
                step = len(able)
                for index, consumer in enumerate(able):
                    self._deliver(
                        consumer, positions[index::step], messages[index::step], redelivered=False
                    )
                return True
        consumer = self.consumers.next_able()
        if consumer is None:
            return False
        positions, messages = self.order.take(1)
        self._deliver(consumer, positions, messages, redelivered=False)
        return True

    def _batch_count(self) -> int:
        """How many messages make `_DISPATCH_BYTES_MAX`, going by the mean."""
        mean_bytes = self.held_bytes // (self.ready_count + self.unacked_count)
        return max(len(self.consumers), _DISPATCH_BYTES_MAX // mean_bytes)

    def _deliver(
        self,
        consumer: Consumer,
        positions: Sequence[int],
        messages: list[Message],
        *,
        redelivered: bool,
    ) -> None:
        self.delivered_count += len(messages)
        if consumer.no_ack:
            self._release(messages)
        else:
            self.unacked_count += len(messages)
        consumer.channel.deliver(consumer, positions, messages, redelivered=redelivered)

    def get(self, *, no_ack: bool) -> tuple[int, Message, bool] | None:
        """The next message, its position and whether it is redelivered; None when empty."""
        redelivered = bool(self.order.returned_count)
        if redelivered:
            position, message = self.order.take_returned()
        elif self.order.fresh_count:
            positions, messages = self.order.take(1)
            position, message = positions[0], messages[0]
        else:
            return None
        if no_ack:
            self._release([message])
        else:
            self.unacked_count += 1
        return position, message, redelivered

    def settle(self, messages: Sequence[Message]) -> None:
        """Let go of *messages*, which were delivered and not settled since."""
        self.unacked_count -= len(messages)
        self._release(messages)

    def requeue(self, returned: Sequence[tuple[int, Message]]) -> None:
        """Take back delivered messages, each at its position, as redelivered."""
        if self.is_deleted:
            return
        self.unacked_count -= len(returned)
        for position, message in returned:
            self.order.put_back(position, message)
        self.consumers_may_receive()

    def purge(self) -> int:
        """Drop all ready messages; how many there were."""
        count = self.ready_count
        while self.order.returned_count:
            self._release([self.order.take_returned()[1]])
        while fresh_count := self.order.fresh_count:
            self._release(self.order.take(min(fresh_count, 1000))[1])
        return count

    def consumers_may_receive(self) -> None:
        """Something changed in favour of the consumers: look again at the end of the pass."""
        self.is_starving = False
        if self.order.fresh_count or self.order.returned_count:
            self.broker.to_dispatch[self] = None

    def _release(self, messages: Sequence[Message]) -> None:
        if self.is_deleted:
            return
        held_bytes = len(messages) * MESSAGE_OVERHEAD_BYTES
        for _, _, content in messages:
            held_bytes += len(content)
        self.held_bytes -= held_bytes
        self.broker.held_bytes -= held_bytes

    def forget_messages(self) -> None:
        """The queue is deleted: whatever it held is gone, also what is unacked."""
        self.is_deleted = True
        self.order.clear()
        self.broker.held_bytes -= self.held_bytes
        self.held_bytes = 0
        self.broker.to_dispatch.pop(self, None)


def _are_apart(consumers: Sequence[Consumer]) -> bool:
    """Whether no two share a limit, nor a channel on which the order of messages would show."""
    channels = {consumer.channel for consumer in consumers}
    return len(channels) == len(consumers) and not any(one.prefetch_count for one in channels)


def locked(queue: Queue) -> Exception:
    """405, for a queue that is exclusive to another connection (S-160)."""
    return resource_locked(
        f"cannot obtain exclusive access to locked {queue}. It could be originally declared on "
        "another connection or the exclusive property value does not match that of the original "
        "declaration."
    )
