"""Declaring, binding and deleting, as a client on a channel asks for it.

The vhost knows how; this module knows what a client may leave out (names), what belongs to
another connection, and in which order RabbitMQ checks (S-087 to S-093, S-112 to S-116, S-145 to
S-162, S-189 to S-194).
"""

from typing import NamedTuple

from amqpbroker.engine import equivalence, node_limits, queue_arguments, quorum, usage_limits
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.connection import Connection
from amqpbroker.engine.lock import locked
from amqpbroker.engine.permissions import Operation, Rights
from amqpbroker.engine.queue import Queue
from amqpbroker.engine.queue_arguments import TYPE_NAMES, compared_arguments
from amqpbroker.engine.replies import REPLY_PREFIX, REPLY_QUEUE
from amqpbroker.engine.vhost import RESERVED_PREFIX, VHost, plain_name, refuse_default
from amqpbroker.spec.errors import (
    access_refused,
    not_found,
    not_implemented,
    precondition_failed,
)
from amqpbroker.spec.table import Table, longstr


class QueueState(NamedTuple):
    """The answer to a queue.declare."""

    queue_name: str
    message_count: int  # ready ones
    consumer_count: int


def declare_queue(
    channel: Channel,
    name: str,
    *,
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
    arguments: Table,
) -> QueueState:
    """Make a queue, or check that the one of that name is what is asked for (S-145)."""
    name = plain_name(name)
    if (reply_state := _reply_queue_state(channel, name)) is not None:
        return reply_state
    if name.startswith(RESERVED_PREFIX):
        raise access_refused(f"queue name '{name}' contains reserved prefix 'amq.*'")
    connection, vhost = channel.connection, channel.vhost
    is_server_named = not name
    name = name or f"amq.gen-{connection.broker.names()}"
    connection.rights.check(Operation.CONFIGURE, "queue", name)
    durable = durable and not exclusive  # S-153
    queue = vhost.queues.get(name)
    if queue is not None:
        queue.check_lock(connection)
        if exclusive != (queue.exclusive_owner is not None):
            raise locked(queue)  # S-152
        emulation = connection.broker.emulation
        equivalence.check_property(queue, "durable", durable, queue.durable)
        equivalence.check_property(queue, "auto_delete", auto_delete, queue.auto_delete)
        equivalence.check_arguments(
            queue,
            compared_arguments(queue.rules.queue_type),
            emulation.compared(_typed(vhost, arguments, durable, exclusive, auto_delete)),
            emulation.compared(queue.arguments),
        )
        queue.touch()
    else:
        _check_dead_letters(connection.rights, name, arguments)
        queue = make_queue(
            vhost,
            name,
            durable=durable,
            owner=connection if exclusive else None,
            auto_delete=auto_delete,
            arguments=arguments,
            is_server_named=is_server_named,
        )
    return _declared(channel, queue)


def make_queue(
    vhost: VHost,
    name: str,
    *,
    durable: bool,
    auto_delete: bool,
    arguments: Table,
    owner: Connection | None = None,
    is_server_named: bool = False,
) -> Queue:
    """Make a queue, exclusive to *owner* if there is one; raises 406 for what cannot be.

    What the arguments leave open is the queue's type (S-151).
    """
    arguments = _typed(vhost, arguments, durable, owner is not None, auto_delete)
    subject = f"queue '{name}' in vhost '{vhost.name}'"
    queue_type = queue_arguments.check_arguments(subject, arguments)
    if queue_type != "classic":
        if is_server_named:
            raise precondition_failed(
                f"Cannot declare a server-named queue for type {TYPE_NAMES[queue_type]}"
            )
    node_limits.check_queue(vhost.broker, name)
    usage_limits.check_queue(vhost, name)
    if queue_type != "classic":
        quorum.check_properties(
            subject, durable=durable, exclusive=owner is not None, auto_delete=auto_delete
        )
    if queue_type == "stream":
        raise precondition_failed(
            f"invalid arg 'x-queue-type' for {subject}: streams are not offered"
        )
    queue = Queue(
        vhost.broker,
        vhost,
        name,
        durable=durable,
        exclusive_owner=owner,
        auto_delete=auto_delete,
        arguments=arguments,
        definition=vhost.policies.definition_for(queue_type, name),
    )
    vhost.add_queue(queue)
    if owner is not None:
        owner.exclusive_queues[queue] = None
    return queue


def _typed(
    vhost: VHost, arguments: Table, durable: bool, exclusive: bool, auto_delete: bool
) -> Table:
    """The arguments with the type that the queue has without saying so (S-151)."""
    if "x-queue-type" in arguments:
        return arguments
    usable = quorum.is_possible(durable=durable, exclusive=exclusive, auto_delete=auto_delete)
    queue_type = vhost.default_queue_type if usable else "classic"
    return {**arguments, "x-queue-type": longstr(queue_type)}


def check_queue(channel: Channel, name: str) -> QueueState:
    """A passive declaration: the queue must be there and not locked (S-154)."""
    name = plain_name(name)
    if (reply_state := _reply_queue_state(channel, name)) is not None:
        return reply_state
    queue = channel.vhost.queue(name)
    queue.check_lock(channel.connection)
    queue.touch()
    return _declared(channel, queue)


def delete_queue(channel: Channel, name: str, *, if_unused: bool, if_empty: bool) -> int:
    """Delete a queue; how many messages were ready.  One that is not there had none (S-189)."""
    name = plain_name(channel.named_queue(name))
    channel.connection.rights.check(Operation.CONFIGURE, "queue", name)
    queue = channel.vhost.queues.get(name)
    if queue is None:
        return 0
    queue.check_lock(channel.connection)
    if queue.rules.is_quorum and (if_unused or if_empty):
        flag = "if-unused" if if_unused else "if-empty"
        raise not_implemented(
            f"cannot delete {queue}. queue.delete operations with {flag} flag set are not "
            "supported by quorum queues"
        )
    if if_empty and queue.ready_count:
        raise precondition_failed(f"{queue} not empty")
    if if_unused and len(queue.consumers):
        raise precondition_failed(f"{queue} in use")
    return channel.connection.broker.delete_queue(queue)


def purge_queue(channel: Channel, name: str) -> int:
    """Drop a queue's ready messages; how many there were (S-194)."""
    name = channel.named_queue(name)
    channel.connection.rights.check(Operation.READ, "queue", name)
    queue = channel.vhost.queue(name)
    queue.check_lock(channel.connection)
    purged_count = queue.purge()
    channel.connection.broker.journal.demand()
    return purged_count


def bind_queue(
    channel: Channel, queue_name: str, exchange_name: str, routing_key: str, arguments: Table
) -> None:
    """Bind a queue to an exchange (S-112, S-113)."""
    queue_name, routing_key = _bound_names(channel, queue_name, routing_key)
    _check_binding(channel, "queue", queue_name, exchange_name, routing_key)
    channel.vhost.exchange(plain_name(exchange_name))
    queue = channel.vhost.queue(queue_name)
    queue.check_lock(channel.connection)
    channel.vhost.bind(exchange_name, queue, routing_key, arguments)


def unbind_queue(
    channel: Channel, queue_name: str, exchange_name: str, routing_key: str, arguments: Table
) -> None:
    """Remove a binding; nothing when it, its queue or its exchange is not there (S-115)."""
    queue_name, routing_key = _bound_names(channel, queue_name, routing_key)
    _check_binding(channel, "queue", queue_name, exchange_name, routing_key)
    queue = channel.vhost.queues.get(queue_name)
    if queue is None:
        return
    binding = channel.vhost.find_binding(exchange_name, queue, routing_key, arguments)
    if binding is not None:
        queue.check_lock(channel.connection)
        channel.vhost.unbind(binding)


def bind_exchange(
    channel: Channel, destination_name: str, source_name: str, routing_key: str, arguments: Table
) -> None:
    """Bind an exchange to another, its source (S-112, S-113)."""
    _check_binding(channel, "exchange", destination_name, source_name, routing_key)
    vhost = channel.vhost
    vhost.exchange(plain_name(source_name))
    destination = vhost.exchange(plain_name(destination_name))
    vhost.bind(source_name, destination, routing_key, arguments)


def unbind_exchange(
    channel: Channel, destination_name: str, source_name: str, routing_key: str, arguments: Table
) -> None:
    """Remove a binding between exchanges, if it is there (S-115)."""
    _check_binding(channel, "exchange", destination_name, source_name, routing_key)
    vhost = channel.vhost
    destination = vhost.exchanges.get(plain_name(destination_name))
    if destination is None:
        return
    binding = vhost.find_binding(source_name, destination, routing_key, arguments)
    if binding is not None:
        vhost.unbind(binding)


def _bound_names(channel: Channel, queue_name: str, routing_key: str) -> tuple[str, str]:
    """The names that a bind means: an empty queue name also fills an empty key (S-088)."""
    named = channel.named_queue(queue_name)
    if not queue_name and not routing_key:
        routing_key = named
    return plain_name(named), routing_key


def _check_binding(
    channel: Channel, kind: str, destination_name: str, source_name: str, routing_key: str
) -> None:
    """Refuse a binding, or its end, that the user may not make (S-112, S-332)."""
    rights = channel.connection.rights
    rights.check(Operation.WRITE, kind, plain_name(destination_name))
    if kind == "exchange":
        refuse_default(destination_name)
    refuse_default(source_name)
    source_name = plain_name(source_name)
    rights.check(Operation.READ, "exchange", source_name)
    source = channel.vhost.exchanges.get(source_name)
    if source is not None and source.type == "topic":
        rights.check_topic(Operation.READ, source_name, routing_key)


def _check_dead_letters(rights: Rights, queue_name: str, arguments: Table) -> None:
    """Refuse a dead-letter exchange that the user may not use (S-331)."""
    exchange = arguments.get("x-dead-letter-exchange")
    if exchange is not None and exchange.kind == "S":
        rights.check(Operation.READ, "queue", queue_name)
        rights.check(Operation.WRITE, "exchange", exchange.text)


def _declared(channel: Channel, queue: Queue) -> QueueState:
    channel.last_queue_name = queue.name
    return QueueState(queue.name, queue.ready_count, len(queue.consumers))


def _reply_queue_state(channel: Channel, name: str) -> QueueState | None:
    """The pseudo-queues of direct reply-to can be declared, to no effect (S-269)."""
    if name != REPLY_QUEUE:
        if not name.startswith(REPLY_PREFIX):
            return None
        if name not in channel.connection.broker.replies:
            raise not_found(f"no queue '{name}' in vhost '{channel.vhost.name}'")
    channel.last_queue_name = name
    return QueueState(name, 0, 1)
