"""A queue: messages wait, are delivered, and are settled.

A message in a queue is in exactly one place.  It is *ready* (in `order`), or it is *unacked*
(some channel's ledger holds it), or it is gone.

    enqueue -> READY      [enqueue]          READY   -> UNACKED   [dispatch, get]
    UNACKED -> READY      [requeue]          UNACKED -> gone      [settle]
    READY   -> gone       [purge; dispatch and get where nobody will ack]
    READY   -> dead       [its time is over, or it is one too many]
    UNACKED -> dead       [reject]

(Q1) A ready message never overtakes another of its priority that was enqueued before it, also
     not after a requeue: it goes back to its old place, marked redelivered.  (A quorum queue's
     goes to the front instead, see `quorum.py`.)
(Q2) After `dispatch`, either nothing is ready or no consumer may be given more.
(Q3) A queue that lags (`LAGGING_COUNT`) says so to whoever publishes to it, so that consumers are
     not starved by publishers that never wait.
(Q4) What the rules (`queue_arguments.QueueRules`) say of a message holds at its place: it expires
     when it is next, and it is one too many at the head.
     Other rules (`apply`) hold from then on, except that a time to live is a message's own.
(Q5) `held_bytes` is what the ready and the unacked messages occupy, and those that were purged and
     not freed yet (`remains.py`); it is zero when there are none.
(Q6) A durable queue's messages stand in the journal (`entries`) as long as they are here, or are
     dead and not yet routed.

Dispatching is put off to the end of a pass (`Broker.dispatch`), so that messages published
together are delivered together.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from amqpbroker.engine import deduplication
from amqpbroker.engine.consumer import Consumer, ring_of
from amqpbroker.engine.dead_letter import Dead
from amqpbroker.engine.dealing import deal
from amqpbroker.engine.disuse import Disuse
from amqpbroker.engine.entries import QueueEntries
from amqpbroker.engine.kept_order import KeptFifoOrder
from amqpbroker.engine.limits import LengthLimit
from amqpbroker.engine.lock import locked
from amqpbroker.engine.orders import delivery_limit_of, failures_of, order_of
from amqpbroker.engine.policy_keys import NO_DEFINITION, Definition
from amqpbroker.engine.queue_arguments import QueueRules, rules_of
from amqpbroker.engine.schedule import Appointment
from amqpbroker.spec.message import Message
from amqpbroker.spec.table import Table

if TYPE_CHECKING:
    from amqpbroker.engine.broker import Broker
    from amqpbroker.engine.connection import Connection
    from amqpbroker.engine.dead_letter import Reason
    from amqpbroker.engine.routing.router import Binding
    from amqpbroker.engine.vhost import VHost

#: What a queued message occupies besides its content, in bytes: the content's object header, the
#: message, the properties' share, its place in the queue (measured: bench, 1 M queued).
MESSAGE_OVERHEAD_BYTES: Final = 160
#: A queue with consumers and this many ready messages lags behind its publishers.
LAGGING_COUNT: Final = 20_000
#: Messages with more content than this are given out one round at a time.
LARGE_BYTES: Final = 64 * 1024
#: How many messages are purged at once.
_PURGE_COUNT: Final = 1000


class Queue:
    """A queue.  It does not know who may use it, nor what is bound where."""

    __slots__ = (
        "_disuse",
        "_expires_at",
        "_expiry",
        "_failures",
        "_present",
        "arguments",
        "auto_delete",
        "bindings",
        "broker",
        "consumers",
        "delivered_count",
        "durable",
        "entries",
        "exclusive_owner",
        "has_large",
        "has_own_times",
        "held_bytes",
        "is_deleted",
        "is_plain",
        "is_starving",
        "limit",
        "name",
        "order",
        "rules",
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
        definition: Definition = NO_DEFINITION,
        queue_id: int | None = None,
    ) -> None:
        """A queue that is declared, or was before the broker started.

        `definition` is what policies lay down for it; `queue_id` is the one by which the journal
        knows it already, if it does.
        """
        self.broker = broker
        self.vhost = vhost
        self.name = name
        self.durable = durable
        self.exclusive_owner = exclusive_owner
        self.auto_delete = auto_delete
        self.arguments = arguments
        self.rules = rules = rules_of(arguments, definition)
        self.entries = None  # what the journal keeps of it, if it keeps anything
        if durable and broker.journal.keeps:
            queue_id = broker.journal.reserve(1) if queue_id is None else queue_id
            self.entries = QueueEntries(broker.journal, queue_id, is_quorum=rules.is_quorum)
        self._failures = failures_of(rules, broker.emulation)
        self.limit = LengthLimit(rules) if rules.has_length_limit else None
        deduplicates = deduplication.is_wanted(arguments) and not rules.is_quorum
        self._present = deduplication.PresentMessages() if deduplicates else None
        self.is_plain = self._takes_anything()
        pages = self._present is None and rules_of(arguments).is_patient
        self.order = order_of(rules, self.entries, broker.emulation, pages=pages)
        self.consumers = ring_of(rules, broker.emulation)
        self.bindings: dict[Binding, None] = {}  # those that lead here, in the order they came
        self.unacked_count = 0
        self.delivered_count = 0  # since it was declared, each delivery counted
        self.held_bytes = 0
        self.is_deleted = False
        self._expires_at: dict[int, int] = {}  # {position: when its time is over}, also unacked
        self.has_large = False  # there may be messages of more than `LARGE_BYTES`
        self.has_own_times = False  # a message's own expiration may be shorter than those before
        self._expiry: Appointment | None = None  # of the message that is next
        self._disuse: Disuse | None = None  # while the rules let it go when it is not used
        self.touch()
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
        return self.order.count

    def check_lock(self, connection: "Connection") -> None:
        """Refuse a connection that an exclusive queue does not belong to: 405 (S-160)."""
        if self.exclusive_owner is not None and self.exclusive_owner is not connection:
            raise locked(self)

    # The verbs, in the order in which a message meets them

    @property
    def is_lagging(self) -> bool:
        """Whether more messages wait than its consumers are about to get (Q3)."""
        return self.order.count > LAGGING_COUNT and len(self.consumers) > 0

    def enqueue(self, messages: Sequence[Message], content_bytes: int) -> bool:
        """Take in *messages*, whose contents have *content_bytes* in all; the queue `is_plain`.

        Returns whether the journal was told of any.
        """
        position = self.order.append(messages)
        if self.broker.witness is not None:
            positions = range(position, position + len(messages))
            self.broker.witness.enqueued(self, positions, messages)
        is_kept = False
        if self.entries is not None:
            is_kept = self.entries.enter(position, messages, self.broker.now_ms)
            self.note_paging()
        if content_bytes > len(messages) * LARGE_BYTES:
            self.has_large = True
        held_bytes = content_bytes + len(messages) * MESSAGE_OVERHEAD_BYTES
        self.held_bytes += held_bytes
        self.broker.held_bytes += held_bytes
        if not self.is_starving:
            self.broker.to_dispatch[self] = None
        return is_kept

    def accept(self, message: Message) -> bool:
        """Take in a message according to the rules; False when they refuse it (S-302)."""
        limit, witness = self.limit, self.broker.witness
        if limit is not None:
            if self.rules.rejects:
                if self in self.broker.to_dispatch:
                    self.dispatch()  # what consumers can take does not count
                if not limit.has_room(self.ready_count, message):
                    if witness is not None:
                        witness.refused(self, message)
                    if self.rules.overflow == "reject-publish-dlx":
                        self._bury(None, message, "maxlen")
                    return False
        if self._present is not None and not self._present.admit(message):
            if witness is not None:
                witness.duplicated(self, message)
            return True
        if limit is not None:
            limit.added((message,))
        position = self.order.append_one(message)
        if witness is not None:
            witness.enqueued(self, (position,), (message,))
        if self.entries is not None:
            self.entries.enter(position, (message,), self.broker.now_ms)
            self.note_paging()
        self._take_in(position, message, self.broker.now_ms)
        self.broker.to_dispatch[self] = None
        if not self.rules.is_fifo:
            self.dispatch()  # before a message comes that would overtake this one
        return True

    def _take_in(self, position: int, message: Message, entered_ms: int) -> None:
        """Note what concerns a message that has come into the order."""
        if len(message.content) > LARGE_BYTES:
            self.has_large = True
        self.note_expiry(position, message, entered_ms)
        held_bytes = len(message.content) + MESSAGE_OVERHEAD_BYTES
        self.held_bytes += held_bytes
        self.broker.held_bytes += held_bytes

    def take_back(self, position: int, message: Message, entered_ms: int) -> None:
        """Take in a message that the order has restored."""
        if self._present is not None:
            self._present.admit(message)
        if self.limit is not None:
            self.limit.added((message,))
        self._take_in(position, message, entered_ms)

    def note_expiry(self, position: int, message: Message, entered_ms: int) -> None:
        """Note when the time of a message is over, if ever."""
        time_ms = self._time_to_live_ms(message)
        if time_ms is not None:
            self._expires_at[position] = entered_ms + time_ms

    def note_paging(self) -> None:
        """Account for the messages that have left memory, or come back to it."""
        order = self.order
        if isinstance(order, KeptFifoOrder) and (held_bytes := order.paged_delta_bytes):
            order.paged_delta_bytes = 0
            self.held_bytes += held_bytes
            self.broker.held_bytes += held_bytes

    def _time_to_live_ms(self, message: Message) -> int | None:
        """How long it may wait: the shorter of the queue's and its own (S-292)."""
        queue_ms = self.rules.message_ttl_ms
        expiration = message.properties.text("expiration")
        if expiration is None:
            return queue_ms
        self.has_own_times = True
        if self.entries is not None and not self.entries.has_expirations:
            self.entries.has_expirations = True
            self.vhost.note_expirations(self)
        own_ms = int(expiration)
        return own_ms if queue_ms is None else min(own_ms, queue_ms)

    def dispatch(self) -> None:
        """Give ready messages to consumers, until there are none or nobody may have more (Q2).

        Then the rules are enforced on what is left: so a message whose time is zero, or which is
        one too many, is delivered if somebody can take it at once (S-295, S-301).
        """
        self.broker.to_dispatch.pop(self, None)
        if not self._expires_at and self.limit is None:
            while self._dispatch_some():
                pass
            return
        self._drop_expired(self.broker.now_ms - 1)
        while self._dispatch_some():
            self._drop_expired(self.broker.now_ms - 1)
        self._drop_expired(self.broker.now_ms)
        self._drop_surplus()
        self._drop_expired(self.broker.now_ms)  # what the surplus hid
        self._await_expiry()

    def _dispatch_some(self) -> bool:
        """Give some messages out; False when there are none, or nobody may have any."""
        order = self.order
        if order.returned_count:
            consumer = self.consumers.next_able()
            if consumer is not None:
                position, message = order.take_returned()
                self.deliver(consumer, (position,), [message], redelivered=True)
                return True
        elif fresh_count := order.fresh_count:
            if deal(self, fresh_count):
                return True
        else:
            self.has_large = False
            return False
        self.is_starving = True
        return False

    def deliver(
        self,
        consumer: Consumer,
        positions: Sequence[int],
        messages: list[Message],
        *,
        redelivered: bool,
    ) -> None:
        """Give messages that were taken from the order to a consumer."""
        self.delivered_count += len(messages)
        if self.limit is not None:
            self.limit.removed(messages)
        self.unacked_count += len(messages)
        consumer.channel.deliver(consumer, positions, messages, redelivered=redelivered)
        if consumer.no_ack:
            self.unacked_count -= len(messages)
            self._let_go(positions, messages)

    def get(self, *, no_ack: bool) -> tuple[int, Message, bool] | None:
        """The next message, its position and whether it is redelivered; None when empty."""
        self.touch()
        self._drop_expired(self.broker.now_ms)
        redelivered = self.order.returned_count > 0 or self.order.are_redelivered
        head = self._take_head()
        if head is None:
            return None
        position, message = head
        self._drop_expired(self.broker.now_ms)  # so that what is left is what counts
        if no_ack:
            shown = self.shown(position, message)  # while its failures are known
            self._let_go((position,), (message,))
            return position, shown, redelivered
        self.unacked_count += 1
        return position, message, redelivered

    def shown(self, position: int, message: Message) -> Message:
        """A message that is delivered again, as its client is to see it."""
        return message if self._failures is None else self._failures.shown(position, message)

    def settle(self, held: Sequence[tuple[int, Message]]) -> None:
        """Let go of messages, each with its position, which were delivered and not settled."""
        self.unacked_count -= len(held)
        self._let_go([position for position, _ in held], [message for _, message in held])

    def reject(self, held: Sequence[tuple[int, Message]]) -> None:
        """As `settle`, for messages that nobody wants: they die."""
        self.unacked_count -= len(held)
        self._release([position for position, _ in held], [message for _, message in held])
        for position, message in held:
            self._die(position, message, "rejected")

    def requeue(self, held: Sequence[tuple[int, Message]]) -> None:
        """Take back delivered messages, each at its position, as redelivered."""
        if self.is_deleted:
            return
        self.unacked_count -= len(held)
        for position, message in held:
            if self._failures is None or self._failures.count(position):
                self.order.put_back(position, message)
                if self.limit is not None:
                    self.limit.added((message,))
            else:
                self._release((position,), (message,))
                self._die(position, message, "delivery_limit")
        self._drop_surplus()
        self._drop_expired(self.broker.now_ms)
        self.consumers_may_receive()

    def purge(self) -> int:
        """Drop all ready messages; how many there were."""
        count = self.ready_count
        if isinstance(self.order, KeptFifoOrder) and self.broker.witness is None:
            for positions, messages in self.order.discard():
                self._drop(positions, messages)
            self.note_paging()
            self.limit = LengthLimit(self.rules) if self.limit is not None else None
        if self.is_plain and not self._expires_at and self.broker.witness is None:
            self.broker.remains.take_over(self)
        while self.order.count:
            if fresh_count := 0 if self.order.returned_count else self.order.fresh_count:
                # Speed: a million messages are gone in 0.2 s, one at a time in 1 s.
                positions, messages = self.order.take(min(fresh_count, _PURGE_COUNT))
            else:
                position, message = self.order.take_returned()
                positions, messages = (position,), [message]
            self._drop(positions, messages)
        self.broker.to_dispatch[self] = None  # nothing expires any more
        return count

    def _drop(self, positions: Sequence[int], messages: Sequence[Message] | None) -> None:
        """Drop ready messages; None: they are paged, and it does not matter what they say."""
        if messages is None:
            assert self.entries is not None, self
            self.entries.leave_paged(positions)
            for position in positions if self._expires_at else ():
                self._expires_at.pop(position, None)
            return
        if self.limit is not None:
            self.limit.removed(messages)
        if self.broker.witness is not None:
            self.broker.witness.purged(self, positions, messages)
        self._let_go(positions, messages)

    # The rules

    def apply(self, rules: QueueRules) -> None:
        """Go by other rules from now on, because the policies have changed (S-345).

        Only those are other that policies speak of: what makes the queue what it is stays.
        """
        if rules == self.rules:
            return
        before, self.rules = self.rules, rules
        if (before.length_max, before.length_bytes_max) != (
            rules.length_max,
            rules.length_bytes_max,
        ):
            self.limit = LengthLimit(rules) if rules.has_length_limit else None
            if self.limit is not None:
                self.limit.added(self.order.messages())
        if before.overflow == "drop-head" and not rules.is_quorum:
            self._drop_to_limit()  # RabbitMQ: before a classic queue begins to refuse
        if self._failures is not None:
            self._failures.limit = delivery_limit_of(rules, self.broker.emulation)
        if before.expires_ms != rules.expires_ms:
            self._forget_disuse()
            self.touch()
        self.is_plain = self._takes_anything()
        self.broker.to_dispatch[self] = None  # it may hold too many now

    def _takes_anything(self) -> bool:
        """Whether it takes in whatever comes, and lets it wait for ever."""
        return self._present is None and self.rules.is_patient

    def _take_head(self) -> tuple[int, Message] | None:
        """Take out the message that is next; None when there is none."""
        order = self.order
        if order.returned_count:
            position, message = order.take_returned()
        elif order.fresh_count:
            positions, messages = order.take(1)
            position, message = positions[0], messages[0]
        else:
            return None
        if self.limit is not None:
            self.limit.removed((message,))
        if self._expires_at:
            self.broker.to_dispatch[self] = None  # another head, another time
        return position, message

    def _drop_head(self, reason: "Reason") -> None:
        head = self._take_head()
        assert head is not None, self
        self._release(head[:1], head[1:])
        self._die(*head, reason)

    def _drop_expired(self, now_ms: int) -> None:
        """Drop messages whose time is over, as long as such a one is next (S-293)."""
        expires_at = self._expires_at
        while expires_at:
            position = self.order.head_position
            if position is None or expires_at.get(position, now_ms + 1) > now_ms:
                return
            self._drop_head("expired")

    def _drop_surplus(self) -> None:
        """Drop messages from the head until there are no more than may be (S-301)."""
        if not self.rules.rejects:
            self._drop_to_limit()

    def _drop_to_limit(self) -> None:
        while self.limit is not None and self.limit.is_exceeded(self.ready_count):
            self._drop_head("maxlen")

    def _await_expiry(self) -> None:
        """Look again when the time of the message that is next is over, or before.

        An appointment that is too early stands: it leads to another look.  So a queue has one,
        however often another message becomes the next.
        """
        self.broker.to_dispatch.pop(self, None)
        position = self.order.head_position
        due_ms = None if position is None else self._expires_at.get(position)
        if due_ms is None:
            return
        if self._expiry is not None:
            if self._expiry.due_ms <= due_ms:
                return
            self._expiry.cancel()
        self._expiry = self.broker.schedule.call_at(due_ms, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self.broker.to_dispatch[self] = None

    def _die(self, position: int, message: Message, reason: "Reason") -> None:
        """Let a message that was here die."""
        if self.broker.witness is not None and not self.is_deleted:
            self.broker.witness.died(self, position, message, reason)
        self._bury(position, message, reason)

    def _bury(self, position: int | None, message: Message, reason: "Reason") -> None:
        """Leave a message to the dead-letter exchange, if there is one."""
        if self.rules.dead_letter_exchange is not None and not self.is_deleted:
            self.broker.deaths.append(Dead(message, self, reason, position, self.rules))
        elif position is not None:
            self.forget_dead(position, message)

    def forget_dead(self, position: int, message: Message) -> None:
        """A message that has died here is routed, or goes nowhere: the journal may forget it."""
        if self.entries is not None and not self.is_deleted:
            self.entries.leave((position,), (message,))

    def touch(self) -> None:
        """The queue is used: it lives on for another `expires_ms` (S-195)."""
        if self.rules.expires_ms is None or self.is_deleted:
            return
        if self._disuse is None:
            self._disuse = Disuse(self)
        self._disuse.touch(self.rules.expires_ms)

    def _forget_disuse(self) -> None:
        if self._disuse is not None:
            self._disuse.stop()
            self._disuse = None  # it knows its queue, and no cycle must stay

    def consumers_may_receive(self) -> None:
        """Something changed in favour of the consumers: look again at the end of the pass."""
        self.is_starving = False
        if self.order.count:
            self.broker.to_dispatch[self] = None

    def _let_go(self, positions: Sequence[int], messages: Sequence[Message]) -> None:
        """Messages are gone, and nothing becomes of them."""
        if self.entries is not None and not self.is_deleted:
            self.entries.leave(positions, messages)
        self._release(positions, messages)

    def _release(self, positions: Sequence[int], messages: Sequence[Message]) -> None:
        """Account for messages that no longer stand here, nor with a consumer."""
        if self.is_deleted:
            return
        if self.entries is not None:
            self.note_paging()
        if self._expires_at:
            for position in positions:
                self._expires_at.pop(position, None)
            self.has_own_times &= bool(self._expires_at)
        if self._failures is not None:
            self._failures.forget(positions)
        if self._present is not None:
            self._present.forget(messages)
        self.account_freed(messages)

    def account_freed(self, messages: Sequence[Message]) -> None:
        """These messages take no memory any more."""
        held_bytes = len(messages) * MESSAGE_OVERHEAD_BYTES
        for _, _, content in messages:
            held_bytes += len(content)
        self.held_bytes -= held_bytes
        self.broker.held_bytes -= held_bytes

    def forget_messages(self) -> None:
        """The queue is deleted: whatever it held is gone, also what is unacked."""
        if self.broker.witness is not None:
            self.broker.witness.discarded(self)
        self.is_deleted = True
        self.broker.remains.take_over(self)
        self.order.clear()
        self._expires_at.clear()
        if self._present is not None:
            self._present.clear()
        self.broker.held_bytes -= self.held_bytes
        self.held_bytes = 0
        self.broker.to_dispatch.pop(self, None)
        self._forget_disuse()
        if self._expiry is not None:
            self._expiry.cancel()
