"""Bodies of all sizes, and how they are cut into frames."""

from __future__ import annotations

from struct import pack

from amqpbroker.spec.constants import FRAME_BODY, FRAME_HEADER, FRAME_MIN_BYTES
from amqpbroker.spec.methods import BasicPublish, BasicReturn
from conformance.peers import Peer
from conformance.registry import case
from conformance.scenes import stocked

PIECE_BYTES = FRAME_MIN_BYTES - 8


def body_of(size: int) -> bytes:
    """A body in which every byte depends on its place."""
    return bytes(place * 7 % 251 for place in range(size))


@case("S-063", "S-206")
def sizes_around_a_frame(peer: Peer) -> None:
    """Bodies of none, one, and just about as many bytes as go into one, two or three frames."""
    channel = peer.channel(peer.connect(frame_max=FRAME_MIN_BYTES))
    queue = stocked(peer, channel)
    edges = [PIECE_BYTES * frames + more for frames in (1, 2, 3) for more in (-1, 0, 1)]
    for size in (0, 1, *edges):
        channel.publish("", queue, body_of(size))
        channel.get(queue)


@case("S-063")
def sizes_around_the_usual_frame(peer: Peer) -> None:
    """Bodies of about 128 KiB, in frames of at most 128 KiB."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    piece_bytes = channel.connection.frame_max - 8
    for size in (piece_bytes, piece_bytes + 1, 3 * piece_bytes):
        channel.publish("", queue, body_of(size))
        channel.get(queue)


@case("S-063", "S-035")
def consumer_with_small_frames(peer: Peer) -> None:
    """A body that came in large frames is delivered in small ones, and the other way round."""
    large = peer.channel(peer.connect())
    small = peer.channel(peer.connect(frame_max=FRAME_MIN_BYTES))
    queue = stocked(peer, large)
    small.consume(queue, "c", no_ack=True)
    large.publish("", queue, body_of(10_000))
    small.deliveries(1)
    small.close()
    large.consume(queue, "d", no_ack=True)
    again = peer.channel(small.connection)
    again.publish("", queue, body_of(10_000))
    large.deliveries(1)


@case("S-063", "S-201")
def returned_in_frames(peer: Peer) -> None:
    """A body that comes back is cut into frames too."""
    channel = peer.channel(peer.connect(frame_max=FRAME_MIN_BYTES))
    channel.publish("", peer.queue("nope"), body_of(9_000), mandatory=True)
    channel.expect_content(BasicReturn)


@case("S-063")
def body_in_many_small_frames(peer: Peer) -> None:
    """A body that came in frames of any size, some of them empty, is delivered in one."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.send(BasicPublish(routing_key=queue))
    channel.send_frame(FRAME_HEADER, pack(">HHQH", 60, 0, 10, 0))
    for piece in (b"a", b"", b"bcd", b"efghi", b"", b"j"):
        channel.send_frame(FRAME_BODY, piece)
    channel.get(queue)


@case("S-063", "S-057")
def body_frame_behind_an_empty_body(peer: Peer) -> None:
    """A message that was announced to have no body has not even an empty frame."""
    channel = peer.channel()
    channel.send(BasicPublish(routing_key=peer.queue("nope")))
    channel.send_frame(FRAME_HEADER, pack(">HHQH", 60, 0, 0, 0))
    channel.send_frame(FRAME_BODY, b"")
    channel.connection.expect_close()


@case("S-063")
def contents_of_two_channels_in_turns(peer: Peer) -> None:
    """The frames of two channels may come in turns."""
    channels = [peer.channel(), peer.channel()]
    queue = stocked(peer, channels[0])
    for channel in channels:
        channel.send(BasicPublish(routing_key=queue))
    for channel in channels:
        channel.send_frame(FRAME_HEADER, pack(">HHQH", 60, 0, 4, 0))
    for piece in (b"ab", b"cd"):
        for channel in channels:
            channel.send_frame(FRAME_BODY, piece)
    channels[0].round_trip()
    channels[1].get(queue)
    channels[1].get(queue)


@case("S-063", "S-085")
def channel_closed_within_a_content(peer: Peer) -> None:
    """A content that stops half way: the next method is an error of the connection."""
    channel = peer.channel()
    queue = stocked(peer, channel)
    channel.send(BasicPublish(routing_key=queue))
    channel.send_frame(FRAME_HEADER, pack(">HHQH", 60, 0, 4, 0))
    channel.send_frame(FRAME_BODY, b"ab")
    channel.send(BasicPublish(routing_key=queue))
    channel.connection.expect_close()
