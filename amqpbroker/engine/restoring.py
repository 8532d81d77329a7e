"""Making a broker what it was, from what its journal has kept."""

from amqpbroker.engine.broker import Broker
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.register import BINDING, EXCHANGE, FRESH_ID, QUEUE, VHOST, read_table

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
        queue = Queue(
            broker,
            vhost,
            name,
            durable=True,
            exclusive_owner=None,
            auto_delete=bool(record["auto_delete"]),
            arguments=read_table(record["arguments"]),
            queue_id=queue_id,
        )
        vhost.add_queue(queue)
        queue.restore(fresh_id if journal.is_clean else _ALL_IDS)
    for (vhost_name, source, kind, name, routing_key, arguments), _ in journal.records(BINDING):
        vhost = broker.vhosts[vhost_name]
        destination = vhost.queue(name) if kind == QUEUE else vhost.exchange(name)
        vhost.bind(source, destination, routing_key, read_table(arguments))
