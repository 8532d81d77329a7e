"""What errors of a channel or a connection do to its consumers and to what it holds."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicConsume,
    BasicGet,
    BasicQos,
    ChannelCloseOk,
    ConfirmSelect,
    ConnectionClose,
    ConnectionCloseOk,
    QueueDeclare,
    QueueDelete,
)
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import absent, count, fill, stocked, take

WRONG_ON_A_CHANNEL = BasicAck(99)
WRONG_ON_A_CONNECTION = BasicQos(prefetch_size=1)


@case("S-008")
def consumers_are_gone_before_the_close(peer: Peer) -> None:
    """When channel.close comes, the channel's consumers are gone and what they held is back."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.consume(queue, "c")
    channel.deliveries(2)
    channel.send(WRONG_ON_A_CHANNEL)
    channel.expect_close(answer=False)
    count(other, queue)
    other.get(queue)
    channel.send(ChannelCloseOk())


@case("S-008")
def what_was_got_is_back_after_the_close(peer: Peer) -> None:
    """What was got from a queue without consumers is back when the close has been answered."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1")
    take(channel, queue, 1)
    channel.refused(WRONG_ON_A_CHANNEL)
    other.consume(queue, "c")
    other.deliveries(1)


@case("S-008", "S-254")
def redelivered_to_another_channel(peer: Peer) -> None:
    """What a channel held goes to the other consumers after its error."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.consume(queue, "c")
    channel.deliveries(3)
    other.consume(queue, "d")
    channel.send(BasicAck(2))
    channel.refused(WRONG_ON_A_CHANNEL)
    other.deliveries(2)


@case("S-008")
def other_channels_go_on(peer: Peer) -> None:
    """The consumers of other channels do not notice the error of one."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    other.consume(queue, "c")
    channel.refused(WRONG_ON_A_CHANNEL)
    fill(peer, queue, b"1")
    other.deliveries(1)
    other.send(BasicAck(1))
    other.round_trip()


@case("S-008")
def nothing_is_done_behind_an_error(peer: Peer) -> None:
    """What a channel says behind its error, and before it answers the close, is not done."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"kept")
    channel.send(WRONG_ON_A_CHANNEL)
    channel.send(QueueDeclare(queue=peer.queue("never")))
    channel.send(QueueDelete(queue=queue))
    channel.publish("", queue, b"never")
    channel.expect_close(answer=False)
    channel.send(BasicGet(queue=queue))
    channel.publish("", queue, b"never")
    channel.send(ChannelCloseOk())
    channel.open()
    assert channel.get_all(queue) == [b"kept"]
    absent(other, peer.queue("never"))


@case("S-008", "S-261")
def all_begins_anew(peer: Peer) -> None:
    """A channel that is opened again has no prefetch, no confirms, no consumers and new tags."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.call(BasicQos(prefetch_count=1))
    channel.call(ConfirmSelect())
    channel.consume(queue, "c")
    channel.deliveries(1)
    channel.refused(WRONG_ON_A_CHANNEL)
    channel.open()
    count(channel, queue)
    channel.consume(queue, "c")
    channel.deliveries(2)
    channel.publish("", peer.queue("nope"), b"not confirmed")
    channel.round_trip()


@case("S-002", "S-012")
def exclusive_queues_go_before_the_close(peer: Peer) -> None:
    """When connection.close comes, the connection's exclusive queues are gone."""
    channel, other = peer.channel(peer.connect()), peer.channel(peer.connect())
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    channel.send(WRONG_ON_A_CONNECTION)
    channel.connection.expect(ConnectionClose)
    absent(other, queue)
    channel.connection.send_method(0, ConnectionCloseOk())
    channel.connection.expect_closed()


@case("S-002", "S-012", "S-008")
def consumers_are_gone_with_the_connection(peer: Peer) -> None:
    """After a connection's error what its other channels held goes to other connections."""
    channel, other = peer.channel(peer.connect()), peer.channel(peer.connect())
    second = peer.channel(channel.connection)
    queue = stocked(peer, channel, b"1", b"2")
    second.consume(queue, "c")
    second.deliveries(2)
    channel.send(WRONG_ON_A_CONNECTION)
    channel.connection.expect_close()
    other.consume(queue, "d")
    other.deliveries(2)


@case("S-011")
def nothing_is_done_behind_a_hard_error(peer: Peer) -> None:
    """What any channel says behind a connection's error is not done."""
    channel, other = peer.channel(peer.connect()), peer.channel(peer.connect())
    second = peer.channel(channel.connection)
    queue = stocked(peer, channel, b"kept")
    channel.send(WRONG_ON_A_CONNECTION)
    channel.connection.expect(ConnectionClose)
    second.send(QueueDelete(queue=queue))
    second.publish("", queue, b"never")
    channel.connection.send_method(0, ConnectionCloseOk())
    channel.connection.expect_closed()
    assert other.get_all(queue) == [b"kept"]


@case("S-002")
def another_connection_goes_on(peer: Peer) -> None:
    """Other connections do not notice the error of one."""
    channel, other = peer.channel(peer.connect()), peer.channel(peer.connect())
    queue = stocked(peer, channel)
    other.consume(queue, "c")
    channel.send(WRONG_ON_A_CONNECTION)
    channel.connection.expect_close()
    fill(peer, queue, b"1")
    other.deliveries(1)


@case("S-071", "S-230")
def exclusive_consumer_of_a_lost_connection(peer: Peer) -> None:
    """When the connection of an exclusive consumer is closed, another may come."""
    channel, other = peer.channel(peer.connect()), peer.channel(peer.connect())
    queue = stocked(peer, channel, b"1")
    request = BasicConsume(queue=queue, consumer_tag="c", exclusive=True)
    channel.call(request)
    channel.deliveries(1)
    channel.connection.close()
    other.call(request)
    other.deliveries(1)
