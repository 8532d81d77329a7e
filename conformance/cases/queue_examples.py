"""Five small cases that show how a case is written."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicGet,
    ConfirmSelect,
    ConfirmSelectOk,
    QueueDeclare,
    QueueDeclareOk,
)
from conformance.peers import Peer
from conformance.registry import case


@case("S-092", "S-154")
def passive_declare_of_an_absent_queue(peer: Peer) -> None:
    """A passive declare of an absent queue closes the channel, not the connection."""
    channel = peer.channel()
    channel.refused(QueueDeclare(queue=peer.queue("nope"), passive=True))
    channel.open()
    channel.round_trip()


@case("S-087")
def get_without_a_declared_queue(peer: Peer) -> None:
    """An empty queue name is an error when the channel has declared no queue."""
    peer.channel().refused(BasicGet(queue=""))


@case("S-147", "S-146", "S-094")
def server_named_queue(peer: Peer) -> None:
    """The server names a queue whose name is empty."""
    channel = peer.channel()
    ok = channel.call(QueueDeclare(exclusive=True), QueueDeclareOk)
    channel.call(QueueDeclare(queue=ok.queue, passive=True), QueueDeclareOk)


@case("S-208", "S-211", "S-221")
def a_confirmed_message_can_be_got(peer: Peer) -> None:
    """A message that is confirmed is in its queue."""
    channel = peer.channel()
    queue = peer.queue()
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    channel.call(ConfirmSelect(), ConfirmSelectOk)
    for number in range(3):
        channel.publish("", queue, b"%d" % number)
    channel.expect_confirms()
    assert channel.get_all(queue) == [b"0", b"1", b"2"]


@case("S-160")
def exclusive_queue_of_another_connection(peer: Peer) -> None:
    """A queue that is exclusive to one connection is locked to another."""
    queue = peer.queue()
    owner = peer.channel(peer.connect())
    stranger = peer.channel(peer.connect())
    owner.call(QueueDeclare(queue=queue, exclusive=True))
    stranger.refused(QueueDeclare(queue=queue, passive=True))
