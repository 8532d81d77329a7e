"""confirm.select, and confirms one by one.

How a server groups its confirms is open; `expect_confirms` writes them down as a set.
"""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicConsume,
    BasicGet,
    BasicNack,
    BasicReturn,
    ConfirmSelect,
    ConfirmSelectOk,
    ExchangeDeclare,
    QueueBind,
    QueueDeclare,
    QueueDelete,
    TxCommit,
    TxRollback,
    TxSelect,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_events import ContentReceived, MethodReceived
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import stocked


def confirming(peer: Peer) -> RawChannel:
    """A channel in confirm mode."""
    channel = peer.channel()
    with peer.quiet():
        channel.call(ConfirmSelect())
    peer.note(f"channel {channel.number} is in confirm mode")
    return channel


@case("S-208")
def select(peer: Peer) -> None:
    """Publishes are numbered from the first select on; selecting again changes nothing."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.publish("", queue, b"not confirmed")
    channel.call(ConfirmSelect(), ConfirmSelectOk)
    for number in (1, 2):
        channel.publish("", queue, b"%d" % number)
        channel.expect(BasicAck)
        channel.call(ConfirmSelect(), ConfirmSelectOk)
    channel.publish("", queue, b"3")
    channel.expect(BasicAck)


@case("S-208", "S-093")
def select_nowait(peer: Peer) -> None:
    """A select that wants no answer gets none."""
    channel = peer.channel()
    channel.send(ConfirmSelect(no_wait=True))
    channel.publish("", peer.queue("nope"), b"1")
    channel.expect(BasicAck)


@case("S-209")
def after_tx(peer: Peer) -> None:
    """A channel in transactions cannot go over to confirms."""
    channel = peer.channel()
    channel.call(TxSelect())
    channel.refused(ConfirmSelect())


@case("S-209", "S-093")
def after_tx_nowait(peer: Peer) -> None:
    """A select that wants no answer is told that it failed."""
    channel = peer.channel()
    channel.call(TxSelect())
    channel.refused(ConfirmSelect(no_wait=True))


@case("S-209")
def before_tx(peer: Peer) -> None:
    """A channel in confirm mode cannot go over to transactions."""
    channel = confirming(peer)
    channel.refused(TxSelect())


@case("S-209", "S-216")
def commit_in_confirm_mode(peer: Peer) -> None:
    """A channel in confirm mode has no transaction to commit."""
    channel = confirming(peer)
    channel.refused(TxCommit())


@case("S-209")
def mode_ends_with_the_channel(peer: Peer) -> None:
    """A channel that is opened again may choose again, and counts from one."""
    channel = confirming(peer)
    channel.publish("", peer.queue("nope"), b"1")
    channel.expect(BasicAck)
    channel.refused(TxSelect())
    channel.open()
    channel.call(TxSelect())
    channel.close()
    channel.open()
    channel.call(ConfirmSelect())
    channel.publish("", peer.queue("nope"), b"1 again")
    channel.expect(BasicAck)


@case("S-208", "S-211", "S-221")
def what_is_confirmed_can_be_got(peer: Peer) -> None:
    """A message that is confirmed is in its queue."""
    channel = confirming(peer)
    queue = stocked(peer, channel)
    for number in range(3):
        channel.publish("", queue, b"%d" % number)
    channel.expect_confirms()
    assert channel.get_all(queue) == [b"0", b"1", b"2"]


@case("S-211")
def what_is_confirmed_can_be_got_by_others(peer: Peer) -> None:
    """A message that is confirmed is in its queue for every connection."""
    channel, other = confirming(peer), peer.channel(peer.connect())
    queue = stocked(peer, channel)
    channel.publish("", queue, b"1")
    channel.expect_confirms()
    other.get(queue)


@case("S-211")
def persistent_in_a_durable_queue(peer: Peer) -> None:
    """Messages that must be written to disk are confirmed; so are others beside them."""
    channel = confirming(peer)
    queue = peer.queue("lasting")
    channel.call(QueueDeclare(queue=queue, durable=True))
    for mode in (2, 1, 2):
        channel.publish("", queue, b"mode", properties_of(delivery_mode=mode))
    channel.expect_confirms()
    channel.get(queue)


@case("S-211")
def many(peer: Peer) -> None:
    """Hundreds of messages are confirmed, every one once."""
    channel = confirming(peer)
    queue = stocked(peer, channel)
    with peer.quiet():
        for number in range(300):
            channel.publish("", queue, b"%d" % number)
    peer.note("300 messages are published")
    channel.expect_confirms()
    channel.get(queue)


@case("S-210")
def unroutable(peer: Peer) -> None:
    """A message that no queue gets is confirmed."""
    channel = confirming(peer)
    channel.publish("", peer.queue("nope"), b"1")
    channel.expect(BasicAck)
    channel.publish("amq.fanout", "", b"2")
    channel.expect(BasicAck)


@case("S-210", "S-201")
def returned(peer: Peer) -> None:
    """A mandatory message that no queue gets comes back before it is confirmed."""
    channel = confirming(peer)
    channel.publish("", peer.queue("nope"), b"1", mandatory=True)
    channel.expect_content(BasicReturn)
    channel.expect(BasicAck)


@case("S-210", "S-201")
def returned_in_order(peer: Peer) -> None:
    """Messages come back in the order of their publishing, each before its confirm."""
    channel = confirming(peer)
    queue = stocked(peer, channel)
    for key in (queue, "nope", queue, "nor"):
        channel.publish("", key, key[:3].encode(), mandatory=True)
    confirmed: set[int] = set()
    returned_bodies: list[bytes] = []
    with peer.quiet():
        while len(confirmed) < 4:
            event = channel.receive()
            if isinstance(event, ContentReceived):
                returned_bodies.append(event.body)
            elif isinstance(event, MethodReceived) and isinstance(event.method, BasicAck):
                last = event.method.delivery_tag
                confirmed |= set(range(1, last + 1)) if event.method.multiple else {last}
                assert len(returned_bodies) >= (2 in confirmed) + (4 in confirmed)
    peer.note(f"came back: {returned_bodies}, confirmed: {sorted(confirmed)}")


@case("S-211", "S-117")
def several_queues(peer: Peer) -> None:
    """A message for several queues is confirmed once, when all have it."""
    channel = confirming(peer)
    exchange = peer.exchange()
    channel.call(ExchangeDeclare(exchange=exchange, type="fanout"))
    queues = [stocked(peer, channel, word=f"q{number}") for number in range(3)]
    for queue in queues:
        channel.call(QueueBind(queue=queue, exchange=exchange))
    channel.publish(exchange, "", b"1")
    channel.expect(BasicAck)
    for queue in queues:
        channel.get(queue)


@case("S-211")
def consumed_at_once(peer: Peer) -> None:
    """A message that somebody takes at once is confirmed as well."""
    channel, consumer = confirming(peer), peer.channel()
    queue = stocked(peer, channel)
    consumer.consume(queue, "c", no_ack=True)
    channel.publish("", queue, b"1", properties_of(delivery_mode=2))
    channel.expect(BasicAck)
    consumer.deliveries(1)


@case("S-208", "S-222")
def numbers_and_tags_are_apart(peer: Peer) -> None:
    """Numbers of publishes and tags of deliveries are counted apart on one channel."""
    channel = confirming(peer)
    queue = stocked(peer, channel)
    for _ in range(2):
        channel.publish("", queue, b"1")
        channel.expect(BasicAck)
    channel.call(BasicGet(queue=queue))
    channel.send(BasicAck(1))
    channel.publish("", queue, b"3")
    channel.expect(BasicAck)
    channel.refused(BasicAck(3))


@case("S-208", "S-250")
def client_confirms(peer: Peer) -> None:
    """A client's ack is about deliveries, not about publishes."""
    channel = confirming(peer)
    channel.publish("", peer.queue("nope"), b"1")
    channel.expect(BasicAck)
    channel.refused(BasicNack(1))


@case("S-208")
def numbers_of_each_channel(peer: Peer) -> None:
    """Each channel counts its own publishes; a channel without confirms gets none."""
    channels = [confirming(peer), confirming(peer), peer.channel()]
    for _ in range(2):
        for channel in channels:
            channel.publish("", peer.queue("nope"), b"x")
    for channel in channels[:2]:
        channel.expect_confirms()
    channels[2].round_trip()


@case("S-199", "S-210")
def missing_exchange(peer: Peer) -> None:
    """A publish to an exchange that is not there closes the channel and is not confirmed."""
    channel = confirming(peer)
    channel.publish("", peer.queue("nope"), b"1")
    channel.expect(BasicAck)
    channel.publish(peer.exchange("nope"), "k", b"2", mandatory=True)
    channel.expect_close()


@case("S-207", "S-203", "S-202")
def refused_messages(peer: Peer) -> None:
    """Messages that are refused close the channel and are not confirmed."""
    for properties in (properties_of(expiration="soon"), properties_of(user_id="somebody")):
        channel = confirming(peer)
        channel.publish("", peer.queue("nope"), b"1", properties)
        channel.expect_close()


@case("S-213", "S-192")
def queue_deleted(peer: Peer) -> None:
    """Messages whose queue is deleted at once are confirmed all the same."""
    channel, other = confirming(peer), peer.channel()
    queue = stocked(peer, channel)
    for number in range(20):
        channel.publish("", queue, b"%d" % number, properties_of(delivery_mode=2))
    with peer.quiet():
        other.call(QueueDelete(queue=queue))
    peer.note("the queue is deleted meanwhile")
    channel.expect_confirms()


@case("S-211", "S-230")
def publisher_is_the_consumer(peer: Peer) -> None:
    """A channel gets the message and its confirm, in an order that is open."""
    channel = confirming(peer)
    queue = stocked(peer, channel)
    channel.call(BasicConsume(queue=queue, consumer_tag="c", no_ack=True))
    channel.publish("", queue, b"1")
    with peer.any_order():
        channel.receive()
        channel.receive()


@case("S-197", "S-208")
def immediate(peer: Peer) -> None:
    """The immediate flag closes the connection; nothing is confirmed."""
    channel = confirming(peer)
    channel.publish("", "k", b"now", immediate=True)
    channel.connection.expect_close()


@case("S-209", "S-216")
def rollback_in_confirm_mode(peer: Peer) -> None:
    """A channel in confirm mode has no transaction to roll back."""
    channel = confirming(peer)
    channel.refused(TxRollback())


@case("S-109", "S-208")
def internal_exchange(peer: Peer) -> None:
    """A message for an internal exchange closes the channel and is not confirmed."""
    channel = confirming(peer)
    channel.publish("amq.rabbitmq.trace", "k", b"1", mandatory=True)
    channel.expect_close()
