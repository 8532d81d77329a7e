"""AMQP 0-9-1's methods, each a class whose annotations are its fields in wire order.

The annotation names the wire kind; `spec/method.py` reads it from the class and does the rest.

basic.publish and basic.ack are also recognised by their bytes, without coming here, by the
express lane (`wire/express.py`); these classes define what it must agree with.

Sources: the AMQP 0-9-1 XML's field order; RabbitMQ's extensions (basic.nack, confirm,
exchange.bind, connection.blocked, connection.update-secret, basic.credit).
"""

from __future__ import annotations

from amqpbroker.spec.method import (
    Bit,
    Long,
    LongLong,
    LongStr,
    Method,
    Octet,
    Short,
    ShortStr,
)
from amqpbroker.spec.table import EMPTY_TABLE, Table


class ConnectionStart(Method, name="connection.start", index=(10, 10)):
    version_major: Octet = 0
    version_minor: Octet = 9
    server_properties: Table = EMPTY_TABLE
    mechanisms: LongStr = b""
    locales: LongStr = b"en_US"


class ConnectionStartOk(Method, name="connection.start-ok", index=(10, 11)):
    client_properties: Table = EMPTY_TABLE
    mechanism: ShortStr = "PLAIN"
    response: LongStr = b""
    locale: ShortStr = "en_US"


class ConnectionSecure(Method, name="connection.secure", index=(10, 20)):
    challenge: LongStr


class ConnectionSecureOk(Method, name="connection.secure-ok", index=(10, 21)):
    response: LongStr


class ConnectionTune(Method, name="connection.tune", index=(10, 30)):
    channel_max: Short = 0
    frame_max: Long = 0
    heartbeat: Short = 0


class ConnectionTuneOk(Method, name="connection.tune-ok", index=(10, 31)):
    channel_max: Short = 0
    frame_max: Long = 0
    heartbeat: Short = 0


class ConnectionOpen(Method, name="connection.open", index=(10, 40)):
    virtual_host: ShortStr = "/"
    capabilities: ShortStr = ""
    insist: Bit = False


class ConnectionOpenOk(Method, name="connection.open-ok", index=(10, 41)):
    known_hosts: ShortStr = ""


class ConnectionClose(Method, name="connection.close", index=(10, 50)):
    reply_code: Short
    reply_text: ShortStr = ""
    failed_class_id: Short = 0
    failed_method_id: Short = 0


class ConnectionCloseOk(Method, name="connection.close-ok", index=(10, 51)):
    """No arguments."""


class ConnectionBlocked(Method, name="connection.blocked", index=(10, 60)):
    reason: ShortStr = ""


class ConnectionUnblocked(Method, name="connection.unblocked", index=(10, 61)):
    """No arguments."""


class ConnectionUpdateSecret(Method, name="connection.update-secret", index=(10, 70)):
    new_secret: LongStr
    reason: ShortStr = ""


class ConnectionUpdateSecretOk(Method, name="connection.update-secret-ok", index=(10, 71)):
    """No arguments."""


class ChannelOpen(Method, name="channel.open", index=(20, 10)):
    out_of_band: ShortStr = ""


class ChannelOpenOk(Method, name="channel.open-ok", index=(20, 11)):
    channel_id: LongStr = b""


class ChannelFlow(Method, name="channel.flow", index=(20, 20)):
    active: Bit


class ChannelFlowOk(Method, name="channel.flow-ok", index=(20, 21)):
    active: Bit


class ChannelClose(Method, name="channel.close", index=(20, 40)):
    reply_code: Short
    reply_text: ShortStr = ""
    failed_class_id: Short = 0
    failed_method_id: Short = 0


class ChannelCloseOk(Method, name="channel.close-ok", index=(20, 41)):
    """No arguments."""


class AccessRequest(Method, name="access.request", index=(30, 10)):
    realm: ShortStr = "/data"
    exclusive: Bit = False
    passive: Bit = True
    active: Bit = True
    write: Bit = True
    read: Bit = True


class AccessRequestOk(Method, name="access.request-ok", index=(30, 11)):
    ticket: Short = 1


class ExchangeDeclare(Method, name="exchange.declare", index=(40, 10)):
    ticket: Short = 0
    exchange: ShortStr = ""
    type: ShortStr = "direct"
    passive: Bit = False
    durable: Bit = False
    auto_delete: Bit = False
    internal: Bit = False
    no_wait: Bit = False
    arguments: Table = EMPTY_TABLE


class ExchangeDeclareOk(Method, name="exchange.declare-ok", index=(40, 11)):
    """No arguments."""


class ExchangeDelete(Method, name="exchange.delete", index=(40, 20)):
    ticket: Short = 0
    exchange: ShortStr = ""
    if_unused: Bit = False
    no_wait: Bit = False


class ExchangeDeleteOk(Method, name="exchange.delete-ok", index=(40, 21)):
    """No arguments."""


class ExchangeBind(Method, name="exchange.bind", index=(40, 30)):
    ticket: Short = 0
    destination: ShortStr = ""
    source: ShortStr = ""
    routing_key: ShortStr = ""
    no_wait: Bit = False
    arguments: Table = EMPTY_TABLE


class ExchangeBindOk(Method, name="exchange.bind-ok", index=(40, 31)):
    """No arguments."""


class ExchangeUnbind(Method, name="exchange.unbind", index=(40, 40)):
    ticket: Short = 0
    destination: ShortStr = ""
    source: ShortStr = ""
    routing_key: ShortStr = ""
    no_wait: Bit = False
    arguments: Table = EMPTY_TABLE


class ExchangeUnbindOk(Method, name="exchange.unbind-ok", index=(40, 51)):
    """No arguments."""


class QueueDeclare(Method, name="queue.declare", index=(50, 10)):
    ticket: Short = 0
    queue: ShortStr = ""
    passive: Bit = False
    durable: Bit = False
    exclusive: Bit = False
    auto_delete: Bit = False
    no_wait: Bit = False
    arguments: Table = EMPTY_TABLE


class QueueDeclareOk(Method, name="queue.declare-ok", index=(50, 11)):
    queue: ShortStr
    message_count: Long
    consumer_count: Long


class QueueBind(Method, name="queue.bind", index=(50, 20)):
    ticket: Short = 0
    queue: ShortStr = ""
    exchange: ShortStr = ""
    routing_key: ShortStr = ""
    no_wait: Bit = False
    arguments: Table = EMPTY_TABLE


class QueueBindOk(Method, name="queue.bind-ok", index=(50, 21)):
    """No arguments."""


class QueuePurge(Method, name="queue.purge", index=(50, 30)):
    ticket: Short = 0
    queue: ShortStr = ""
    no_wait: Bit = False


class QueuePurgeOk(Method, name="queue.purge-ok", index=(50, 31)):
    message_count: Long


class QueueDelete(Method, name="queue.delete", index=(50, 40)):
    ticket: Short = 0
    queue: ShortStr = ""
    if_unused: Bit = False
    if_empty: Bit = False
    no_wait: Bit = False


class QueueDeleteOk(Method, name="queue.delete-ok", index=(50, 41)):
    message_count: Long


class QueueUnbind(Method, name="queue.unbind", index=(50, 50)):
    ticket: Short = 0
    queue: ShortStr = ""
    exchange: ShortStr = ""
    routing_key: ShortStr = ""
    arguments: Table = EMPTY_TABLE


class QueueUnbindOk(Method, name="queue.unbind-ok", index=(50, 51)):
    """No arguments."""


class BasicQos(Method, name="basic.qos", index=(60, 10)):
    prefetch_size: Long = 0
    prefetch_count: Short = 0
    global_: Bit = False


class BasicQosOk(Method, name="basic.qos-ok", index=(60, 11)):
    """No arguments."""


class BasicConsume(Method, name="basic.consume", index=(60, 20)):
    ticket: Short = 0
    queue: ShortStr = ""
    consumer_tag: ShortStr = ""
    no_local: Bit = False
    no_ack: Bit = False
    exclusive: Bit = False
    no_wait: Bit = False
    arguments: Table = EMPTY_TABLE


class BasicConsumeOk(Method, name="basic.consume-ok", index=(60, 21)):
    consumer_tag: ShortStr


class BasicCancel(Method, name="basic.cancel", index=(60, 30)):
    consumer_tag: ShortStr
    no_wait: Bit = False


class BasicCancelOk(Method, name="basic.cancel-ok", index=(60, 31)):
    consumer_tag: ShortStr


class BasicPublish(Method, name="basic.publish", index=(60, 40)):
    ticket: Short = 0
    exchange: ShortStr = ""
    routing_key: ShortStr = ""
    mandatory: Bit = False
    immediate: Bit = False


class BasicReturn(Method, name="basic.return", index=(60, 50)):
    reply_code: Short
    reply_text: ShortStr
    exchange: ShortStr
    routing_key: ShortStr


class BasicDeliver(Method, name="basic.deliver", index=(60, 60)):
    consumer_tag: ShortStr
    delivery_tag: LongLong
    redelivered: Bit
    exchange: ShortStr
    routing_key: ShortStr


class BasicGet(Method, name="basic.get", index=(60, 70)):
    ticket: Short = 0
    queue: ShortStr = ""
    no_ack: Bit = False


class BasicGetOk(Method, name="basic.get-ok", index=(60, 71)):
    delivery_tag: LongLong
    redelivered: Bit
    exchange: ShortStr
    routing_key: ShortStr
    message_count: Long


class BasicGetEmpty(Method, name="basic.get-empty", index=(60, 72)):
    cluster_id: ShortStr = ""


class BasicAck(Method, name="basic.ack", index=(60, 80)):
    delivery_tag: LongLong = 0
    multiple: Bit = False


class BasicReject(Method, name="basic.reject", index=(60, 90)):
    delivery_tag: LongLong
    requeue: Bit = True


class BasicRecoverAsync(Method, name="basic.recover-async", index=(60, 100)):
    requeue: Bit = False


class BasicRecover(Method, name="basic.recover", index=(60, 110)):
    requeue: Bit = False


class BasicRecoverOk(Method, name="basic.recover-ok", index=(60, 111)):
    """No arguments."""


class BasicNack(Method, name="basic.nack", index=(60, 120)):
    delivery_tag: LongLong = 0
    multiple: Bit = False
    requeue: Bit = True


class BasicCredit(Method, name="basic.credit", index=(60, 200)):
    consumer_tag: ShortStr = ""
    credit: Long = 0
    drain: Bit = False


class BasicCreditOk(Method, name="basic.credit-ok", index=(60, 201)):
    available: Long


class ConfirmSelect(Method, name="confirm.select", index=(85, 10)):
    no_wait: Bit = False


class ConfirmSelectOk(Method, name="confirm.select-ok", index=(85, 11)):
    """No arguments."""


class TxSelect(Method, name="tx.select", index=(90, 10)):
    """No arguments."""


class TxSelectOk(Method, name="tx.select-ok", index=(90, 11)):
    """No arguments."""


class TxCommit(Method, name="tx.commit", index=(90, 20)):
    """No arguments."""


class TxCommitOk(Method, name="tx.commit-ok", index=(90, 21)):
    """No arguments."""


class TxRollback(Method, name="tx.rollback", index=(90, 30)):
    """No arguments."""


class TxRollbackOk(Method, name="tx.rollback-ok", index=(90, 31)):
    """No arguments."""
