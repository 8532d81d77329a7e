"""basic.publish: what is refused, what comes back, and what goes where."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicPublish,
    BasicReturn,
    ConfirmSelect,
    ExchangeDeclare,
    QueueBind,
    QueueDeclare,
)
from amqpbroker.spec.properties import NO_PROPERTIES, Properties, properties_of
from amqpbroker.spec.table import Field
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import accepted_or_closed, stocked, unroutable

MAXIMUM_BYTES = 16 * 1024 * 1024


def refused(
    channel: RawChannel, exchange: str, properties: Properties = NO_PROPERTIES, key: str = "k"
) -> None:
    """Publish a message for which the channel must be closed, and open it again."""
    channel.publish(exchange, key, b"refused", properties)
    channel.expect_close()
    channel.open()


@case("S-199", "S-092")
def absent_exchange(peer: Peer) -> None:
    """A publish to an exchange that is not there closes the channel."""
    channel = peer.channel()
    refused(channel, peer.exchange("nope"))


@case("S-199", "S-207")
def around_an_absent_exchange(peer: Peer) -> None:
    """What was published before the error stays; what follows it is dropped."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.publish("", queue, b"before")
    channel.publish(peer.exchange("nope"), "k", b"wrong")
    channel.publish("", queue, b"behind")
    channel.expect_close()
    channel.open()
    assert channel.get_all(queue) == [b"before"]


@case("S-199", "S-201")
def absent_exchange_mandatory(peer: Peer) -> None:
    """A mandatory message for an exchange that is not there is not returned."""
    channel = peer.channel()
    channel.publish(peer.exchange("nope"), "k", b"wrong", mandatory=True)
    channel.expect_close()


@case("S-109", "S-196")
def internal_exchange(peer: Peer) -> None:
    """Nobody may publish to an internal exchange."""
    channel = peer.channel()
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, internal=True))
    refused(channel, exchange)
    refused(channel, "amq.rabbitmq.trace")


@case("S-197")
def immediate(peer: Peer) -> None:
    """The immediate flag is not implemented: the connection is closed."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.publish("", queue, b"now", immediate=True)
    channel.connection.expect_close()


@case("S-197", "S-196")
def immediate_is_looked_at_first(peer: Peer) -> None:
    """The immediate flag is refused before the absent exchange, with the mandatory flag too."""
    channel = peer.channel()
    channel.publish(peer.exchange("nope"), "k", b"now", mandatory=True, immediate=True)
    channel.connection.expect_close()


@case("S-197", "S-060")
def immediate_without_content(peer: Peer) -> None:
    """The immediate flag is refused when the content has come, not before."""
    channel, other = peer.channel(), peer.channel()
    channel.send(BasicPublish(exchange="", routing_key="k", immediate=True))
    other.round_trip()
    channel.connection.send_content(channel.number, b"late")
    channel.connection.expect_close()


@case("S-198")
def message_too_large(peer: Peer) -> None:
    """A message of more than 16 MiB closes the channel.

    3.10.8 allows 128 MiB.
    """
    channel = peer.channel()
    channel.publish("", peer.queue("nope"), bytes(MAXIMUM_BYTES + 1))
    accepted_or_closed(channel)


@case("S-198")
def largest_message(peer: Peer) -> None:
    """A message of 16 MiB is accepted."""
    channel = peer.channel()
    channel.publish("", peer.queue("nope"), bytes(MAXIMUM_BYTES))
    accepted_or_closed(channel)


@case("S-202")
def user_id(peer: Peer) -> None:
    """The user-id must be the user's own; it is delivered."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.publish("", queue, b"mine", properties_of(user_id="guest"))
    channel.get(queue)
    for user in ("somebody", "", "Guest", "guest "):
        refused(channel, "", properties_of(user_id=user))


@case("S-203")
def expiration_that_is_no_number(peer: Peer) -> None:
    """The expiration must be the text of a whole number."""
    channel = peer.channel()
    for text in ("abc", "", "10s", "1.5", "1e3", "0x10", " 5", "5 ", "-", "+", "1_000", "٥"):
        refused(channel, "", properties_of(expiration=text))


@case("S-203", "S-353")
def expiration_out_of_range(peer: Peer) -> None:
    """The expiration must be from zero to ten years, in milliseconds."""
    channel = peer.channel()
    for text in ("-1", "-0010", "315360000001", "9" * 40):
        refused(channel, "", properties_of(expiration=text))


@case("S-203", "S-205")
def expiration(peer: Peer) -> None:
    """Other ways to write a number are accepted.

    4.0.5 delivers them in the usual way, 3.10.8 as they were.
    """
    channel = peer.channel()
    queue = stocked(peer, channel)
    for text in ("60000", "315360000000", "0060000", "+60000"):
        channel.publish("", queue, b"", properties_of(expiration=text))
        channel.get(queue)


@case("S-203")
def expiration_of_minus_zero(peer: Peer) -> None:
    """Minus zero is a number that is not negative."""
    channel = peer.channel()
    for text in ("0", "-0"):
        channel.publish("", peer.queue("nope"), b"", properties_of(expiration=text))
        channel.round_trip()


@case("S-204", "S-205")
def delivery_mode(peer: Peer) -> None:
    """Delivery modes other than 1 and 2 are accepted, and delivered as they are.

    3.10.8 refuses them.
    """
    channel = peer.channel()
    queue = stocked(peer, channel)
    for mode in (1, 2, 0, 3, 255):
        channel.publish("", queue, b"mode", properties_of(delivery_mode=mode))
        if accepted_or_closed(channel):
            channel.get(queue)


@case("S-196")
def several_mistakes_at_once(peer: Peer) -> None:
    """Which of several mistakes in one message is reported."""
    channel = peer.channel()
    copies = as_table({"CC": "no array"})
    refused(channel, peer.exchange("nope"), properties_of(user_id="x", expiration="x"))
    refused(channel, "amq.rabbitmq.trace", properties_of(user_id="x", expiration="x"))
    refused(channel, "", properties_of(user_id="x", expiration="x", headers=copies))
    refused(channel, "", properties_of(expiration="x", headers=copies))
    refused(channel, "", properties_of(user_id="x", headers=copies))
    reply_to = "amq.rabbitmq.reply-to"
    refused(channel, "", properties_of(reply_to=reply_to, user_id="x", expiration="x"))
    refused(channel, "", properties_of(reply_to=reply_to, headers=copies))


@case("S-201", "S-200")
def mandatory(peer: Peer) -> None:
    """A mandatory message that no queue gets comes back."""
    channel = peer.channel()
    unroutable(channel, "", peer.queue("nope"))
    unroutable(channel, "amq.direct", peer.name("key"))
    unroutable(channel, "amq.fanout", "")
    unroutable(channel, "amq.topic", peer.name("key"))
    unroutable(channel, "amq.headers", "")


@case("S-201")
def mandatory_and_routed(peer: Peer) -> None:
    """A mandatory message that a queue gets does not come back."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.publish("", queue, b"kept", mandatory=True)
    channel.round_trip()
    channel.get(queue)


@case("S-200", "S-201")
def not_mandatory(peer: Peer) -> None:
    """A message that is not mandatory is dropped without a word when no queue gets it."""
    channel = peer.channel()
    channel.publish("", peer.queue("nope"), b"dropped")
    channel.publish("amq.direct", peer.name("key"), b"dropped")
    channel.round_trip()


@case("S-201", "S-205")
def returned_unchanged(peer: Peer) -> None:
    """A message comes back with its body and all its properties."""
    channel = peer.channel()
    properties = properties_of(
        content_type="text/plain", headers=as_table({"a": 1, "b": "two"}), delivery_mode=2,
        priority=9, correlation_id="c", reply_to="r", expiration="60000", message_id="m",
        timestamp=1_700_000_000, type="t", user_id="guest", app_id="a", cluster_id="cl",
    )  # fmt: skip
    channel.publish("", peer.queue("nope"), b"all of it", properties, mandatory=True)
    channel.expect_content(BasicReturn)
    channel.publish("", peer.queue("nope"), b"", mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-201", "S-206")
def returns_in_order(peer: Peer) -> None:
    """Messages come back in the order in which they were published."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    for body, key in ((b"1", "nope"), (b"2", queue), (b"3", "nor"), (b"4", "nowhere")):
        channel.publish("", key, body, mandatory=True)
    for _ in range(3):
        channel.expect_content(BasicReturn)
    assert channel.get_all(queue) == [b"2"]


@case("S-201", "S-199")
def return_before_an_error(peer: Peer) -> None:
    """A message comes back before the channel is closed for the next one."""
    channel = peer.channel()
    channel.publish("", peer.queue("nope"), b"returned", mandatory=True)
    channel.publish(peer.exchange("nope"), "k", b"wrong")
    channel.expect_content(BasicReturn)
    channel.expect_close()


@case("S-121", "S-122", "S-201")
def mandatory_with_an_alternate_exchange(peer: Peer) -> None:
    """A mandatory message that the alternate exchange takes does not come back."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    rest, exchange = peer.exchange("rest"), peer.exchange("x")
    channel.call(ExchangeDeclare(exchange=rest, type="fanout"))
    arguments = as_table({"alternate-exchange": rest})
    channel.call(ExchangeDeclare(exchange=exchange, arguments=arguments))
    channel.publish(exchange, "k", b"returned", mandatory=True)
    channel.expect_content(BasicReturn)
    channel.call(QueueBind(queue=queue, exchange=rest))
    channel.publish(exchange, "k", b"kept", mandatory=True)
    channel.get(queue)


@case("S-206")
def order_of_one_channel(peer: Peer) -> None:
    """Messages of one channel stand in a queue in the order of their publishing."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    bodies = [b"%d" % number for number in range(10)]
    for body in bodies:
        channel.publish("", queue, body)
    assert channel.get_all(queue) == bodies


@case("S-133", "S-134", "S-135")
def carbon_copies(peer: Peer) -> None:
    """The headers CC and BCC name more routing keys; BCC is taken out of the message."""
    channel = peer.channel()
    queues = [stocked(peer, channel, word=word) for word in ("to", "cc", "bcc", "both")]
    to, copy, blind, both = queues
    headers = as_table({"BCC": [blind, both], "CC": [copy, both, to], "other": "kept"})
    channel.publish("", to, b"letter", properties_of(headers=headers))
    for queue in queues:
        channel.get(queue)
        channel.get(queue)


@case("S-133", "S-201")
def routed_by_a_copy_only(peer: Peer) -> None:
    """A mandatory message that only a copy's queue gets does not come back."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    for name in ("CC", "BCC"):
        properties = properties_of(headers=as_table({name: [queue]}))
        channel.publish("", peer.queue("nope"), name.encode(), properties, mandatory=True)
        channel.get(queue)


@case("S-134", "S-201")
def returned_without_blind_copies(peer: Peer) -> None:
    """A message that comes back has its CC, and no BCC."""
    channel = peer.channel()
    headers = as_table({"BCC": ["nobody"], "CC": ["nobody"]})
    properties = properties_of(headers=headers)
    channel.publish("", peer.queue("nope"), b"letter", properties, mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-134", "S-205")
def blind_copies_only(peer: Peer) -> None:
    """A message whose only header is BCC is delivered with an empty table."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    properties = properties_of(headers=as_table({"BCC": ["nobody"]}))
    channel.publish("", queue, b"letter", properties)
    channel.get(queue)


@case("S-133")
def carbon_copy_that_is_no_array(peer: Peer) -> None:
    """CC and BCC must be arrays."""
    channel = peer.channel()
    values = ("text", 5, True, None, 1.5, {"a": "b"}, Field("T", 5), Field("x", b"b"))
    for name in ("CC", "BCC"):
        for value in values:
            refused(channel, "", properties_of(headers=as_table({name: value})))


@case("S-133", "S-207", "S-208")
def carbon_copy_that_is_no_array_with_confirms(peer: Peer) -> None:
    """A message that is refused is not confirmed."""
    channel = peer.channel()
    channel.call(ConfirmSelect())
    properties = properties_of(headers=as_table({"CC": "text"}))
    channel.publish("", "k", b"refused", properties, mandatory=True)
    channel.expect_close()


@case("S-133")
def carbon_copies_of_other_kinds(peer: Peer) -> None:
    """Only the texts in a CC array are routing keys."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    copies = [5, None, ["deep"], Field("x", queue.encode()), {"a": queue}, True]
    properties = properties_of(headers=as_table({"CC": copies}))
    channel.publish("", peer.queue("nope"), b"letter", properties, mandatory=True)
    channel.expect_content(BasicReturn)
    channel.get(queue)


@case("S-133")
def carbon_copies_in_small_letters(peer: Peer) -> None:
    """The headers cc and Bcc are headers like others."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    properties = properties_of(headers=as_table({"Bcc": [queue], "cc": "text"}))
    channel.publish("", peer.queue("nope"), b"letter", properties, mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-133", "S-124", "S-126")
def carbon_copies_by_type_of_exchange(peer: Peer) -> None:
    """Copies are routed by direct and topic exchanges as well."""
    channel = peer.channel()
    for kind, bound in (("direct", "a.b"), ("topic", "*.b")):
        queue, exchange = stocked(peer, channel, word=f"q-{kind}"), peer.exchange(kind)
        channel.call(ExchangeDeclare(exchange=exchange, type=kind))
        channel.call(QueueBind(queue=queue, exchange=exchange, routing_key=bound))
        properties = properties_of(headers=as_table({"CC": ["x", "a.b", "a.b"]}))
        channel.publish(exchange, "other", b"letter", properties, mandatory=True)
        channel.get(queue)
        channel.get(queue)


@case("S-083", "S-196")
def ticket(peer: Peer) -> None:
    """The ticket field of a method means nothing."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(ticket=7, queue=queue))
    channel.send(BasicPublish(65535, "", queue))
    channel.connection.send_content(channel.number, b"kept")
    channel.get(queue)
