"""Every method that a client can send, with and without each right that it needs.

The table says what a method needs, in the order in which RabbitMQ asks (S-329 to S-333).  A method
that is not in it fails the first test: so none is forgotten.
"""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from brokers import GUEST, make_broker, message_of
from recording import RecordingOutlet

from amqpbroker.engine import topology
from amqpbroker.engine.channel import Channel
from amqpbroker.engine.permissions import EVERYTHING, Operation, Permissions
from amqpbroker.server.methods import HANDLERS
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import ReplyCode
from amqpbroker.spec.errors import AMQPException
from amqpbroker.spec.message import Publish
from amqpbroker.spec.method import Method
from amqpbroker.spec.table import EMPTY_TABLE, Table, longstr

C, W, R = Operation
Need = tuple[Operation, str, str]  # what, a queue or an exchange, its name

CONFIGURE_QUEUE: Need = (C, "queue", "the-queue")
READ_QUEUE: Need = (R, "queue", "the-queue")
WRITE_QUEUE: Need = (W, "queue", "the-queue")
CONFIGURE_EXCHANGE: Need = (C, "exchange", "an-exchange")
READ_EXCHANGE: Need = (R, "exchange", "an-exchange")
WRITE_EXCHANGE: Need = (W, "exchange", "an-exchange")
WRITE_OTHER: Need = (W, "exchange", "other-one")
READ_OTHER: Need = (R, "exchange", "other-one")

ALTERNATE: Table = {"alternate-exchange": longstr("other-one")}
DEAD_LETTERS: Table = {"x-dead-letter-exchange": longstr("other-one")}

#: (method, whether the things that it names are there, what it needs in the order of asking)
TABLE: list[tuple[Method, bool, tuple[Need, ...]]] = [
    (m.ChannelFlow(True), True, ()),
    (m.AccessRequest(), True, ()),
    (m.ExchangeDeclare(0, "an-exchange", "direct"), False, (CONFIGURE_EXCHANGE,)),
    (m.ExchangeDeclare(0, "an-exchange", "topic"), True, (CONFIGURE_EXCHANGE,)),
    (m.ExchangeDeclare(0, "an-exchange", passive=True), True, ()),
    (
        m.ExchangeDeclare(0, "an-exchange", "direct", arguments=ALTERNATE),
        False,
        (CONFIGURE_EXCHANGE, READ_EXCHANGE, WRITE_OTHER),
    ),
    (m.ExchangeDelete(0, "an-exchange"), True, (CONFIGURE_EXCHANGE,)),
    (m.ExchangeDelete(0, "an-exchange"), False, (CONFIGURE_EXCHANGE,)),
    (m.ExchangeBind(0, "an-exchange", "other-one"), True, (WRITE_EXCHANGE, READ_OTHER)),
    (m.ExchangeBind(0, "an-exchange", "other-one"), False, (WRITE_EXCHANGE, READ_OTHER)),
    (m.ExchangeUnbind(0, "an-exchange", "other-one"), True, (WRITE_EXCHANGE, READ_OTHER)),
    (m.QueueDeclare(0, "the-queue"), False, (CONFIGURE_QUEUE,)),
    (m.QueueDeclare(0, "the-queue"), True, (CONFIGURE_QUEUE,)),
    (m.QueueDeclare(0, "the-queue", arguments=DEAD_LETTERS), True, (CONFIGURE_QUEUE,)),
    (m.QueueDeclare(0, "the-queue", passive=True), True, ()),
    (
        m.QueueDeclare(0, "the-queue", arguments=DEAD_LETTERS),
        False,
        (CONFIGURE_QUEUE, READ_QUEUE, WRITE_OTHER),
    ),
    (m.QueueBind(0, "the-queue", "an-exchange"), True, (WRITE_QUEUE, READ_EXCHANGE)),
    (m.QueueBind(0, "the-queue", "an-exchange"), False, (WRITE_QUEUE, READ_EXCHANGE)),
    (m.QueueUnbind(0, "the-queue", "an-exchange"), True, (WRITE_QUEUE, READ_EXCHANGE)),
    (m.QueuePurge(0, "the-queue"), True, (READ_QUEUE,)),
    (m.QueuePurge(0, "the-queue"), False, (READ_QUEUE,)),
    (m.QueueDelete(0, "the-queue"), True, (CONFIGURE_QUEUE,)),
    (m.QueueDelete(0, "the-queue"), False, (CONFIGURE_QUEUE,)),
    (m.BasicQos(), True, ()),
    (m.BasicConsume(0, "the-queue"), True, (READ_QUEUE,)),
    (m.BasicConsume(0, "the-queue"), False, (READ_QUEUE,)),
    (m.BasicConsume(0, "amq.rabbitmq.reply-to", no_ack=True), True, ()),
    (m.BasicCancel("nobody"), True, ()),
    (m.BasicGet(0, "the-queue"), True, (READ_QUEUE,)),
    (m.BasicGet(0, "the-queue"), False, (READ_QUEUE,)),
    (m.BasicAck(1), True, ()),
    (m.BasicNack(1), True, ()),
    (m.BasicReject(1), True, ()),
    (m.BasicRecover(True), True, ()),
    (m.BasicRecoverAsync(True), True, ()),
    (m.ConfirmSelect(), True, ()),
    (m.TxSelect(), True, ()),
    (m.TxCommit(), True, ()),
    (m.TxRollback(), True, ()),
    (m.BasicPublish(0, "an-exchange", "key"), True, (WRITE_EXCHANGE,)),
    (m.BasicPublish(0, "an-exchange", "key"), False, (WRITE_EXCHANGE,)),
    (m.BasicPublish(0, "", "the-queue"), True, ((W, "exchange", "amq.default"),)),
]
ROWS = [pytest.param(*row, id=f"{index}-{row[0].name}") for index, row in enumerate(TABLE)]
#: Every set of operations that a role may have.
ROLES = list(chain.from_iterable(combinations(Operation, count) for count in range(4)))


def channel_with(permissions: Permissions, *, is_there: bool) -> Channel:
    """A channel of a user who may do so much, and what the methods name."""
    broker = make_broker()
    channel = broker.connect(GUEST, "/", RecordingOutlet(), wants_cancel_notify=True).open_channel(
        1
    )
    if is_there:
        channel.vhost.declare_exchange("an-exchange", "topic")
        channel.vhost.declare_exchange("other-one", "fanout")
        topology.declare_queue(
            channel, "the-queue", durable=False, exclusive=False, auto_delete=False,
            arguments=EMPTY_TABLE,
        )  # fmt: skip
    broker.permissions.set("guest", "/", permissions)
    return channel


def refusal_of(channel: Channel, method: Method) -> str | None:
    """Why the method is refused for want of a right; None when the right is there."""
    try:
        if isinstance(method, m.BasicPublish):
            terms = Publish(method.exchange, method.routing_key, channel_number=1)
            message = message_of(terms, b"x")
            channel.publish(terms, [message], len(message.content), is_plain=True)
        else:
            HANDLERS[type(method)](channel, method)
    except AMQPException as error:
        if error.reply_code is ReplyCode.ACCESS_REFUSED:
            return error.reply_text
    return None


def text_of(need: Need) -> str:
    operation, kind, name = need
    return (
        f"ACCESS_REFUSED - {operation.value} access to {kind} '{name}' in vhost '/' refused for "
        "user 'guest'"
    )


def permissions_for(needs: tuple[Need, ...]) -> Permissions:
    """Exactly what is needed, by name."""

    def pattern(wanted: Operation) -> str:
        names = [name.replace(".", r"\.") for operation, _, name in needs if operation is wanted]
        return f"^({'|'.join(names)})$" if names else ""

    return Permissions(pattern(C), pattern(W), pattern(R))


def test_every_method_is_in_the_table() -> None:
    assert {type(row[0]) for row in TABLE} == {*HANDLERS, m.BasicPublish}


@pytest.mark.parametrize(("method", "is_there", "needs"), ROWS)
def test_a_role_may_do_what_its_operations_allow(
    method: Method, is_there: bool, needs: tuple[Need, ...]
) -> None:
    for role in ROLES:
        permissions = Permissions(*(".*" if one in role else "" for one in Operation))
        missing = [need for need in needs if need[0] not in role]
        expected = text_of(missing[0]) if missing else None

        refusal = refusal_of(channel_with(permissions, is_there=is_there), method)

        assert refusal == expected, role


@pytest.mark.parametrize(("method", "is_there", "needs"), ROWS)
def test_a_method_needs_exactly_its_rights(
    method: Method, is_there: bool, needs: tuple[Need, ...]
) -> None:
    assert refusal_of(channel_with(permissions_for(needs), is_there=is_there), method) is None
    assert refusal_of(channel_with(EVERYTHING, is_there=is_there), method) is None
    for missing in needs:
        others = tuple(need for need in needs if need is not missing)
        channel = channel_with(permissions_for(others), is_there=is_there)
        assert refusal_of(channel, method) == text_of(missing)
