"""Direct reply-to: answers without a queue.

A requester consumes from the pseudo-queue ``amq.rabbitmq.reply-to`` and publishes requests with
that reply-to; the broker replaces it by an address at which the requester can be reached.
"""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicConsume,
    BasicGet,
    BasicReturn,
    ConfirmSelect,
    ConnectionClose,
    QueueBind,
    QueueDeclare,
    QueueDelete,
    QueuePurge,
    QueueUnbind,
    TxCommit,
    TxSelect,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import breaks_connection, count, stocked, unroutable

REPLY_TO = "amq.rabbitmq.reply-to"
LISTEN = BasicConsume(queue=REPLY_TO, consumer_tag="replies", no_ack=True)


def asked(peer: Peer) -> tuple[RawChannel, RawChannel, str]:
    """A requester that has sent a request, a responder, and the address to reply to."""
    requester, responder = peer.channel(peer.connect()), peer.channel(peer.connect())
    queue = stocked(peer, requester)
    requester.call(LISTEN)
    return requester, responder, request(requester, responder, queue)


def request(requester: RawChannel, responder: RawChannel, queue: str) -> str:
    """Publish a request, get it, and return the address to reply to."""
    properties = properties_of(correlation_id="7", reply_to=REPLY_TO)
    requester.publish("", queue, b"question", properties)
    requester.round_trip()
    got = responder.get(queue)
    assert got is not None
    return got.properties.text("reply_to") or ""


@case("S-264", "S-265", "S-266")
def request_and_reply(peer: Peer) -> None:
    """A reply comes to the channel that asked, by the pseudo-queue's consumer."""
    requester, responder, address = asked(peer)
    properties = properties_of(
        content_type="text/plain", headers=as_table({"n": 1}), message_id="m"
    )
    responder.publish("", address, b"answer", properties)
    requester.deliveries(1)


@case("S-266", "S-268")
def several_replies(peer: Peer) -> None:
    """A requester may get several replies, all with the tag that its next delivery will have."""
    requester, responder, address = asked(peer)
    for body in (b"one", b"two", b"three"):
        responder.publish("", address, body)
    requester.deliveries(3)


@case("S-268", "S-261")
def replies_and_deliveries(peer: Peer) -> None:
    """A reply takes the next delivery tag and leaves it to the next delivery."""
    requester, responder, address = asked(peer)
    queue = stocked(peer, responder, b"1", b"2", word="other")
    requester.call(BasicGet(queue=queue))
    responder.publish("", address, b"answer")
    requester.deliveries(1)
    requester.call(BasicGet(queue=queue))
    requester.send(BasicAck(2))
    requester.round_trip()


@case("S-268", "S-250")
def reply_cannot_be_acked(peer: Peer) -> None:
    """A reply needs no ack, and its tag is unknown."""
    requester, responder, address = asked(peer)
    responder.publish("", address, b"answer")
    requester.deliveries(1)
    requester.refused(BasicAck(1))


@case("S-264")
def consumer_with_acks(peer: Peer) -> None:
    """The consumer of replies must not ack."""
    channel = peer.channel()
    channel.refused(BasicConsume(queue=REPLY_TO, consumer_tag="replies"))


@case("S-264")
def second_consumer(peer: Peer) -> None:
    """A channel has at most one consumer of replies."""
    channel = peer.channel()
    channel.call(LISTEN)
    channel.refused(BasicConsume(queue=REPLY_TO, consumer_tag="more", no_ack=True))


@case("S-264", "S-228")
def second_consumer_with_the_same_tag(peer: Peer) -> None:
    """That there is a consumer of replies is reported before its tag."""
    channel = peer.channel()
    channel.call(LISTEN)
    channel.refused(LISTEN)


@case("S-264", "S-228")
def tag_of_another_consumer(peer: Peer) -> None:
    """A tag that another consumer has cannot be the tag of replies."""
    channel = peer.channel()
    channel.consume(stocked(peer, channel), "replies")
    breaks_connection(channel, LISTEN)


@case("S-264", "S-228")
def tag_of_replies(peer: Peer) -> None:
    """The tag of replies can be another consumer's; one after the other they are cancelled.

    The reference says that the tag cannot be used again.
    """
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.call(LISTEN)
    channel.call(BasicConsume(queue=queue, consumer_tag="replies"))
    count(channel, queue)
    channel.call(BasicCancel("replies"))
    count(channel, queue)


@case("S-264", "S-227")
def tag_from_the_server(peer: Peer) -> None:
    """The server makes a consumer tag for replies too."""
    requester = peer.channel()
    queue = stocked(peer, requester)
    requester.call(BasicConsume(queue=REPLY_TO, no_ack=True))
    address = request(requester, requester, queue)
    requester.publish("", address, b"answer")
    requester.deliveries(1)


@case("S-264", "S-093")
def consumer_nowait(peer: Peer) -> None:
    """A consumer of replies may want no answer; other flags and arguments mean nothing."""
    requester = peer.channel()
    queue = stocked(peer, requester)
    requester.send(
        BasicConsume(
            queue=REPLY_TO, consumer_tag="replies", no_ack=True, no_wait=True, exclusive=True,
            no_local=True, arguments=as_table({"x-priority": "high"}),
        )
    )  # fmt: skip
    address = request(requester, requester, queue)
    requester.publish("", address, b"answer")
    requester.deliveries(1)


@case("S-265")
def request_without_a_consumer(peer: Peer) -> None:
    """A request cannot ask for direct replies when its channel has no consumer of them."""
    channel, other = peer.channel(), peer.channel()
    other.call(LISTEN)
    channel.publish("", peer.queue("nope"), b"question", properties_of(reply_to=REPLY_TO))
    channel.expect_close()


@case("S-265", "S-270")
def request_after_the_cancel(peer: Peer) -> None:
    """A request cannot ask for direct replies after the cancel of their consumer."""
    channel = peer.channel()
    channel.call(LISTEN)
    channel.call(BasicCancel("replies"))
    channel.publish("", peer.queue("nope"), b"question", properties_of(reply_to=REPLY_TO))
    channel.expect_close()


@case("S-265", "S-205")
def other_addresses_are_left_alone(peer: Peer) -> None:
    """Only the exact name of the pseudo-queue is replaced."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    for reply_to in ("amq.rabbitmq.reply-to.mine", "amq.rabbitmq.reply-to.", "jobs", ""):
        channel.publish("", queue, b"question", properties_of(reply_to=reply_to))
        got = channel.get(queue)
        assert got is not None
        assert got.properties.text("reply_to") == reply_to


@case("S-265", "S-201")
def request_that_comes_back(peer: Peer) -> None:
    """A request that no queue gets comes back with the address in it."""
    channel = peer.channel()
    channel.call(LISTEN)
    properties = properties_of(reply_to=REPLY_TO)
    channel.publish("", peer.queue("nope"), b"question", properties, mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-266")
def two_requesters(peer: Peer) -> None:
    """Each reply comes to the one who asked."""
    channels = [peer.channel(peer.connect()) for _ in range(2)]
    responder = peer.channel(channels[1].connection)
    queue = stocked(peer, responder)
    for channel in channels:
        channel.call(LISTEN)
    addresses = [request(channel, responder, queue) for channel in channels]
    assert addresses[0] != addresses[1]
    for number in (1, 0):
        responder.publish("", addresses[number], b"for %d" % number)
        channels[number].deliveries(1)


@case("S-266")
def same_address_for_every_request(peer: Peer) -> None:
    """All requests of a channel carry the same address."""
    requester, responder, address = asked(peer)
    assert request(requester, responder, peer.queue()) == address


@case("S-266")
def requester_is_gone(peer: Peer) -> None:
    """A reply to a closed channel is dropped without a word."""
    requester, responder, address = asked(peer)
    requester.close()
    responder.publish("", address, b"answer")
    responder.round_trip()


@case("S-266", "S-267")
def requester_is_gone_mandatory(peer: Peer) -> None:
    """A mandatory reply to a closed channel comes back."""
    requester, responder, address = asked(peer)
    requester.close()
    unroutable(responder, "", address)


@case("S-270")
def reply_after_the_cancel(peer: Peer) -> None:
    """A reply after the cancel of its consumer is dropped."""
    requester, responder, address = asked(peer)
    requester.call(BasicCancel("replies"))
    responder.publish("", address, b"answer")
    responder.round_trip()
    requester.round_trip()


@case("S-270", "S-264")
def new_consumer_after_the_cancel(peer: Peer) -> None:
    """After a cancel a channel may consume replies again, at another address."""
    requester, responder, address = asked(peer)
    requester.call(BasicCancel("replies"))
    requester.call(BasicConsume(queue=REPLY_TO, consumer_tag="again", no_ack=True))
    second = request(requester, responder, peer.queue())
    peer.note("the same address" if second == address else "another address")
    responder.publish("", second, b"answer")
    requester.deliveries(1)


@case("S-266", "S-267")
def forged_addresses(peer: Peer) -> None:
    """A reply to an address that the broker did not make is unroutable."""
    responder = peer.channel()
    for end in ("", ".", ".nonsense", ".AAAA"):
        unroutable(responder, "", REPLY_TO + end)


@case("S-266", "S-267")
def nearly_the_right_address(peer: Peer) -> None:
    """A reply to a changed address comes back, and nothing comes to the requester."""
    requester, responder, address = asked(peer)
    with peer.quiet():
        place, _, secret = address.rpartition(".")
        for wrong in (f"{place}.{'A' * len(secret)}", address[:-4], address.upper()):
            unroutable(responder, "", wrong)
    peer.note("three replies to wrong addresses came back")
    requester.round_trip()


@case("S-267")
def mandatory_reply(peer: Peer) -> None:
    """A mandatory reply is delivered, and comes back as well.

    From 4.2 on it counts as routed, the reference says.
    """
    requester, responder, address = asked(peer)
    unroutable(responder, "", address, b"answer")
    requester.deliveries(1)


@case("S-266", "S-208")
def confirmed_reply(peer: Peer) -> None:
    """A reply is confirmed, also when nobody is there."""
    requester, responder, address = asked(peer)
    responder.call(ConfirmSelect())
    responder.publish("", address, b"answer")
    responder.expect(BasicAck)
    requester.deliveries(1)
    requester.close()
    responder.publish("", address, b"answer")
    responder.expect(BasicAck)


@case("S-266", "S-217")
def reply_in_a_transaction(peer: Peer) -> None:
    """A reply within a transaction comes at once, and not again at commit.

    The reference says nothing of it.
    """
    requester, responder, address = asked(peer)
    responder.call(TxSelect())
    responder.publish("", address, b"answer")
    requester.deliveries(1)
    responder.call(TxCommit())
    requester.round_trip()


@case("S-266")
def reply_by_another_exchange(peer: Peer) -> None:
    """Only the default exchange knows the addresses."""
    requester, responder, address = asked(peer)
    for exchange in ("amq.direct", "amq.topic"):
        unroutable(responder, exchange, address)
    requester.round_trip()


@case("S-266", "S-264")
def reply_on_the_same_channel(peer: Peer) -> None:
    """A channel may reply to itself."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.call(LISTEN)
    address = request(channel, channel, queue)
    channel.publish("", address, b"answer")
    channel.deliveries(1)


@case("S-269")
def declare_the_pseudo_queue(peer: Peer) -> None:
    """The pseudo-queue can be declared, always, with any flags, and has one consumer."""
    channel = peer.channel()
    channel.call(QueueDeclare(queue=REPLY_TO))
    channel.call(QueueDeclare(queue=REPLY_TO, passive=True))
    channel.call(QueueDeclare(queue=REPLY_TO, durable=True, exclusive=True, auto_delete=True))
    channel.send(QueueDeclare(queue=REPLY_TO, no_wait=True))
    channel.round_trip()


@case("S-269")
def declare_an_address(peer: Peer) -> None:
    """An address can be declared while the requester is there."""
    requester, responder, address = asked(peer)
    responder.call(QueueDeclare(queue=address, passive=True))
    responder.call(QueueDeclare(queue=address))
    requester.close()
    responder.refused(QueueDeclare(queue=address, passive=True))
    responder.open()
    responder.refused(QueueDeclare(queue=address))


@case("S-269")
def declare_a_forged_address(peer: Peer) -> None:
    """A forged address cannot be declared."""
    channel = peer.channel()
    for end in (".", ".nonsense"):
        channel.refused(QueueDeclare(queue=REPLY_TO + end, passive=True))
        channel.open()


@case("S-270")
def get_from_the_pseudo_queue(peer: Peer) -> None:
    """The pseudo-queue is no queue for get and purge, and its deletion does nothing."""
    channel = peer.channel()
    channel.call(LISTEN)
    channel.refused(BasicGet(queue=REPLY_TO))
    channel.open()
    channel.refused(QueuePurge(queue=REPLY_TO))
    channel.open()
    channel.call(QueueDelete(queue=REPLY_TO))


@case("S-270")
def get_from_an_address(peer: Peer) -> None:
    """An address is no queue for get, consume and purge, and its deletion does nothing."""
    requester, responder, address = asked(peer)
    for refused in (BasicGet(queue=address), QueuePurge(queue=address)):
        responder.refused(refused)
        responder.open()
    responder.refused(BasicConsume(queue=address, consumer_tag="c", no_ack=True))
    responder.open()
    responder.call(QueueDelete(queue=address))
    responder.publish("", address, b"answer")
    requester.deliveries(1)


@case("S-270", "S-123")
def bind_an_address(peer: Peer) -> None:
    """The pseudo-queue cannot be bound; unbinding it does nothing."""
    channel = peer.channel()
    channel.call(LISTEN)
    channel.refused(QueueBind(queue=REPLY_TO, exchange="amq.direct", routing_key="k"))
    channel.open()
    channel.call(QueueUnbind(queue=REPLY_TO, exchange="amq.direct", routing_key="k"))


@case("S-269", "S-087")
def pseudo_queue_as_the_last_declared(peer: Peer) -> None:
    """The pseudo-queue that was declared is the last declared queue."""
    channel = peer.channel()
    channel.call(QueueDeclare(queue=REPLY_TO))
    channel.call(BasicConsume(consumer_tag="replies", no_ack=True))


@case("S-266", "S-012")
def requester_loses_its_connection(peer: Peer) -> None:
    """When the requester's connection is closed for an error, replies are dropped."""
    requester, responder, address = asked(peer)
    requester.publish("", "k", immediate=True)
    requester.connection.expect(ConnectionClose)
    unroutable(responder, "", address)


@case("S-264", "S-093")
def consumer_with_acks_nowait(peer: Peer) -> None:
    """The consumer of replies must not ack, also when it wants no answer."""
    channel = peer.channel()
    channel.refused(BasicConsume(queue=REPLY_TO, consumer_tag="replies", no_wait=True))


@case("S-265", "S-208")
def request_without_a_consumer_is_not_confirmed(peer: Peer) -> None:
    """A request that cannot be replied to closes the channel and is not confirmed."""
    channel = peer.channel()
    channel.call(ConfirmSelect())
    properties = properties_of(reply_to=REPLY_TO)
    channel.publish("", peer.queue("nope"), b"question", properties, mandatory=True)
    channel.expect_close()


@case("S-265", "S-199")
def request_to_a_missing_exchange(peer: Peer) -> None:
    """A missing exchange is reported before the missing consumer of replies."""
    channel = peer.channel()
    channel.publish(peer.exchange("nope"), "k", b"question", properties_of(reply_to=REPLY_TO))
    channel.expect_close()


@case("S-265", "S-008")
def request_after_an_error(peer: Peer) -> None:
    """An error ends the consumer of replies: a channel that is opened again has none."""
    channel = peer.channel()
    channel.call(LISTEN)
    channel.refused(BasicAck(9))
    channel.open()
    channel.publish("", peer.queue("nope"), b"question", properties_of(reply_to=REPLY_TO))
    channel.expect_close()


@case("S-265", "S-267")
def mandatory_reply_to_oneself(peer: Peer) -> None:
    """On the channel that asked, a mandatory reply comes back before it is delivered."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.call(LISTEN)
    address = request(channel, channel, queue)
    channel.publish("", address, b"answer", mandatory=True)
    channel.receive()
    channel.receive()
