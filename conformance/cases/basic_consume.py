"""basic.consume and basic.cancel."""

from __future__ import annotations

from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancel,
    BasicConsume,
    BasicConsumeOk,
    BasicQos,
)
from amqpbroker.spec.table import Field, Table
from amqpbroker.testing.raw_client import as_table
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import breaks_connection, count, drain, fill, stocked


@case("S-227", "S-094")
def tag_from_the_server(peer: Peer) -> None:
    """The server makes a consumer tag when there is none."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.call(BasicQos(prefetch_count=1))
    for _ in range(2):
        channel.call(BasicConsume(queue=queue))
        channel.deliveries(1)


@case("S-226")
def consume_ok_comes_first(peer: Peer) -> None:
    """Messages that wait are delivered in order behind consume-ok."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2", b"3")
    channel.consume(queue, "c")
    channel.deliveries(3)
    fill(peer, queue, b"4")
    channel.deliveries(1)


@case("S-227")
def tag_is_the_channels_own(peer: Peer) -> None:
    """Two channels may use the same consumer tag."""
    channels = [peer.channel(), peer.channel()]
    queue = stocked(peer, channels[0])
    for channel in channels:
        channel.consume(queue, "same")
    count(channels[0], queue)


@case("S-228")
def tag_used_twice(peer: Peer) -> None:
    """A tag that is used twice on a channel closes the connection."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.consume(queue, "c")
    breaks_connection(channel, BasicConsume(queue=queue, consumer_tag="c"))


@case("S-228", "S-093")
def tag_used_twice_nowait(peer: Peer) -> None:
    """A tag that is used twice closes the connection, for another queue and without answers too."""
    channel = peer.channel()
    queue, other = stocked(peer, channel), stocked(peer, channel, word="other")
    channel.consume(queue, "c")
    breaks_connection(channel, BasicConsume(queue=other, consumer_tag="c", no_wait=True))


@case("S-239", "S-228")
def tag_used_twice_for_an_absent_queue(peer: Peer) -> None:
    """A tag that is used twice is reported before the absent queue."""
    channel = peer.channel()
    channel.consume(stocked(peer, channel), "c")
    breaks_connection(channel, BasicConsume(queue=peer.queue("nope"), consumer_tag="c"))


@case("S-091", "S-227")
def tag_of_any_characters(peer: Peer) -> None:
    """A tag may have any characters, up to 255 bytes."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    for tag in ("two words", "队列", "\r\n", "t" * 255):
        channel.consume(queue, tag)
        fill(peer, queue, b"hello")
        channel.deliveries(1)
        channel.send(BasicAck(0, multiple=True))
        channel.call(BasicCancel(tag))


@case("S-238", "S-092")
def absent_queue(peer: Peer) -> None:
    """A queue that is not there cannot be consumed."""
    channel = peer.channel()
    channel.refused(BasicConsume(queue=peer.queue("nope"), consumer_tag="c"))


@case("S-238", "S-093")
def absent_queue_nowait(peer: Peer) -> None:
    """A consume that wants no answer is told that it failed."""
    channel = peer.channel()
    channel.refused(BasicConsume(queue=peer.queue("nope"), consumer_tag="c", no_wait=True))


@case("S-093", "S-226")
def nowait(peer: Peer) -> None:
    """A consume that wants no answer gets messages only."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    channel.send(BasicConsume(queue=queue, consumer_tag="c", no_wait=True))
    channel.deliveries(1)


@case("S-241")
def nowait_without_a_tag(peer: Peer) -> None:
    """A tag that the server made and never told shows on the deliveries."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    channel.send(BasicConsume(queue=queue, no_wait=True))
    channel.deliveries(1)


@case("S-226")
def no_local(peer: Peer) -> None:
    """The no-local flag means nothing."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.call(BasicConsume(queue=queue, consumer_tag="c", no_local=True))
    channel.publish("", queue, b"my own")
    channel.deliveries(1)


@case("S-249", "S-261")
def no_ack(peer: Peer) -> None:
    """Messages for a no-ack consumer leave the queue at once; they are numbered too."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.consume(queue, "c", no_ack=True)
    channel.deliveries(2)
    channel.close()
    count(peer.channel(), queue)


@case("S-230")
def exclusive_beside_another(peer: Peer) -> None:
    """A queue that has a consumer does not get an exclusive one."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    channel.consume(queue, "first")
    other.refused(BasicConsume(queue=queue, consumer_tag="second", exclusive=True))
    count(channel, queue)


@case("S-230")
def another_beside_exclusive(peer: Peer) -> None:
    """A queue that has an exclusive consumer gets no other, not even by the same channel."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    channel.call(BasicConsume(queue=queue, consumer_tag="first", exclusive=True))
    other.refused(BasicConsume(queue=queue, consumer_tag="second"))
    other.open()
    other.refused(BasicConsume(queue=queue, consumer_tag="second", exclusive=True))
    channel.refused(BasicConsume(queue=queue, consumer_tag="third"))
    channel.open()
    count(channel, queue)


@case("S-230")
def exclusive_ends_with_cancel(peer: Peer) -> None:
    """When the exclusive consumer is cancelled, the queue is free again."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    request = BasicConsume(queue=queue, consumer_tag="c", exclusive=True)
    channel.call(request)
    channel.call(BasicCancel("c"))
    other.call(request)
    other.close()
    channel.call(request)
    channel.refused(BasicConsume(queue=peer.queue("nope"), consumer_tag="d"))
    peer.channel().call(request)


@case("S-230")
def not_exclusive_again(peer: Peer) -> None:
    """When the exclusive consumer has gone, several may come."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.call(BasicConsume(queue=queue, consumer_tag="first", exclusive=True))
    channel.call(BasicCancel("first"))
    channel.consume(queue, "second")
    channel.consume(queue, "third")


@case("S-239", "S-230")
def refused_consumer_leaves_nothing(peer: Peer) -> None:
    """A consumer that was refused does not count and gets nothing."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    arguments = as_table({"x-priority": "high"})
    other.refused(BasicConsume(queue=queue, consumer_tag="c", arguments=arguments))
    count(channel, queue)
    fill(peer, queue, b"1")
    channel.get(queue)


@case("S-232")
def priority_that_is_no_integer(peer: Peer) -> None:
    """A consumer's priority must be an integer."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    for value in ("high", "5", 1.5, True, None, Field("T", 5), [5], {"n": 5}):
        arguments = as_table({"x-priority": value})
        channel.refused(BasicConsume(queue=queue, consumer_tag="c", arguments=arguments))
        channel.open()


@case("S-232")
def priority_of_any_width(peer: Peer) -> None:
    """A consumer's priority may be an integer of any width and sign."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    values = [Field(kind, 5) for kind in "bBsuIilL"]
    values += [Field("l", -(2**63)), Field("l", 2**63 - 1), Field("b", -1)]
    for number, value in enumerate(values):
        arguments: Table = {"x-priority": value}
        channel.call(BasicConsume(queue=queue, consumer_tag=f"c{number}", arguments=arguments))


@case("S-231")
def argument_of_a_stream(peer: Peer) -> None:
    """An argument that only streams know is refused."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    arguments = as_table({"x-stream-offset": "first"})
    channel.refused(BasicConsume(queue=queue, consumer_tag="c", arguments=arguments))


@case("S-231")
def unknown_arguments(peer: Peer) -> None:
    """Arguments that nobody knows are ignored."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1")
    arguments = as_table({"x-mine": 1, "note": None, "x-prefetch": "many"})
    channel.call(BasicConsume(queue=queue, consumer_tag="c", arguments=arguments))
    channel.deliveries(1)


@case("S-231", "S-230", "S-239")
def arguments_are_looked_at_before_exclusive(peer: Peer) -> None:
    """A bad argument is reported before the exclusive consumer."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    channel.call(BasicConsume(queue=queue, consumer_tag="c", exclusive=True))
    arguments = as_table({"x-priority": "high"})
    other.refused(BasicConsume(queue=queue, consumer_tag="d", arguments=arguments))


@case("S-236")
def cancel(peer: Peer) -> None:
    """A cancelled consumer gets nothing more, and may ack what it got."""
    channel = peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.call(BasicQos(prefetch_count=1))
    channel.consume(queue, "c")
    channel.deliveries(1)
    channel.call(BasicCancel("c"))
    fill(peer, queue, b"3")
    channel.send(BasicAck(1))
    assert channel.get_all(queue) == [b"2", b"3"]


@case("S-236")
def cancel_keeps_what_was_delivered(peer: Peer) -> None:
    """What a cancelled consumer did not ack returns only when its channel is closed."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1", b"2")
    channel.consume(queue, "c")
    channel.deliveries(2)
    channel.call(BasicCancel("c"))
    other.get(queue)
    channel.close()
    drain(other, queue, b"1", b"2")


@case("S-236")
def cancel_of_an_unknown_tag(peer: Peer) -> None:
    """Cancelling a consumer that is not there succeeds."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    channel.consume(queue, "c")
    channel.call(BasicCancel("unknown"))
    channel.call(BasicCancel(""))
    other.call(BasicCancel("c"))
    count(channel, queue)


@case("S-236")
def cancel_twice(peer: Peer) -> None:
    """Cancelling a consumer twice succeeds."""
    channel = peer.channel()
    channel.consume(stocked(peer, channel), "c")
    channel.call(BasicCancel("c"))
    channel.call(BasicCancel("c"))


@case("S-093", "S-236")
def cancel_nowait(peer: Peer) -> None:
    """A cancel that wants no answer gets none."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.consume(queue, "c")
    channel.send(BasicCancel("c", no_wait=True))
    channel.send(BasicCancel("unknown", no_wait=True))
    channel.round_trip()
    fill(peer, queue, b"1")
    channel.get(queue)


@case("S-237")
def tag_used_again(peer: Peer) -> None:
    """A tag may be used again after its cancel, for another queue too."""
    channel = peer.channel()
    queue, other = stocked(peer, channel, b"1"), stocked(peer, channel, b"2", word="other")
    channel.consume(queue, "c")
    channel.deliveries(1)
    channel.call(BasicCancel("c"))
    channel.consume(other, "c")
    channel.deliveries(1)


@case("S-226", "S-253")
def one_channel_many_queues(peer: Peer) -> None:
    """A channel may consume several queues; delivery tags count over all of them."""
    channel = peer.channel()
    queues = [stocked(peer, channel, word.encode(), word=word) for word in ("one", "two")]
    for queue in queues:
        channel.consume(queue, f"of {queue}")
        channel.deliveries(1)
    channel.send(BasicAck(2, multiple=True))
    channel.close()
    other = peer.channel()
    for queue in queues:
        other.get(queue)


@case("S-226", "S-146")
def one_queue_many_consumers(peer: Peer) -> None:
    """A channel may have several consumers on one queue."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    for number in range(5):
        channel.call(BasicConsume(queue=queue, consumer_tag=f"c{number}"), BasicConsumeOk)
    count(channel, queue)


@case("S-230", "S-093")
def exclusive_nowait(peer: Peer) -> None:
    """An exclusive consume that wants no answer is told that it failed."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel)
    channel.consume(queue, "first")
    request = BasicConsume(queue=queue, consumer_tag="second", exclusive=True, no_wait=True)
    other.refused(request)


@case("S-232", "S-093")
def priority_nowait(peer: Peer) -> None:
    """A consume with a bad argument that wants no answer is told that it failed."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    arguments = as_table({"x-priority": "high"})
    request = BasicConsume(queue=queue, consumer_tag="c", no_wait=True, arguments=arguments)
    channel.refused(request)


@case("S-239", "S-008")
def error_ends_the_other_consumers(peer: Peer) -> None:
    """A consume that is refused ends the consumers that its channel had."""
    channel, other = peer.channel(), peer.channel()
    queue = stocked(peer, channel, b"1")
    channel.consume(queue, "c")
    channel.deliveries(1)
    channel.refused(BasicConsume(queue=peer.queue("nope"), consumer_tag="d"))
    count(other, queue)
    other.get(queue)


@case("S-230", "S-239")
def exclusive_and_absent(peer: Peer) -> None:
    """An exclusive consume of a queue that is not there is told so."""
    channel = peer.channel()
    channel.refused(BasicConsume(queue=peer.queue("nope"), consumer_tag="c", exclusive=True))
