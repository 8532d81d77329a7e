"""What a broker has lost when it comes back: an emulation, for a broker that keeps no files.

    gone      connections; queues and exchanges that are not durable, or exclusive; bindings of
              those; transient messages, except in quorum queues
    there     durable queues and exchanges, the bindings between them, their persistent messages
    marked    messages that clients had not settled are redelivered

A queue that loses some of its messages marks the others as redelivered too: a real broker cannot
tell after a crash which of them had been delivered.
"""

from collections.abc import Callable

from amqpbroker.engine.queue import Queue
from amqpbroker.engine.vhost import RESERVED_PREFIX, VHost
from amqpbroker.server.server import Server
from amqpbroker.spec.errors import connection_forced
from amqpbroker.spec.message import Message


def restart(server: Server, survives: Callable[[Queue, Message], bool]) -> None:
    """End all connections, and drop what is not durable or does not survive."""
    for session in list(server.sessions):
        session.close(connection_forced("broker forced connection closure with reason 'shutdown'"))
    for vhost in server.broker.vhosts.values():
        for queue in list(vhost.queues.values()):
            if queue.durable and queue.exclusive_owner is None:
                drop_messages(
                    queue, lambda message, queue=queue: not _stays(queue, message, survives)
                )
            else:
                server.broker.delete_queue(queue)
        _drop_exchanges(vhost)


def drop_messages(queue: Queue, is_lost: Callable[[Message], bool]) -> int:
    """Drop the ready messages that are lost; how many.  They are not dead-lettered."""
    order = queue.order
    gone = {position for position, message in order.entries() if is_lost(message)}
    if not gone:
        return 0
    lost: list[tuple[int, Message]] = []
    kept: list[tuple[int, Message]] = []
    while order.count:
        if order.returned_count:
            entry = order.take_returned()
        else:
            positions, messages = order.take(1)
            entry = (positions[0], messages[0])
        (lost if entry[0] in gone else kept).append(entry)
    for entry in kept:
        order.put_back(*entry)
    if queue.limit is not None:
        queue.limit.removed([message for _, message in lost])
    queue.unacked_count += len(lost)  # as if a client had them, and settles them
    queue.settle(lost)
    queue.consumers_may_receive()
    return len(lost)


def _stays(queue: Queue, message: Message, survives: Callable[[Queue, Message], bool]) -> bool:
    is_kept = message.properties.is_persistent or queue.rules.is_quorum
    return is_kept and survives(queue, message)


def _drop_exchanges(vhost: VHost) -> None:
    for exchange in list(vhost.exchanges.values()):
        is_predeclared = not exchange.name or exchange.name.startswith(RESERVED_PREFIX)
        if not exchange.durable and not is_predeclared and exchange.name in vhost.exchanges:
            vhost.delete_exchange(exchange.name)
