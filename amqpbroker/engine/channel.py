"""A channel: publishes in, deliveries out, and the books about both.

    publish -> route -> enqueue            [publish, or commit]
    deliver -> ledger -> ack, nack, reject [deliver; ack, reject; recover, close]

(C1) A delivery tag is used once, ascending from 1, also by deliveries that nobody acks (S-261).
(C2) A returned message is told before its confirm: returns leave at once, confirms at the end of
     the pass (`Connection.tell_confirms`).
(C3) After `close` nothing of the channel is left in the engine.

Declarations are the topology's part (`engine/topology.py`); who may do what is asked there.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from amqpbroker.engine import content, node_limits
from amqpbroker.engine.confirms import Confirms
from amqpbroker.engine.consumer import Consumer, check_type_rules, checked_priority
from amqpbroker.engine.delivery_timeout import DeliveryTimeout
from amqpbroker.engine.exchange import Exchange
from amqpbroker.engine.ledger import Ledger, Unacked
from amqpbroker.engine.permissions import Operation
from amqpbroker.engine.queue import MESSAGE_OVERHEAD_BYTES, Queue
from amqpbroker.engine.replies import REPLY_PREFIX, REPLY_QUEUE, ReplyConsumer
from amqpbroker.engine.transaction import Settlement, Transaction
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import (
    access_refused,
    not_allowed,
    not_found,
    not_implemented,
    precondition_failed,
    resource_locked,
)
from amqpbroker.spec.message import Message, Publish
from amqpbroker.spec.properties import NO_PROPERTIES
from amqpbroker.spec.table import Table

if TYPE_CHECKING:
    from amqpbroker.engine.connection import Connection
    from amqpbroker.engine.ports import Witness


class Channel:
    """One channel of a connection."""

    __slots__ = (
        "_confirms",
        "_ledger",
        "_reply_consumer",
        "_timeout",
        "_transaction",
        "connection",
        "consumer_prefetch_count",
        "consumers",
        "last_delivery_tag",
        "last_queue_name",
        "limited_count",
        "number",
        "prefetch_count",
        "vhost",
    )

    def __init__(self, connection: "Connection", number: int) -> None:
        self.connection = connection
        self.vhost = connection.vhost
        self.number = number
        self.last_queue_name: str | None = None  # the queue declared last (S-087)
        self.last_delivery_tag = 0
        self.prefetch_count = 0  # for all consumers together; 0: no limit
        # What counts against it: deliveries, and what was unacked when it was set.  RabbitMQ:
        # acks of what basic.get got give no room (basic_qos.limit_of_a_channel_and_gets).
        self.limited_count = 0
        self.consumer_prefetch_count = 0  # for each consumer started from now on; 0: no limit
        self.consumers: dict[str, Consumer] = {}  # {consumer_tag: Consumer}
        self._ledger = Ledger()
        self._confirms: Confirms | None = None
        self._transaction: Transaction | None = None
        self._reply_consumer: ReplyConsumer | None = None
        self._timeout = DeliveryTimeout(self)

    def __repr__(self) -> str:
        return (
            f"<Channel {self.number} consumers={len(self.consumers)} unacked={len(self._ledger)}>"
        )

    @property
    def unacked(self) -> Ledger:
        """The deliveries that wait for their ack."""
        return self._ledger

    @property
    def transaction(self) -> Transaction | None:
        """What is put off until the commit; None outside tx mode."""
        return self._transaction

    def named_queue(self, queue_name: str) -> str:
        """The name, or where it is empty that of the queue declared last; raises 404 (S-087)."""
        if queue_name:
            return queue_name
        if self.last_queue_name is None:
            raise not_found("no previously declared queue")
        return self.last_queue_name

    # Publishing

    def publish(
        self, publish: Publish, messages: Sequence[Message], content_bytes: int, *, is_plain: bool
    ) -> None:
        """Route and enqueue *messages*, which were published alike, one after the other.

        `content_bytes` is the size of their contents in all.  `is_plain` says that no property of
        theirs needs a look (`Properties.needs_a_look`).
        Raises what RabbitMQ answers, in its order of checks (S-196); the messages before the
        offending one have then been published.
        """
        if publish.immediate:
            raise not_implemented("immediate=true")
        broker = self.vhost.broker
        is_small = content_bytes <= broker.message_bytes_max
        queues = self._common_route(publish) if is_plain and is_small else None
        if queues is not None and broker.witness is not None:
            broker.witness.published(self, self._next_publish_tag(), messages)
            broker.witness.routed(self, messages, queues)
        if queues is None:
            for message in messages:
                self._publish_one(message)
        elif self._transaction is not None:
            self._put_off(messages, queues)
        else:
            self._enqueue(messages, queues, content_bytes)

    def _common_route(self, publish: Publish) -> tuple[Queue, ...] | None:
        """The queues for all messages that are published so; None when each has its own."""
        vhost, routing_key = self.vhost, publish.routing_key
        exchange = self._publishable(publish)
        if not self.connection.rights.is_full:
            self._check_topics(exchange, (routing_key,))
        if exchange is vhost.default_exchange:
            queue = vhost.queues.get(routing_key)
            if queue is not None:
                return (queue,)
            return None if routing_key.startswith(REPLY_PREFIX) else ()
        queues = vhost.route(exchange, routing_key)
        if queues is None and exchange.intake is None and not exchange.router.uses_properties:
            vhost.find_route(exchange, (routing_key,), NO_PROPERTIES)
            queues = vhost.route(exchange, routing_key)  # remembered if the key alone decides
        return queues

    def _publish_one(self, message: Message) -> None:
        """Publish a message whose properties want a look, or decide where it goes."""
        publish, properties = message.publish, message.properties
        content.check_size(message.body_bytes, self.vhost.broker.message_bytes_max)
        exchange = self._publishable(publish)
        if properties.needs_a_look:
            message = content.checked(message, self._reply_name())
            message = content.addressed(message)
            content.check_user(message, self.connection.user)
        if not self.connection.rights.is_full:
            self._check_topics(exchange, message.routing_keys)
        if (witness := self.vhost.broker.witness) is not None:
            witness.published(self, self._next_publish_tag(), (message,))
        queues: tuple[Queue, ...] = ()
        is_reply = publish.routing_key.startswith(REPLY_PREFIX) and not publish.exchange_name
        if not is_reply:
            queues = self.vhost.find_route(exchange, message.routing_keys, properties, message)
        has_taker = is_reply and publish.routing_key in self.vhost.broker.replies
        if witness is not None and not has_taker:
            witness.routed(self, (message,), queues)
        if self._transaction is not None:
            self._put_off((message,), queues)
        elif "expiration" in properties:
            self._offer(message, queues)
        else:
            self._enqueue((message,), queues, len(message.content))
        if is_reply:  # after its return: who replies to itself is told that first
            self._reply(message)

    def refuse_oversize(self, publish: Publish, body_bytes: int, header_bytes: int) -> None:
        """Answer a message that was too large to keep: raises 406 (S-198)."""
        if publish.immediate:
            raise not_implemented("immediate=true")
        content.check_size(body_bytes, self.vhost.broker.message_bytes_max)
        node_limits.check_header_size(self.vhost.broker, header_bytes)
        raise AssertionError(f"a message of {header_bytes} + {body_bytes} bytes was dropped")

    def _publishable(self, publish: Publish) -> Exchange:
        if not (rights := self.connection.rights).is_full:
            rights.check(Operation.WRITE, "exchange", publish.exchange_name)
        exchange = self.vhost.exchanges.get(publish.exchange_name)
        if exchange is None:
            exchange = self.vhost.exchange(publish.exchange_name)
        if exchange.internal:
            raise access_refused(f"cannot publish to internal {exchange}")
        return exchange

    def _next_publish_tag(self) -> int | None:
        return None if self._confirms is None else self._confirms.next_tag

    def _reply(self, message: Message) -> None:
        """Deliver a direct reply, if there is somebody to get it."""
        broker = self.vhost.broker
        replied = broker.replies.deliver(message)
        if broker.witness is not None and replied is not None:
            broker.witness.replied(self, replied.channel, replied.consumer_tag, message)

    def _check_topics(self, exchange: Exchange, routing_keys: Iterable[str]) -> None:
        """Refuse routing keys that the user may not use at a topic exchange (S-337, S-338)."""
        if exchange.type == "topic":
            for routing_key in routing_keys:
                self.connection.rights.check_topic(Operation.WRITE, exchange.name, routing_key)

    def _reply_name(self) -> str | None:
        return None if self._reply_consumer is None else self._reply_consumer.reply_name

    def _enqueue(
        self, messages: Sequence[Message], queues: tuple[Queue, ...], content_bytes: int
    ) -> None:
        """Put *messages*, which were routed alike, into their queues; confirm or return them."""
        for queue in queues:
            if not queue.is_plain:
                for message in messages:
                    self._offer(message, queues)
                return
        is_kept = False
        for queue in queues:
            is_kept |= queue.enqueue(messages, content_bytes)
            if queue.is_lagging:
                self.connection.owe(queue, len(messages))
        if is_kept and self.connection.broker.journal.is_behind:
            self.connection.is_ahead = True
        if not queues and messages[0].publish.mandatory:
            for message in messages:
                self._return(message)
        if self._confirms is not None:
            self._confirms.accept(len(messages))
            self.connection.to_tell[self] = None
            if is_kept:
                self._confirms.wait_for(self.connection.broker.journal.told_number)

    def _offer(self, message: Message, queues: tuple[Queue, ...]) -> bool:
        """Offer a message to queues that may refuse it; whether all have taken it."""
        if not queues and message.publish.mandatory:
            self._return(message)
        has_refused = False
        for queue in queues:
            if not queue.accept(message):
                has_refused = True
            elif queue.is_lagging:
                self.connection.owe(queue, 1)
        if self._confirms is not None:
            if has_refused:
                self._confirms.refuse()
            else:
                self._confirms.accept(1)
            self.connection.to_tell[self] = None
            if any(queue.entries is not None for queue in queues):
                self._confirms.wait_for(self.connection.broker.journal.told_number)
        return not has_refused

    def _return(self, message: Message) -> None:
        if (witness := self.vhost.broker.witness) is not None:
            witness.returned(self, (message,))
        self.connection.outlet.return_message(
            self.number, message, ReplyCode.NO_ROUTE, ReplyCode.NO_ROUTE.name
        )

    # Confirms and transactions

    def select_confirms(self) -> None:
        """Confirm every publish from now on; raises 406 on a transactional channel."""
        if self._transaction is not None:
            raise precondition_failed("cannot switch from tx to confirm mode")
        if self._confirms is None:
            self._confirms = Confirms()

    def tell_confirms(self) -> None:
        """Tell the client which publishes are settled, as far as they are safe."""
        if self._confirms is not None and self._confirms.is_untold:
            safe_number = self.vhost.broker.journal.safe_number
            self._confirms.tell(self._confirm, self._refuse, safe_number)

    def _confirm(self, publish_tag: int, multiple: bool) -> None:
        if (witness := self.vhost.broker.witness) is not None:
            witness.confirmed(self, publish_tag, multiple)
        self.connection.outlet.confirm(self.number, publish_tag, multiple)

    def _refuse(self, publish_tag: int, multiple: bool) -> None:
        if (witness := self.vhost.broker.witness) is not None:
            witness.nacked(self, publish_tag, multiple)
        self.connection.outlet.refuse(self.number, publish_tag, multiple)

    @property
    def has_untold_confirms(self) -> bool:
        """Whether there is something to tell, now or later."""
        return self._confirms is not None and self._confirms.is_untold

    def select_transactions(self) -> None:
        """Put off the effect of publishes and acks; raises 406 on a channel with confirms."""
        if self._confirms is not None:
            raise precondition_failed("cannot switch from confirm to tx mode")
        if self._transaction is None:
            self._transaction = Transaction()

    def commit(self) -> None:
        """Let everything since the last commit or rollback happen.

        Raises 406 outside tx mode, and when a queue was deleted meanwhile or refuses a message;
        what could be done is done then (S-219, S-220).
        """
        transaction = self._take_transaction()
        is_partial = False
        for message, queues in transaction.publishes:
            left = tuple(queue for queue in queues if not queue.is_deleted)
            is_partial |= len(left) < len(queues)
            if left or not queues:
                is_partial |= not self._offer(message, left)
        for settlement in transaction.settlements:
            self._settle(settlement)
        self.connection.broker.journal.demand()
        if is_partial:
            raise precondition_failed("partial tx completion")

    def rollback(self) -> None:
        """Forget publishes, and take acks back; raises 406 outside tx mode."""
        transaction = self._take_transaction()
        self._withdraw(transaction)
        for settlement in transaction.settlements:
            self._ledger.restore(settlement.entries)

    def _withdraw(self, transaction: Transaction) -> None:
        witness = self.vhost.broker.witness
        if witness is not None and transaction.publishes:
            witness.withdrawn(self, [message for message, _ in transaction.publishes])

    def _take_transaction(self) -> Transaction:
        if self._transaction is None:
            raise precondition_failed("channel is not transactional")
        transaction, self._transaction = self._transaction, Transaction()
        self.connection.broker.held_bytes -= transaction.held_bytes
        return transaction

    def _put_off(self, messages: Sequence[Message], queues: tuple[Queue, ...]) -> None:
        """Keep publishes for the commit; they take memory like those in a queue."""
        assert self._transaction is not None
        held_bytes = sum(len(content) + MESSAGE_OVERHEAD_BYTES for _, _, content in messages)
        self._transaction.publishes += [(message, queues) for message in messages]
        self._transaction.held_bytes += held_bytes
        self.connection.broker.held_bytes += held_bytes

    # Consuming

    def set_prefetch(self, prefetch_count: int, *, is_global: bool) -> None:
        """Limit unacked deliveries: of the whole channel, or of each later consumer (S-245)."""
        if is_global:
            if not self.prefetch_count:
                self.limited_count = len(self._ledger)
            is_eased = self.prefetch_count and not 0 < prefetch_count <= self.prefetch_count
            self.prefetch_count = prefetch_count
        else:
            is_eased = self.prefetch_count
            self.prefetch_count = 0
            self.consumer_prefetch_count = prefetch_count
        if is_eased:
            self.consumers_may_receive()

    def consume(
        self,
        queue_name: str,
        consumer_tag: str,
        *,
        no_ack: bool,
        exclusive: bool,
        arguments: Table,
    ) -> str:
        """Start a consumer; its tag, which is made here when *consumer_tag* is empty.

        Raises in RabbitMQ's order of checks (S-239).
        """
        broker = self.connection.broker
        queue_name = self.named_queue(queue_name)
        consumer_tag = consumer_tag or f"amq.ctag-{broker.names()}"
        if consumer_tag in self.consumers:
            raise not_allowed(f"attempt to reuse consumer tag '{consumer_tag}'")
        if queue_name == REPLY_QUEUE:
            self._consume_replies(consumer_tag, no_ack=no_ack)
            return consumer_tag
        node_limits.check_consumer(self)
        self.connection.rights.check(Operation.READ, "queue", queue_name)
        queue = self.vhost.queue(queue_name)
        queue.check_lock(self.connection)
        priority = checked_priority(queue, arguments)
        check_type_rules(queue, exclusive=exclusive, has_global_qos=self.prefetch_count > 0)
        consumer = Consumer(
            self,
            consumer_tag,
            queue,
            self.connection.outlet.deliverer(self.number, consumer_tag),
            no_ack=no_ack,
            exclusive=exclusive,
            priority=priority,
            prefetch_count=self.consumer_prefetch_count,
            arguments=arguments,
        )
        self.consumers[consumer_tag] = consumer
        queue.consumers.add(consumer)
        queue.consumers_may_receive()
        if broker.event_witness is not None:
            broker.event_witness.consumer_created(consumer)
        return consumer_tag

    def _consume_replies(self, consumer_tag: str, *, no_ack: bool) -> None:
        if not no_ack:
            raise precondition_failed("reply consumer cannot acknowledge")
        if self._reply_consumer is not None:
            raise precondition_failed("reply consumer already set")
        connection = self.connection
        deliver = connection.outlet.deliverer(self.number, consumer_tag)
        self._reply_consumer = connection.broker.replies.open(self, consumer_tag, deliver)

    def cancel(self, consumer_tag: str) -> None:
        """End a consumer, if there is one of that tag; its unacked deliveries stay."""
        replies = self._reply_consumer
        if replies is not None and replies.consumer_tag == consumer_tag:
            self._reply_consumer = None
            self.connection.broker.replies.close(replies)
            return
        consumer = self.consumers.pop(consumer_tag, None)
        if consumer is not None:
            self._remove(consumer)

    def forget_consumer(self, consumer: Consumer) -> None:
        """The consumer's queue is gone: tell the client, if it asked to be told."""
        del self.consumers[consumer.consumer_tag]
        self._tell_gone(consumer)
        if self.connection.wants_cancel_notify:
            self.connection.outlet.cancel_consumer(self.number, consumer.consumer_tag)

    def _tell_gone(self, consumer: Consumer) -> None:
        if (witness := self.vhost.broker.event_witness) is not None:
            witness.consumer_deleted(consumer)

    def _remove(self, consumer: Consumer) -> None:
        queue = consumer.queue
        queue.consumers.remove(consumer)
        self._tell_gone(consumer)
        if queue.auto_delete and not len(queue.consumers):
            self.connection.broker.delete_queue(queue)
        else:
            queue.touch()
            queue.consumers_may_receive()

    def consumers_may_receive(self) -> None:
        """Something changed in favour of this channel's consumers."""
        for consumer in self.consumers.values():
            consumer.queue.consumers_may_receive()

    def deliver(
        self,
        consumer: Consumer,
        positions: Sequence[int],
        messages: Sequence[Message],
        *,
        redelivered: bool,
    ) -> None:
        """Give a queue's messages to a consumer of this channel."""
        first_tag = self.last_delivery_tag + 1
        self.last_delivery_tag += len(messages)
        if not consumer.no_ack:
            consumer.unacked_count += len(messages)
            self.limited_count += len(messages)
            self._ledger.add(first_tag, consumer, consumer.queue, positions, messages)
            self._timeout.delivered(self.last_delivery_tag, consumer.queue)
        if (witness := self.vhost.broker.witness) is not None:
            witness.delivered(consumer, first_tag, positions, messages, redelivered)
        if redelivered:
            shown = consumer.queue.shown
            messages = [shown(*one) for one in zip(positions, messages, strict=True)]
        consumer.deliver(first_tag, messages, redelivered)

    def get(self, queue_name: str, *, no_ack: bool) -> tuple[int, Message, bool, int] | None:
        """Answer a basic.get: delivery tag, message, redelivered, messages left; None when empty.

        Raises 404 and 405 (S-240).
        """
        queue_name = self.named_queue(queue_name)
        self.connection.rights.check(Operation.READ, "queue", queue_name)
        queue = self.vhost.queue(queue_name)
        queue.check_lock(self.connection)
        if queue.rules.is_quorum and queue.rules.has_single_active_consumer:
            raise resource_locked(
                f"cannot obtain access to locked {queue}. basic.get operations are not supported "
                "by quorum queues with single active consumer"
            )
        shown = queue.shown
        answer = queue.get(no_ack=no_ack)
        if answer is None:
            return None
        position, message, redelivered = answer
        self.last_delivery_tag += 1
        if not no_ack:
            self._ledger.add(self.last_delivery_tag, None, queue, (position,), (message,))
            self._timeout.delivered(self.last_delivery_tag, queue)
        if (witness := self.vhost.broker.witness) is not None:
            witness.got(
                self, queue, self.last_delivery_tag, position, message,
                redelivered=redelivered, no_ack=no_ack,
            )  # fmt: skip
        return self.last_delivery_tag, shown(position, message), redelivered, queue.ready_count

    # Settling

    def ack(self, delivery_tag: int, *, multiple: bool) -> None:
        """The client is done with these deliveries; raises 406 for an unknown tag."""
        entries = self._ledger.settle(delivery_tag, multiple=multiple)
        self._settle_or_put_off(Settlement(entries, is_ack=True))

    def reject(self, delivery_tag: int, *, multiple: bool, requeue: bool) -> None:
        """The client does not want these deliveries: they go back, or are gone; raises 406."""
        entries = self._ledger.settle(delivery_tag, multiple=multiple)
        self._settle_or_put_off(Settlement(entries, is_ack=False, requeue=requeue))

    def recover(self) -> None:
        """Give all unacked deliveries back to their queues."""
        self._settle(Settlement(self._ledger.take_all(), is_ack=False, requeue=True))

    def _settle_or_put_off(self, settlement: Settlement) -> None:
        if self._transaction is not None:
            self._transaction.settlements.append(settlement)
        else:
            self._settle(settlement)

    def _settle(self, settlement: Settlement) -> None:
        by_queue: dict[Queue, list[Unacked]] = {}
        for _, unacked in settlement.entries:
            consumer, queue, _, _ = unacked
            if consumer is not None:
                consumer.unacked_count -= 1
                self.limited_count -= 1
            if queue in by_queue:
                by_queue[queue].append(unacked)
            else:
                by_queue[queue] = [unacked]
        witness = self.vhost.broker.witness
        for queue, entries in by_queue.items():
            held = [(position, message) for _, _, position, message in entries]
            if witness is not None and not queue.is_deleted:
                self._tell_settled(witness, queue, held, settlement)
            if settlement.is_ack:
                queue.settle(held)
            elif settlement.requeue:
                queue.requeue(held)
            else:
                queue.reject(held)
            if queue.is_starving and len(queue.consumers):
                queue.consumers_may_receive()
        if self.prefetch_count:
            self.consumers_may_receive()

    def _tell_settled(
        self,
        witness: "Witness",
        queue: Queue,
        held: Sequence[tuple[int, Message]],
        settlement: Settlement,
    ) -> None:
        if settlement.is_ack:
            witness.acked(self, queue, held)
        elif settlement.requeue:
            witness.requeued(self, queue, held)
        else:
            witness.rejected(self, queue, held)

    def close(self) -> None:
        """End the channel: its consumers go, then its unacked deliveries go back (C3)."""
        self._timeout.close()
        consumers, self.consumers = self.consumers, {}
        if self._reply_consumer is not None:
            self.cancel(self._reply_consumer.consumer_tag)
        returned = self._ledger.take_all()
        if self._transaction is not None:
            self.connection.broker.held_bytes -= self._transaction.held_bytes
            self._withdraw(self._transaction)
            for settlement in self._transaction.settlements:
                returned += settlement.entries
        for consumer in consumers.values():
            consumer.queue.consumers.remove(consumer)
            self._tell_gone(consumer)
        self._settle(Settlement(returned, is_ack=False, requeue=True))
        for queue in dict.fromkeys(consumer.queue for consumer in consumers.values()):
            queue.touch()
            if queue.auto_delete and not len(queue.consumers) and not queue.is_deleted:
                self.connection.broker.delete_queue(queue)
        self.connection.to_tell.pop(self, None)
