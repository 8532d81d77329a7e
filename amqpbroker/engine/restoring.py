"""Making a broker what it was, from what its journal has kept."""

from amqpbroker.engine.broker import Broker
from amqpbroker.engine.entries import ids_of
from amqpbroker.engine.kept_order import KeptFifoOrder
from amqpbroker.engine.queue import LARGE_BYTES, Queue
from amqpbroker.engine.queue_arguments import queue_type_of
from amqpbroker.engine.register import BINDING, EXCHANGE, FRESH_ID, QUEUE, VHOST, read_table
from amqpbroker.engine.roster import restore_access
from amqpbroker.engine.rulebook import restore_rules

#: Above all ids.
_ALL_IDS = 1 << 63


def restore(broker: Broker) -> None:
    """Declare, bind and enqueue again what outlived the last process.

    After a peaceful end, messages come back as redelivered that were delivered; after any other
    all do, for each may have been (S-258).
    """
    journal = broker.journal
    for (vhost_name,), _ in journal.records(VHOST):
        broker.add_vhost(vhost_name)
    restore_rules(broker)
    for (vhost_name, name), record in journal.records(EXCHANGE):
        broker.vhosts[vhost_name].declare_exchange(
            name,
            str(record["type"]),
            durable=True,
            auto_delete=bool(record["auto_delete"]),
            internal=bool(record["internal"]),
            arguments=read_table(record["arguments"]),
        )
    for (vhost_name, name), record in journal.records(QUEUE):
        vhost = broker.vhosts[vhost_name]
        queue_id, fresh_id = record["id"], record.get(FRESH_ID, _ALL_IDS)
        assert isinstance(queue_id, int), record
        assert isinstance(fresh_id, int), record
        arguments = read_table(record["arguments"])
        queue = Queue(
            broker,
            vhost,
            name,
            durable=True,
            exclusive_owner=None,
            auto_delete=bool(record["auto_delete"]),
            arguments=arguments,
            definition=vhost.policies.definition_for(queue_type_of(arguments), name),
            queue_id=queue_id,
        )
        assert queue.entries is not None, queue
        queue.entries.has_expirations = bool(record["has_expirations"])
        vhost.add_queue(queue)
        _restore_messages(queue, fresh_id if journal.is_clean else _ALL_IDS)
    for (vhost_name, source, kind, name, routing_key, arguments), _ in journal.records(BINDING):
        vhost = broker.vhosts[vhost_name]
        destination = vhost.queue(name) if kind == QUEUE else vhost.exchange(name)
        vhost.bind(source, destination, routing_key, read_table(arguments))
    restore_access(broker)


def _restore_messages(queue: Queue, fresh_id: int) -> None:
    """Let a queue have what the journal has of it; what is below *fresh_id* is redelivered."""
    entries, order = queue.entries, queue.order
    assert entries is not None, queue
    runs = entries.restored()
    if queue.is_plain and isinstance(order, KeptFifoOrder):
        order.restore_paged(runs, fresh_id)
        queue.has_large = runs.byte_count > sum(runs.counts) * LARGE_BYTES
        queue.note_paging()
        if entries.has_expirations:  # they are read for these alone, and stay where they are
            timed = entries.read_timed(runs)
            for entry_id, (entered_ms, message) in zip(ids_of(runs), timed, strict=True):
                queue.note_expiry(entry_id, message, entered_ms)
    else:
        timed = entries.read_timed(runs)
        for entry_id, (entered_ms, message) in zip(ids_of(runs), timed, strict=True):
            position = order.restore(entry_id, message, was_delivered=entry_id < fresh_id)
            queue.take_back(position, message, entered_ms)
    queue.broker.to_dispatch[queue] = None
