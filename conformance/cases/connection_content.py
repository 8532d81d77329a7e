"""Content frames that are wrong, or stand where they should not: between a publish and its end."""

from __future__ import annotations

from amqpbroker.spec.constants import FRAME_BODY, FRAME_HEADER
from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import (
    BasicDeliver,
    BasicPublish,
    ChannelClose,
    QueueDeclare,
)
from amqpbroker.spec.properties import properties_of
from amqpbroker.testing.raw_channel import RawChannel
from amqpbroker.testing.raw_client import as_table, encode_content_header
from conformance.peers import Peer
from conformance.registry import case


def _bound(peer: Peer) -> tuple[RawChannel, str]:
    """A channel, and a queue that its publishes reach; nothing of this is written down."""
    queue = peer.queue()
    channel = peer.channel()
    with peer.quiet():
        channel.call(QueueDeclare(queue=queue, exclusive=True))
    return channel, queue


def _published(peer: Peer) -> tuple[RawChannel, str]:
    """A channel that has said basic.publish and owes its content."""
    channel, queue = _bound(peer)
    channel.send(BasicPublish(0, "", queue))
    return channel, queue


# A whole content


@case("S-063")
def empty_body(peer: Peer) -> None:
    """A body of no bytes has no frame, on either way."""
    channel, queue = _bound(peer)
    channel.publish("", queue, b"")
    channel.get(queue)


@case("S-063")
def body_in_small_frames(peer: Peer) -> None:
    """A body may come in frames of any size; it leaves in the largest that are allowed."""
    channel, queue = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(10))
    for piece in (b"h", b"ell", b"o worl"):
        channel.send_frame(FRAME_BODY, piece)
    channel.get(queue)


@case("S-063")
def empty_body_frames(peer: Peer) -> None:
    """Body frames without a byte are skipped."""
    channel, queue = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5))
    for piece in (b"", b"he", b"", b"llo"):
        channel.send_frame(FRAME_BODY, piece)
    channel.get(queue)


@case("S-063")
def large_body(peer: Peer) -> None:
    """A body larger than a frame is cut to the receiver's frame-max, not the sender's."""
    queue = peer.queue()
    sender = peer.channel(peer.connect(frame_max=8192))
    receiver = peer.channel(peer.connect(frame_max=4096))
    with peer.quiet():
        receiver.call(QueueDeclare(queue=queue, auto_delete=True))
    sender.publish("", queue, bytes(range(256)) * 40)
    sender.round_trip()
    with peer.quiet():
        receiver.consume(queue, "ctag")
    receiver.deliveries(1)


@case("S-063")
def body_of_a_frame(peer: Peer) -> None:
    """A body that fills a frame exactly is one frame."""
    queue = peer.queue()
    channel = peer.channel(peer.connect(frame_max=4096))
    with peer.quiet():
        channel.call(QueueDeclare(queue=queue, exclusive=True))
    for size in (4088, 4089):
        channel.publish("", queue, b"x" * size)
        channel.get(queue)


@case("S-063", "S-086")
def contents_of_two_channels_interleaved(peer: Peer) -> None:
    """Frames of different channels may stand between each other in any way."""
    queue = peer.queue()
    connection = peer.connect()
    channels = [peer.channel(connection) for _ in range(2)]
    with peer.quiet():
        channels[0].call(QueueDeclare(queue=queue, exclusive=True))
    for channel in channels:
        channel.send(BasicPublish(0, "", queue))
    for channel in channels:
        channel.send_frame(FRAME_HEADER, encode_content_header(4))
    for channel in channels:
        channel.send_frame(FRAME_BODY, b"once")
    channels[1].round_trip()
    channels[0].get(queue)
    channels[0].get(queue)


@case("S-063")
def a_content_that_waits(peer: Peer) -> None:
    """While a channel is in the middle of a content, the others go on."""
    channel, queue = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5))
    other = peer.channel(channel.connection)
    other.round_trip()
    channel.send_frame(FRAME_BODY, b"hello")
    channel.get(queue)


@case("S-205", "S-354")
def all_properties(peer: Peer) -> None:
    """Every property reaches the consumer as it was."""
    channel, queue = _bound(peer)
    properties = properties_of(
        content_type="text/plain",
        content_encoding="identity",
        headers=as_table({"n": 1, "none": None, "s": "text"}),
        delivery_mode=1,
        priority=9,
        correlation_id="c-1",
        reply_to="answers",
        expiration="60000",
        message_id="m-1",
        timestamp=1700000000,
        type="greeting",
        user_id="guest",
        app_id="conformance",
        cluster_id="none",
    )
    channel.publish("", queue, b"hello", properties)
    channel.get(queue)


# Something else instead of content


def _instead(peer: Peer, method: Method) -> None:
    channel, _ = _published(peer)
    channel.send(method)
    channel.connection.expect_close()


@case("S-058")
def method_instead_of_header(peer: Peer) -> None:
    """After basic.publish a content header must follow, not a method."""
    _instead(peer, QueueDeclare(queue="nope", passive=True))


@case("S-058")
def publish_instead_of_header(peer: Peer) -> None:
    """After basic.publish another basic.publish is wrong, too."""
    _instead(peer, BasicPublish(0, "", "nope"))


@case("S-058")
def channel_close_instead_of_header(peer: Peer) -> None:
    """Not even channel.close may stand between a publish and its content."""
    _instead(peer, ChannelClose(200))


@case("S-058")
def body_instead_of_header(peer: Peer) -> None:
    """A body may not come before its header."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_BODY, b"hello")
    channel.connection.expect_close()


@case("S-058")
def header_with_a_weight(peer: Peer) -> None:
    """A header's weight must be 0."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5, weight=1))
    channel.connection.expect_close()


@case("S-059")
def header_of_another_class(peer: Peer) -> None:
    """A header must be of the class of its method."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5, class_id=50))
    channel.connection.expect_close()


@case("S-059")
def header_of_a_class_that_does_not_exist(peer: Peer) -> None:
    """A header of an unknown class."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5, class_id=999))
    channel.connection.receive()
    channel.connection.drop()


@case("S-058", "S-054")
def header_cut_short(peer: Peer) -> None:
    """A header frame that ends within its fixed part."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5)[:10])
    channel.connection.receive()
    channel.connection.drop()


@case("S-060")
def method_instead_of_body(peer: Peer) -> None:
    """While body bytes are owed, a method is an unexpected frame."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5))
    channel.send(QueueDeclare(queue="nope", passive=True))
    channel.connection.expect_close()


@case("S-060")
def method_in_the_middle_of_a_body(peer: Peer) -> None:
    """A body that has begun must be finished."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5))
    channel.send_frame(FRAME_BODY, b"hel")
    channel.send(ChannelClose(200))
    channel.connection.expect_close()


@case("S-060")
def header_instead_of_body(peer: Peer) -> None:
    """A second header is an unexpected frame."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5))
    channel.send_frame(FRAME_HEADER, encode_content_header(5))
    channel.connection.expect_close()


@case("S-061", "S-057")
def body_too_long(peer: Peer) -> None:
    """More body bytes than announced: not noticed by themselves, but the content never ends."""
    channel, queue = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(3))
    channel.send_frame(FRAME_BODY, b"hello")
    peer.channel(channel.connection).round_trip()
    channel.send(QueueDeclare(queue=queue, passive=True))
    channel.connection.expect_close()


@case("S-057")
def body_after_a_whole_content(peer: Peer) -> None:
    """A body frame behind a whole body is an unexpected frame."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5))
    channel.send_frame(FRAME_BODY, b"hello")
    channel.send_frame(FRAME_BODY, b"again")
    channel.connection.expect_close()


@case("S-063", "S-057")
def empty_body_frame_after_an_empty_body(peer: Peer) -> None:
    """A body of no bytes has no frame: an empty one is unexpected."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(0))
    channel.send_frame(FRAME_BODY, b"")
    channel.connection.expect_close()


@case("S-057")
def header_without_publish(peer: Peer) -> None:
    """A content header needs a method that carries content."""
    channel, _ = _bound(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(5))
    channel.connection.expect_close()


@case("S-057")
def body_without_publish(peer: Peer) -> None:
    """A content body needs a method that carries content."""
    channel, _ = _bound(peer)
    channel.send_frame(FRAME_BODY, b"hello")
    channel.connection.expect_close()


@case("S-057", "S-079")
def header_on_a_channel_that_is_not_open(peer: Peer) -> None:
    """A content header where no channel is."""
    connection = peer.connect()
    connection.send_frame(FRAME_HEADER, 5, encode_content_header(5))
    connection.expect_close()


@case("S-062")
def announced_size_beyond_all_limits(peer: Peer) -> None:
    """A body of 2^63 bytes may be announced: only what comes is counted."""
    channel, queue = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(2**63 - 1))
    peer.channel(channel.connection).round_trip()
    channel.send(QueueDeclare(queue=queue, passive=True))
    channel.connection.expect_close()


# Properties that do not decode


def _properties(peer: Peer, raw_properties: bytes) -> None:
    """Publish with *raw_properties*, and see what the server makes of it."""
    channel, _ = _published(peer)
    channel.send_frame(FRAME_HEADER, encode_content_header(0)[:12] + raw_properties)
    channel.send(QueueDeclare(queue="nope", passive=True))
    while True:
        event = channel.receive()
        if channel.connection.is_closing or channel.connection.is_closed or not channel.is_open:
            break
    assert event is not None
    channel.connection.drop()


@case("S-006")
def property_that_is_missing(peer: Peer) -> None:
    """A flag without its value crashes RabbitMQ's channel: 541."""
    _properties(peer, b"\x80\x00")


@case("S-006")
def property_cut_short(peer: Peer) -> None:
    """A text that is longer than the header."""
    _properties(peer, b"\x80\x00\xfftext")


@case("S-006")
def bytes_behind_the_properties(peer: Peer) -> None:
    """Bytes that belong to no property."""
    _properties(peer, b"\x10\x00\x01more")


@case("S-006")
def unknown_property_flag(peer: Peer) -> None:
    """A flag of which no property knows."""
    _properties(peer, b"\x00\x02")


@case("S-006")
def property_flags_continued(peer: Peer) -> None:
    """The lowest flag announces more flags, which basic does not have."""
    _properties(peer, b"\x00\x01\x00\x00")


@case("S-006")
def headers_that_do_not_decode(peer: Peer) -> None:
    """A headers table with an unknown kind of field."""
    _properties(peer, b"\x20\x00\x00\x00\x00\x08\x01aZ\x00\x00\x00\x01x")


@case("S-006")
def text_property_that_is_not_utf_8(peer: Peer) -> None:
    """A text property may be any bytes."""
    _properties(peer, b"\x80\x00\x02\xff\xfe")


@case("S-006")
def no_properties_at_all(peer: Peer) -> None:
    """A header that ends before its flags."""
    _properties(peer, b"")


@case("S-082")
def deliver_from_the_client(peer: Peer) -> None:
    """A client that says basic.deliver, with content."""
    channel, _ = _bound(peer)
    channel.send(BasicDeliver("ctag", 1, False, "", "q"))
    channel.send_frame(FRAME_HEADER, encode_content_header(0))
    channel.connection.receive()
    channel.connection.drop()
