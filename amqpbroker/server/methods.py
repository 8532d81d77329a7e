"""What a client asks for on a channel, and who answers: the table of methods.

A handler gets the channel and the method, calls the engine, and returns the answer.  It knows
neither bytes nor sockets; errors are the engine's exceptions.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, cast

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.spec import methods as m
from amqpbroker.spec.errors import not_implemented
from amqpbroker.spec.message import Message
from amqpbroker.spec.method import Method


class ContentReply(NamedTuple):
    """An answer that carries a message."""

    method: Method
    message: Message


Reply: TypeAlias = Method | ContentReply | None
Handler: TypeAlias = Callable[[Channel, Any], Reply]


def channel_flow(channel: Channel, method: m.ChannelFlow) -> Reply:
    """Stopping the flow is not offered (S-084)."""
    if not method.active:
        raise not_implemented("active=false")
    return m.ChannelFlowOk(active=True)


def access_request(channel: Channel, method: m.AccessRequest) -> Reply:
    """Tickets mean nothing any more (S-083)."""
    return m.AccessRequestOk(ticket=1)


def exchange_declare(channel: Channel, method: m.ExchangeDeclare) -> Reply:
    """Make or check an exchange."""
    if method.passive:
        channel.vhost.check_exchange(method.exchange)
    else:
        channel.vhost.declare_exchange(
            method.exchange,
            method.type,
            durable=method.durable,
            auto_delete=method.auto_delete,
            internal=method.internal,
            arguments=method.arguments,
            rights=channel.connection.rights,
        )
    return m.ExchangeDeclareOk()


def exchange_delete(channel: Channel, method: m.ExchangeDelete) -> Reply:
    """Delete an exchange."""
    channel.vhost.delete_exchange(
        method.exchange, if_unused=method.if_unused, rights=channel.connection.rights
    )
    return m.ExchangeDeleteOk()


def exchange_bind(channel: Channel, method: m.ExchangeBind) -> Reply:
    """Bind an exchange to another."""
    topology.bind_exchange(
        channel, method.destination, method.source, method.routing_key, method.arguments
    )
    return m.ExchangeBindOk()


def exchange_unbind(channel: Channel, method: m.ExchangeUnbind) -> Reply:
    """Unbind an exchange from another."""
    topology.unbind_exchange(
        channel, method.destination, method.source, method.routing_key, method.arguments
    )
    return m.ExchangeUnbindOk()


def queue_declare(channel: Channel, method: m.QueueDeclare) -> Reply:
    """Make or check a queue."""
    if method.passive:
        state = topology.check_queue(channel, method.queue)
    else:
        state = topology.declare_queue(
            channel,
            method.queue,
            durable=method.durable,
            exclusive=method.exclusive,
            auto_delete=method.auto_delete,
            arguments=method.arguments,
        )
    return m.QueueDeclareOk(*state)


def queue_bind(channel: Channel, method: m.QueueBind) -> Reply:
    """Bind a queue to an exchange."""
    topology.bind_queue(
        channel, method.queue, method.exchange, method.routing_key, method.arguments
    )
    return m.QueueBindOk()


def queue_unbind(channel: Channel, method: m.QueueUnbind) -> Reply:
    """Unbind a queue from an exchange."""
    topology.unbind_queue(
        channel, method.queue, method.exchange, method.routing_key, method.arguments
    )
    return m.QueueUnbindOk()


def queue_purge(channel: Channel, method: m.QueuePurge) -> Reply:
    """Drop a queue's ready messages."""
    return m.QueuePurgeOk(topology.purge_queue(channel, method.queue))


def queue_delete(channel: Channel, method: m.QueueDelete) -> Reply:
    """Delete a queue."""
    return m.QueueDeleteOk(
        topology.delete_queue(
            channel, method.queue, if_unused=method.if_unused, if_empty=method.if_empty
        )
    )


def basic_qos(channel: Channel, method: m.BasicQos) -> Reply:
    """Limit unacked deliveries, by count only (S-244)."""
    if method.prefetch_size:
        raise not_implemented(f"prefetch_size!=0 ({method.prefetch_size})")
    channel.set_prefetch(method.prefetch_count, is_global=method.global_)
    return m.BasicQosOk()


def basic_consume(channel: Channel, method: m.BasicConsume) -> Reply:
    """Start a consumer."""
    consumer_tag = channel.consume(
        method.queue,
        method.consumer_tag,
        no_ack=method.no_ack,
        exclusive=method.exclusive,
        arguments=method.arguments,
    )
    return m.BasicConsumeOk(consumer_tag)


def basic_cancel(channel: Channel, method: m.BasicCancel) -> Reply:
    """End a consumer."""
    channel.cancel(method.consumer_tag)
    return m.BasicCancelOk(method.consumer_tag)


def basic_get(channel: Channel, method: m.BasicGet) -> Reply:
    """Give one message, if there is one."""
    answer = channel.get(method.queue, no_ack=method.no_ack)
    if answer is None:
        return m.BasicGetEmpty()
    delivery_tag, message, redelivered, left_count = answer
    publish = message.publish
    return ContentReply(
        m.BasicGetOk(
            delivery_tag, redelivered, publish.exchange_name, publish.routing_key, left_count
        ),
        message,
    )


def basic_ack(channel: Channel, method: m.BasicAck) -> Reply:
    """Settle deliveries; here from the plain lane only."""
    channel.ack(method.delivery_tag, multiple=method.multiple)
    return None


def basic_nack(channel: Channel, method: m.BasicNack) -> Reply:
    """Give deliveries back, or drop them."""
    channel.reject(method.delivery_tag, multiple=method.multiple, requeue=method.requeue)
    return None


def basic_reject(channel: Channel, method: m.BasicReject) -> Reply:
    """Give one delivery back, or drop it."""
    channel.reject(method.delivery_tag, multiple=False, requeue=method.requeue)
    return None


def basic_recover(channel: Channel, method: m.BasicRecover) -> Reply:
    """Give all unacked deliveries back."""
    _recover(channel, requeue=method.requeue)
    return m.BasicRecoverOk()


def basic_recover_async(channel: Channel, method: m.BasicRecoverAsync) -> Reply:
    """Give all unacked deliveries back, without an answer."""
    _recover(channel, requeue=method.requeue)
    return None


def _recover(channel: Channel, *, requeue: bool) -> None:
    if not requeue:
        raise not_implemented("requeue=false")
    channel.recover()


def confirm_select(channel: Channel, method: m.ConfirmSelect) -> Reply:
    """Confirm publishes."""
    channel.select_confirms()
    return m.ConfirmSelectOk()


def tx_select(channel: Channel, method: m.TxSelect) -> Reply:
    """Make the channel transactional."""
    channel.select_transactions()
    return m.TxSelectOk()


def tx_commit(channel: Channel, method: m.TxCommit) -> Reply:
    """Commit."""
    channel.commit()
    return m.TxCommitOk()


def tx_rollback(channel: Channel, method: m.TxRollback) -> Reply:
    """Roll back."""
    channel.rollback()
    return m.TxRollbackOk()


#: {method: handler}; opening and closing channels is the session's part.
HANDLERS: Final[Mapping[type[Method], Handler]] = {
    m.ChannelFlow: channel_flow,
    m.AccessRequest: access_request,
    m.ExchangeDeclare: exchange_declare,
    m.ExchangeDelete: exchange_delete,
    m.ExchangeBind: exchange_bind,
    m.ExchangeUnbind: exchange_unbind,
    m.QueueDeclare: queue_declare,
    m.QueueBind: queue_bind,
    m.QueueUnbind: queue_unbind,
    m.QueuePurge: queue_purge,
    m.QueueDelete: queue_delete,
    m.BasicQos: basic_qos,
    m.BasicConsume: basic_consume,
    m.BasicCancel: basic_cancel,
    m.BasicGet: basic_get,
    m.BasicAck: basic_ack,
    m.BasicNack: basic_nack,
    m.BasicReject: basic_reject,
    m.BasicRecover: basic_recover,
    m.BasicRecoverAsync: basic_recover_async,
    m.ConfirmSelect: confirm_select,
    m.TxSelect: tx_select,
    m.TxCommit: tx_commit,
    m.TxRollback: tx_rollback,
}


def perform(channel: Channel, method: Method) -> Reply:
    """Have a method answered, in the name of the channel's user."""
    channel.connection.broker.acting_user_name = channel.connection.user.name
    return cast("Handler", HANDLERS[type(method)])(channel, method)
