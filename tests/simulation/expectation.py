"""What a broker must do, as lists: where every message is, and who may be told what.

The expectation sees each request when it is executed, in the order of execution, and each
delivery when the engine makes it.  It routes by trying every binding, and knows nothing of
batches, turns or bytes.

(E1) A message that was routed to a queue waits there, is held by one channel, or is gone for one
     of the `REASONS`: never twice, never nowhere.
(E2) A channel is given a queue's fresh messages in the order in which they were enqueued, and a
     message is marked redelivered if, and only if, it was delivered before.
(E3) Nobody holds more than a prefetch allows.
(E4) A publish is confirmed once, in order; a mandatory message without a queue is returned once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import attrs

from amqpbroker.spec import methods as m
from amqpbroker.spec.method import Method

REASONS = ("acked", "rejected", "delivered to who does not ack", "purged", "its queue was deleted")


class Refusal(Exception):
    """The request closes its channel, with this code."""

    def __init__(self, reply_code: int) -> None:
        super().__init__(reply_code)
        self.reply_code = reply_code


@attrs.define(eq=False)
class Copy:
    """A message in one queue."""

    queue: Queue
    number: int  # its place among all that were ever enqueued there
    body: bytes
    was_delivered: bool = False
    place: str = "ready"  # or "held", or one of REASONS


@attrs.define(eq=False)
class Queue:
    name: str
    owner: Hashable | None
    auto_delete: bool
    copies: dict[bytes, Copy] = attrs.Factory(dict[bytes, Copy])  # those that are not gone
    consumers: list[Consumer] = attrs.Factory(list["Consumer"])
    enqueued_count: int = 0
    is_deleted: bool = False

    @property
    def ready(self) -> list[Copy]:
        return sorted(
            (copy for copy in self.copies.values() if copy.place == "ready"),
            key=lambda copy: copy.number,
        )


@attrs.define(eq=False)
class Consumer:
    channel: Channel
    tag: str
    queue: Queue
    no_ack: bool
    prefetch_count: int
    held_count: int = 0


@attrs.define(eq=False)
class Settlement:
    entries: list[tuple[int, Copy, Consumer | None]]
    outcome: str  # "acked", "rejected" or "requeue"


@attrs.define(eq=False)
class Channel:
    owner: Hashable  # the connection
    number: int
    mode: str = ""  # or "confirm", or "tx"
    last_tag: int = 0
    held: dict[int, tuple[Copy, Consumer | None]] = attrs.Factory(
        dict[int, tuple[Copy, "Consumer | None"]]
    )  # {delivery tag: ...}, without what a transaction has settled
    consumers: dict[str, Consumer] = attrs.Factory(dict[str, "Consumer"])
    consumer_prefetch_count: int = 0
    prefetch_count: int = 0
    last_fresh: dict[Queue, int] = attrs.Factory(dict[Queue, int])
    publish_count: int = 0
    confirmed_count: int = 0
    to_return: list[bytes] = attrs.Factory(list[bytes])
    publishes: list[tuple[bytes, list[Queue], bool]] = attrs.Factory(
        list[tuple[bytes, list[Queue], bool]]
    )  # of the transaction: (body, queues, mandatory)
    settlements: list[Settlement] = attrs.Factory(list[Settlement])


@attrs.frozen
class Binding:
    source: str
    destination: str
    is_to_queue: bool
    key: str


class Expectation:
    """The broker as it should be."""

    def __init__(self) -> None:
        self.channels: dict[tuple[Hashable, int], Channel] = {}
        self.queues: dict[str, Queue] = {}
        self.exchanges: dict[str, tuple[str, bool]] = {"": ("direct", False)}  # type, auto-delete
        self.bindings: dict[Binding, None] = {}
        self.fates: Counter[str] = Counter()

    # Requests

    def perform(self, owner: Hashable, number: int, method: Method) -> int:
        """Do what *method* asks for; the reply code with which it is refused, or 0.

        basic.publish has a verb of its own, and what a basic.get got is told by `got`.  Whoever
        is refused must also be closed.
        """
        if isinstance(method, m.ChannelOpen):
            self.channels[owner, number] = Channel(owner, number)
            return 0
        if isinstance(method, m.ChannelClose):
            self.close_channel(owner, number)
            return 0
        try:
            VERBS[type(method)](self, self.channels[owner, number], method)
        except Refusal as refusal:
            return refusal.reply_code
        return 0

    def publish(self, owner: Hashable, number: int, method: m.BasicPublish, body: bytes) -> int:
        """A message; the reply code with which it is refused, or 0."""
        channel = self.channels[owner, number]
        if method.exchange not in self.exchanges:
            return 404
        queues = self.route(method.exchange, method.routing_key)
        if channel.mode == "tx":
            channel.publishes.append((body, queues, method.mandatory))
        else:
            self._enqueue(channel, body, queues, mandatory=method.mandatory)
        return 0

    def route(self, exchange_name: str, key: str) -> list[Queue]:
        if exchange_name == "":
            return [self.queues[key]] if key in self.queues else []
        found: dict[Queue, None] = {}
        to_visit = [exchange_name]
        for name in to_visit:
            for binding in self.bindings:
                if binding.source != name or not self._matches(binding, key):
                    continue
                if binding.is_to_queue:
                    found[self.queues[binding.destination]] = None
                elif binding.destination not in to_visit:
                    to_visit.append(binding.destination)
        return list(found)

    def _matches(self, binding: Binding, key: str) -> bool:
        type_ = self.exchanges[binding.source][0]
        if type_ == "topic":
            return _is_topic_match(binding.key.split("."), key.split("."))
        return type_ == "fanout" or binding.key == key

    def _enqueue(
        self, channel: Channel, body: bytes, queues: Iterable[Queue], *, mandatory: bool
    ) -> None:
        queues = list(queues)
        for queue in queues:
            queue.enqueued_count += 1
            queue.copies[body] = Copy(queue, queue.enqueued_count, body)
        if not queues and mandatory:
            channel.to_return.append(body)
        channel.publish_count += channel.mode == "confirm"

    # What the engine does

    def delivered(
        self,
        owner: Hashable,
        number: int,
        consumer_tag: str,
        delivery_tag: int,
        body: bytes,
        *,
        redelivered: bool,
    ) -> None:
        channel = self.channels[owner, number]
        consumer = channel.consumers[consumer_tag]
        self._take(
            channel, consumer.queue, delivery_tag, body, consumer,
            redelivered=redelivered, no_ack=consumer.no_ack,
        )  # fmt: skip
        if consumer.no_ack:
            return
        consumer.held_count += 1
        assert consumer.held_count <= (consumer.prefetch_count or consumer.held_count), "E3"
        if channel.prefetch_count:
            assert sum(one.held_count for one in channel.consumers.values()) <= (
                channel.prefetch_count
            ), "E3"

    def got(
        self, owner: Hashable, number: int, method: m.BasicGet,
        answer: tuple[int, bytes, bool, int] | None,
    ) -> None:  # fmt: skip
        """The engine has answered a basic.get: delivery tag, body, redelivered, left."""
        channel, queue = self.channels[owner, number], self.queues[method.queue]
        ready = queue.ready
        if answer is None:
            assert ready == []
            return
        delivery_tag, body, redelivered, left_count = answer
        assert (body, left_count) == (ready[0].body, len(ready) - 1)
        self._take(
            channel, queue, delivery_tag, body, None, redelivered=redelivered, no_ack=method.no_ack
        )

    def _take(
        self, channel: Channel, queue: Queue, delivery_tag: int, body: bytes,
        consumer: Consumer | None, *, redelivered: bool, no_ack: bool,
    ) -> None:  # fmt: skip
        copy = queue.copies[body]
        assert copy.place == "ready", f"E1: {body!r} of {queue.name} is {copy.place}"
        assert redelivered == copy.was_delivered, "E2"
        if not redelivered:
            assert copy.number > channel.last_fresh.get(queue, 0), "E2"
            channel.last_fresh[queue] = copy.number
        copy.was_delivered = True
        channel.last_tag += 1
        assert delivery_tag == channel.last_tag
        if no_ack:
            self._let_go(copy, "delivered to who does not ack")
        else:
            copy.place = "held"
            channel.held[delivery_tag] = (copy, consumer)

    def confirmed(self, owner: Hashable, number: int, publish_tag: int, *, multiple: bool) -> None:
        channel = self.channels[owner, number]
        assert channel.mode == "confirm", "E4"
        first_tag = channel.confirmed_count + 1
        assert publish_tag == first_tag or (multiple and publish_tag > first_tag), "E4"
        assert publish_tag <= channel.publish_count, "E4"
        channel.confirmed_count = publish_tag

    def returned(self, owner: Hashable, number: int, body: bytes) -> None:
        assert self.channels[owner, number].to_return.pop(0) == body, "E4"

    # Settling

    def settle(self, channel: Channel, delivery_tag: int, outcome: str, *, multiple: bool) -> None:
        tags = [
            tag for tag in channel.held if multiple and (tag <= delivery_tag or not delivery_tag)
        ]
        if delivery_tag in channel.held and not multiple:
            tags = [delivery_tag]
        if delivery_tag not in channel.held and not (multiple and delivery_tag == 0):
            raise Refusal(406)
        entries = [(tag, *channel.held.pop(tag)) for tag in tags]
        settlement = Settlement(entries, outcome)
        if channel.mode == "tx":
            channel.settlements.append(settlement)
        else:
            self._carry_out(settlement)

    def _carry_out(self, settlement: Settlement) -> None:
        for _, copy, consumer in settlement.entries:
            if consumer is not None:
                consumer.held_count -= 1
            if copy.queue.is_deleted:
                continue
            if settlement.outcome == "requeue":
                copy.place = "ready"
            else:
                self._let_go(copy, settlement.outcome)

    def _let_go(self, copy: Copy, reason: str) -> None:
        assert reason in REASONS
        del copy.queue.copies[copy.body]
        copy.place = reason
        self.fates[reason] += 1

    def commit(self, channel: Channel) -> None:
        publishes, channel.publishes = channel.publishes, []
        settlements, channel.settlements = channel.settlements, []
        is_partial = False
        for body, queues, mandatory in publishes:
            left = [queue for queue in queues if not queue.is_deleted]
            is_partial |= left != queues
            if left or not queues:
                self._enqueue(channel, body, left, mandatory=mandatory)
        for settlement in settlements:
            self._carry_out(settlement)
        if is_partial:
            raise Refusal(406)

    def rollback(self, channel: Channel) -> None:
        for settlement in channel.settlements:
            channel.held |= {tag: (copy, one) for tag, copy, one in settlement.entries}
        channel.held = dict(sorted(channel.held.items()))
        channel.publishes, channel.settlements = [], []

    def recover(self, channel: Channel) -> None:
        entries = [(tag, *held) for tag, held in channel.held.items()]
        channel.held = {}
        self._carry_out(Settlement(entries, "requeue"))

    # What goes

    def close_channel(self, owner: Hashable, number: int) -> None:
        channel = self.channels.pop((owner, number), None)
        if channel is None:
            return
        assert channel.confirmed_count == channel.publish_count, "E4"
        entries = [(tag, *held) for tag, held in channel.held.items()]
        for settlement in channel.settlements:
            entries += settlement.entries
        self._carry_out(Settlement(entries, "requeue"))
        for consumer in list(channel.consumers.values()):
            self.cancel(channel, consumer.tag)

    def close_connection(self, owner: Hashable) -> None:
        for one, number in list(self.channels):
            if one is owner:
                self.close_channel(owner, number)
        for queue in list(self.queues.values()):
            if queue.owner is owner:
                self.delete_queue(queue)

    def cancel(self, channel: Channel, consumer_tag: str) -> None:
        consumer = channel.consumers.pop(consumer_tag, None)
        if consumer is not None:
            consumer.queue.consumers.remove(consumer)
            if consumer.queue.auto_delete and not consumer.queue.consumers:
                self.delete_queue(consumer.queue)

    def delete_queue(self, queue: Queue) -> None:
        del self.queues[queue.name]
        queue.is_deleted = True
        for copy in list(queue.copies.values()):
            self._let_go(copy, "its queue was deleted")
        for consumer in queue.consumers:
            del consumer.channel.consumers[consumer.tag]
        self.unbind(
            one for one in self.bindings if one.is_to_queue and one.destination == queue.name
        )

    def purge(self, queue: Queue) -> None:
        for copy in queue.ready:
            self._let_go(copy, "purged")

    def delete_exchange(self, name: str) -> None:
        if self.exchanges.pop(name, None) is None:
            return
        for binding in [one for one in self.bindings if one.source == name]:
            del self.bindings[binding]
        self.unbind(one for one in self.bindings if not one.is_to_queue and one.destination == name)

    def unbind(self, bindings: Iterable[Binding]) -> None:
        emptied: list[str] = []
        for binding in list(bindings):
            if self.bindings.pop(binding, 0) is None:
                emptied.append(binding.source)
        for name in emptied:
            is_source = any(one.source == name for one in self.bindings)
            if not is_source and self.exchanges.get(name, ("", False))[1]:
                self.delete_exchange(name)

    def open_queue(self, channel: Channel, queue_name: str) -> Queue:
        queue = self.queues.get(queue_name)
        if queue is None:
            raise Refusal(404)
        if queue.owner is not None and queue.owner is not channel.owner:
            raise Refusal(405)
        return queue


def _is_topic_match(pattern: list[str], key: list[str]) -> bool:
    if not pattern:
        return not key
    if pattern[0] == "#":
        return _is_topic_match(pattern[1:], key) or (
            bool(key) and _is_topic_match(pattern, key[1:])
        )
    return bool(key) and pattern[0] in ("*", key[0]) and _is_topic_match(pattern[1:], key[1:])


# One function a method: what it changes, or the code with which it is refused.


def _declare_queue(broker: Expectation, channel: Channel, method: m.QueueDeclare) -> None:
    queue = broker.queues.get(method.queue)
    if queue is not None or method.passive:
        broker.open_queue(channel, method.queue)
    else:
        owner = channel.owner if method.exclusive else None
        broker.queues[method.queue] = Queue(method.queue, owner, method.auto_delete)


def _delete_queue(broker: Expectation, channel: Channel, method: m.QueueDelete) -> None:
    if method.queue in broker.queues:
        queue = broker.open_queue(channel, method.queue)
        if (method.if_unused and queue.consumers) or (method.if_empty and queue.ready):
            raise Refusal(406)
        broker.delete_queue(queue)


def _purge_queue(broker: Expectation, channel: Channel, method: m.QueuePurge) -> None:
    broker.purge(broker.open_queue(channel, method.queue))


def _bind_queue(broker: Expectation, channel: Channel, method: m.QueueBind) -> None:
    if method.exchange not in broker.exchanges:
        raise Refusal(404)
    broker.open_queue(channel, method.queue)
    broker.bindings[Binding(method.exchange, method.queue, True, method.routing_key)] = None


def _unbind_queue(broker: Expectation, channel: Channel, method: m.QueueUnbind) -> None:
    binding = Binding(method.exchange, method.queue, True, method.routing_key)
    if binding in broker.bindings:
        broker.open_queue(channel, method.queue)
        broker.unbind([binding])


def _declare_exchange(broker: Expectation, channel: Channel, method: m.ExchangeDeclare) -> None:
    broker.exchanges.setdefault(method.exchange, (method.type, method.auto_delete))


def _delete_exchange(broker: Expectation, channel: Channel, method: m.ExchangeDelete) -> None:
    if method.if_unused and any(one.source == method.exchange for one in broker.bindings):
        raise Refusal(406)
    broker.delete_exchange(method.exchange)


def _bind_exchange(broker: Expectation, channel: Channel, method: m.ExchangeBind) -> None:
    if not {method.source, method.destination} <= broker.exchanges.keys():
        raise Refusal(404)
    broker.bindings[Binding(method.source, method.destination, False, method.routing_key)] = None


def _unbind_exchange(broker: Expectation, channel: Channel, method: m.ExchangeUnbind) -> None:
    broker.unbind([Binding(method.source, method.destination, False, method.routing_key)])


def _limit(broker: Expectation, channel: Channel, method: m.BasicQos) -> None:
    if method.global_:
        channel.prefetch_count = method.prefetch_count
    else:
        channel.prefetch_count, channel.consumer_prefetch_count = 0, method.prefetch_count


def _consume(broker: Expectation, channel: Channel, method: m.BasicConsume) -> None:
    queue = broker.open_queue(channel, method.queue)
    consumer = Consumer(
        channel, method.consumer_tag, queue, method.no_ack, channel.consumer_prefetch_count
    )
    channel.consumers[method.consumer_tag] = consumer
    queue.consumers.append(consumer)


def _cancel(broker: Expectation, channel: Channel, method: m.BasicCancel) -> None:
    broker.cancel(channel, method.consumer_tag)


def _get(broker: Expectation, channel: Channel, method: m.BasicGet) -> None:
    broker.open_queue(channel, method.queue)


def _ack(broker: Expectation, channel: Channel, method: m.BasicAck) -> None:
    broker.settle(channel, method.delivery_tag, "acked", multiple=method.multiple)


def _nack(broker: Expectation, channel: Channel, method: m.BasicNack) -> None:
    outcome = "requeue" if method.requeue else "rejected"
    broker.settle(channel, method.delivery_tag, outcome, multiple=method.multiple)


def _reject(broker: Expectation, channel: Channel, method: m.BasicReject) -> None:
    outcome = "requeue" if method.requeue else "rejected"
    broker.settle(channel, method.delivery_tag, outcome, multiple=False)


def _recover(broker: Expectation, channel: Channel, method: m.BasicRecover) -> None:
    broker.recover(channel)


def _select_confirms(broker: Expectation, channel: Channel, method: m.ConfirmSelect) -> None:
    if channel.mode == "tx":
        raise Refusal(406)
    channel.mode = "confirm"


def _select_transactions(broker: Expectation, channel: Channel, method: m.TxSelect) -> None:
    if channel.mode == "confirm":
        raise Refusal(406)
    channel.mode = "tx"


def _commit(broker: Expectation, channel: Channel, method: m.TxCommit) -> None:
    if channel.mode != "tx":
        raise Refusal(406)
    broker.commit(channel)


def _roll_back(broker: Expectation, channel: Channel, method: m.TxRollback) -> None:
    if channel.mode != "tx":
        raise Refusal(406)
    broker.rollback(channel)


VERBS: dict[type[Method], Callable[[Expectation, Channel, Any], None]] = {
    m.QueueDeclare: _declare_queue,
    m.QueueDelete: _delete_queue,
    m.QueuePurge: _purge_queue,
    m.QueueBind: _bind_queue,
    m.QueueUnbind: _unbind_queue,
    m.ExchangeDeclare: _declare_exchange,
    m.ExchangeDelete: _delete_exchange,
    m.ExchangeBind: _bind_exchange,
    m.ExchangeUnbind: _unbind_exchange,
    m.BasicQos: _limit,
    m.BasicConsume: _consume,
    m.BasicCancel: _cancel,
    m.BasicGet: _get,
    m.BasicAck: _ack,
    m.BasicNack: _nack,
    m.BasicReject: _reject,
    m.BasicRecover: _recover,
    m.ConfirmSelect: _select_confirms,
    m.TxSelect: _select_transactions,
    m.TxCommit: _commit,
    m.TxRollback: _roll_back,
}
