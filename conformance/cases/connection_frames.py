"""Frames that are wrong in themselves: sizes, ends, types, and methods that do not decode."""

from __future__ import annotations

from amqpbroker.spec.constants import (
    FRAME_BODY,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
)
from amqpbroker.spec.method import Method, encode_method
from amqpbroker.spec.methods import (
    BasicPublish,
    ChannelOpen,
    ChannelOpenOk,
    ConnectionClose,
    ExchangeBind,
    ExchangeDeclare,
    QueueBind,
    QueueDeclare,
    QueueDeclareOk,
)
from amqpbroker.spec.table import Field
from amqpbroker.testing.raw_client import encode_content_header, encode_frame
from conformance.peers import Peer
from conformance.registry import case


def _refused_bytes(peer: Peer, raw: bytes, *, frame_max: int | None = None) -> None:
    """Send *raw*; the server says connection.close, and listens no more.

    It ends the TCP connection a second or three later; nobody waits for that here.
    """
    connection = peer.connect(frame_max=frame_max)
    connection.send_bytes(raw)
    connection.expect(ConnectionClose)
    connection.drop()


def _refused_frame(peer: Peer, kind: int, channel: int, payload: bytes) -> None:
    """Send one frame on a connection whose channel 1 is open; the server closes politely."""
    connection = peer.connect()
    peer.channel(connection)
    connection.send_frame(kind, channel, payload)
    connection.expect_close()


def _dropped_frame(peer: Peer, kind: int, channel: int, payload: bytes) -> None:
    """Send one frame; the server ends the connection in whatever way."""
    connection = peer.connect()
    peer.channel(connection)
    connection.send_frame(kind, channel, payload)
    connection.receive()
    connection.drop()


# Size, end and type of a frame


@case("S-048")
def frame_too_large(peer: Peer) -> None:
    """A payload larger than frame-max is refused by the frame's head alone."""
    connection = peer.connect(frame_max=4096)
    connection.send_bytes(encode_frame(FRAME_BODY, 1, b"x" * 4097)[:7])
    connection.expect(ConnectionClose)
    connection.drop()


@case("S-048", slow=True)
def frame_too_large_ends_the_connection(peer: Peer) -> None:
    """After such an error the server does not listen: it hangs up, close-ok or not."""
    connection = peer.connect(frame_max=4096)
    connection.send_bytes(encode_frame(FRAME_METHOD, 0, b"x" * 4097))
    connection.expect(ConnectionClose)
    peer.expect_silent_close(connection)


@case("S-048")
def frame_of_four_gigabytes(peer: Peer) -> None:
    """A length of 2^32 - 1 is refused at once."""
    _refused_bytes(peer, b"\x01\x00\x01\xff\xff\xff\xff")


@case("S-048")
def payload_as_large_as_frame_max(peer: Peer) -> None:
    """A payload of frame-max bytes is tolerated, although the whole frame is eight larger."""
    queue = peer.queue()
    connection = peer.connect(frame_max=4096)
    channel = peer.channel(connection)
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    channel.send(BasicPublish(0, "", queue))
    channel.send_frame(FRAME_HEADER, encode_content_header(4096))
    channel.send_frame(FRAME_BODY, b"x" * 4096)
    channel.get(queue)


@case("S-049")
def wrong_frame_end(peer: Peer) -> None:
    """A frame that does not end in 0xCE is refused; its payload is quoted."""
    _refused_bytes(peer, encode_frame(FRAME_METHOD, 1, encode_method(ChannelOpen()), end=0))


@case("S-049")
def wrong_frame_end_of_a_longer_frame(peer: Peer) -> None:
    """Of a longer payload the first 16 octets are quoted."""
    _refused_bytes(peer, encode_frame(FRAME_BODY, 1, bytes(range(40)), end=0xCF))


@case("S-049")
def wrong_frame_end_of_an_empty_frame(peer: Peer) -> None:
    """A heartbeat with a wrong end is refused."""
    _refused_bytes(peer, encode_frame(FRAME_HEARTBEAT, 0, b"", end=0xFF))


@case("S-050")
def frame_type_4(peer: Peer) -> None:
    """Frame types are 1, 2, 3 and 8."""
    _refused_frame(peer, 4, 1, b"hello")


@case("S-050")
def frame_type_0(peer: Peer) -> None:
    """A frame of type 0 on channel 0 is unknown."""
    _refused_frame(peer, 0, 0, b"")


@case("S-050")
def frame_type_255(peer: Peer) -> None:
    """Of an unknown frame the first 16 octets are quoted."""
    _refused_frame(peer, 255, 1, bytes(range(100, 130)))


@case("S-050")
def heartbeat_with_a_payload(peer: Peer) -> None:
    """A heartbeat is empty."""
    _refused_frame(peer, FRAME_HEARTBEAT, 0, b"alive")


@case("S-051")
def heartbeat_on_a_channel(peer: Peer) -> None:
    """A heartbeat belongs on channel 0."""
    _refused_frame(peer, FRAME_HEARTBEAT, 1, b"")


@case("S-051")
def heartbeat_on_a_channel_that_is_not_open(peer: Peer) -> None:
    """On any other channel a heartbeat is an unexpected frame."""
    _refused_frame(peer, FRAME_HEARTBEAT, 7, b"")


@case("S-052")
def content_header_on_channel_0(peer: Peer) -> None:
    """Channel 0 has no content."""
    _refused_frame(peer, FRAME_HEADER, 0, encode_content_header(5))


@case("S-052")
def content_body_on_channel_0(peer: Peer) -> None:
    """Of a longer body on channel 0 the first 16 octets are quoted."""
    _refused_frame(peer, FRAME_BODY, 0, b"the quick brown fox jumps")


@case("S-086")
def frames_in_one_piece(peer: Peer) -> None:
    """Several frames may come in one piece."""
    queue = peer.queue()
    connection = peer.connect()
    request = encode_method(QueueDeclare(queue=queue, exclusive=True))
    pieces = [encode_method(ChannelOpen()), request, request]
    raw = b"".join(encode_frame(FRAME_METHOD, 1, payload) for payload in pieces)
    with peer.quiet():
        connection.send_bytes(raw)
    connection.expect(ChannelOpenOk, 1)
    connection.expect(QueueDeclareOk, 1)
    connection.expect(QueueDeclareOk, 1)


@case("S-086")
def a_frame_in_single_bytes(peer: Peer) -> None:
    """A frame may come byte by byte."""
    connection = peer.connect()
    with peer.quiet():
        for byte in encode_frame(FRAME_METHOD, 1, encode_method(ChannelOpen())):
            connection.send_bytes(bytes((byte,)))
    connection.expect(ChannelOpenOk, 1)


@case("S-072")
def half_a_frame(peer: Peer) -> None:
    """A client that hangs up within a frame gets no answer."""
    connection = peer.connect()
    connection.send_bytes(encode_frame(FRAME_METHOD, 1, encode_method(ChannelOpen()))[:9])
    connection.finish_sending()
    connection.expect_closed()


@case("S-072")
def hanging_up_without_a_close(peer: Peer) -> None:
    """A client that hangs up without connection.close gets no answer."""
    connection = peer.connect()
    peer.channel(connection)
    connection.finish_sending()
    connection.expect_closed()


# Methods that do not decode


@case("S-054")
def unknown_class(peer: Peer) -> None:
    """A method of a class that does not exist."""
    _dropped_frame(peer, FRAME_METHOD, 1, bytes.fromhex("006f000a"))


@case("S-054")
def unknown_method(peer: Peer) -> None:
    """A method that its class does not have."""
    _dropped_frame(peer, FRAME_METHOD, 1, bytes.fromhex("003203e7"))


@case("S-054")
def unknown_method_on_channel_0(peer: Peer) -> None:
    """An unknown method on channel 0."""
    _dropped_frame(peer, FRAME_METHOD, 0, bytes.fromhex("000a03e7"))


@case("S-054")
def empty_method_frame(peer: Peer) -> None:
    """A method frame without a method."""
    _dropped_frame(peer, FRAME_METHOD, 1, b"")


@case("S-054")
def method_frame_of_three_bytes(peer: Peer) -> None:
    """A method frame that ends within the method's number."""
    _dropped_frame(peer, FRAME_METHOD, 1, b"\x00\x32\x00")


@case("S-055")
def arguments_cut_short(peer: Peer) -> None:
    """Arguments that end too early: the refusal quotes them in decimal."""
    _dropped_frame(peer, FRAME_METHOD, 1, encode_method(QueueDeclare(queue="jobs"))[:9])


@case("S-055")
def arguments_missing(peer: Peer) -> None:
    """A method without any of its arguments."""
    _dropped_frame(peer, FRAME_METHOD, 1, bytes.fromhex("0032000a"))


@case("S-055")
def arguments_too_long(peer: Peer) -> None:
    """Bytes behind the last argument are refused."""
    payload = encode_method(BasicPublish(0, "", "jobs")) + b"\x00"
    _dropped_frame(peer, FRAME_METHOD, 1, payload)


@case("S-055")
def arguments_of_a_method_that_has_none(peer: Peer) -> None:
    """tx.select with an argument is refused."""
    _dropped_frame(peer, FRAME_METHOD, 1, bytes.fromhex("005a000a01"))


@case("S-055")
def short_string_longer_than_its_frame(peer: Peer) -> None:
    """A name whose length runs past the frame is refused."""
    _dropped_frame(peer, FRAME_METHOD, 1, bytes.fromhex("0032000a0000ff6a6f6273"))


@case("S-055")
def malformed_connection_method(peer: Peer) -> None:
    """Arguments on channel 0 that do not decode."""
    _dropped_frame(peer, FRAME_METHOD, 0, bytes.fromhex("000a003200c8"))


def _declare_with_table(raw_table: bytes) -> bytes:
    """queue.declare whose argument table is *raw_table*."""
    return encode_method(QueueDeclare(queue="jobs", exclusive=True))[:-4] + raw_table


@case("S-055", "S-064")
def table_with_an_unknown_kind(peer: Peer) -> None:
    """A table field of an unknown kind."""
    raw_table = b"\x00\x00\x00\x08\x01aZ\x00\x00\x00\x01x"
    _dropped_frame(peer, FRAME_METHOD, 1, _declare_with_table(raw_table))


@case("S-055")
def table_longer_than_its_frame(peer: Peer) -> None:
    """A table whose length runs past the frame."""
    raw_table = b"\x00\x00\x00\xff\x01at\x01"
    _dropped_frame(peer, FRAME_METHOD, 1, _declare_with_table(raw_table))


@case("S-055")
def table_field_longer_than_its_table(peer: Peer) -> None:
    """A string in a table that runs past the table."""
    raw_table = b"\x00\x00\x00\x08\x01aS\x00\x00\x00\xffx"
    _dropped_frame(peer, FRAME_METHOD, 1, _declare_with_table(raw_table))


@case("S-064")
def every_kind_of_field(peer: Peer) -> None:
    """All kinds of table fields are read; unknown arguments are ignored."""
    channel = peer.channel()
    arguments = {
        "t": Field("t", True),
        "b": Field("b", -1),
        "B": Field("B", 255),
        "s": Field("s", -2),
        "u": Field("u", 65535),
        "I": Field("I", -3),
        "i": Field("i", 2**32 - 1),
        "l": Field("l", -(2**40)),
        "L": Field("L", 2**40),
        "f": Field("f", 0.5),
        "d": Field("d", 0.25),
        "T": Field("T", 1700000000),
        "S": Field("S", b"text"),
        "x": Field("x", b"\x00\xff"),
        "V": Field("V", None),
        "A": Field("A", [Field("I", 1), Field("A", []), Field("F", {})]),
        "F": Field("F", {"inner": Field("F", {"innermost": Field("t", False)})}),
    }
    request = QueueDeclare(queue=peer.queue(), exclusive=True, arguments=arguments)
    channel.call(request, QueueDeclareOk)


# Text that is not UTF-8


def _not_utf_8(peer: Peer, method: Method) -> None:
    connection = peer.connect()
    channel = peer.channel(connection)
    channel.send(method)
    connection.expect_close()


@case("S-056")
def queue_name_that_is_not_utf_8(peer: Peer) -> None:
    """Names must be UTF-8."""
    _not_utf_8(peer, QueueDeclare(queue="\udcff\udcfe", exclusive=True))


@case("S-056")
def exchange_name_that_is_not_utf_8(peer: Peer) -> None:
    """Names of exchanges must be UTF-8."""
    _not_utf_8(peer, ExchangeDeclare(exchange="\udcc3("))


@case("S-056")
def routing_key_of_queue_bind_that_is_not_utf_8(peer: Peer) -> None:
    """Routing keys of bindings must be UTF-8."""
    _not_utf_8(peer, QueueBind(0, "jobs", "amq.direct", "\udc80"))


@case("S-056")
def routing_key_of_exchange_bind_that_is_not_utf_8(peer: Peer) -> None:
    """Routing keys of bindings between exchanges must be UTF-8."""
    _not_utf_8(peer, ExchangeBind(0, "amq.direct", "amq.fanout", "\udcff"))


@case("S-056", "S-125")
def routing_key_of_publish_that_is_not_utf_8(peer: Peer) -> None:
    """The routing key of basic.publish is not looked at: it may be any bytes."""
    queue = peer.queue()
    channel = peer.channel()
    with peer.quiet():
        channel.call(QueueDeclare(queue=queue, exclusive=True))
        channel.call(QueueBind(0, queue, "amq.fanout"))
    channel.publish("amq.fanout", "\udcff", b"hello")
    channel.round_trip()
