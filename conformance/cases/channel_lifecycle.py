"""Channels: opened, closed, opened again; what is said on them too early, too late, or ever."""

from __future__ import annotations

from amqpbroker.spec.constants import FRAME_BODY
from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import (
    BasicAck,
    BasicCancelOk,
    BasicConsumeOk,
    BasicPublish,
    BasicQosOk,
    ChannelClose,
    ChannelCloseOk,
    ChannelFlow,
    ChannelFlowOk,
    ChannelOpen,
    ChannelOpenOk,
    ConfirmSelectOk,
    ConnectionClose,
    ExchangeDeclareOk,
    QueueDeclare,
    QueueDeclareOk,
    TxCommitOk,
)
from amqpbroker.spec.properties import NO_PROPERTIES
from conformance.peers import Peer
from conformance.registry import case

_ABSENT = QueueDeclare(queue="nope", passive=True)
"""What closes a channel with 404."""


# Opening and closing


@case("S-081")
def open_(peer: Peer) -> None:
    """channel.open-ok has an empty long string."""
    peer.connect().channel()


@case("S-085")
def close(peer: Peer) -> None:
    """channel.close is answered by close-ok, and the number may be used again."""
    channel = peer.channel()
    channel.close()
    channel.open()
    channel.round_trip()


@case("S-085")
def close_with_an_error_code(peer: Peer) -> None:
    """A client may close a channel with any code; the connection goes on."""
    channel = peer.channel()
    channel.call(ChannelClose(406, "I do not like it", 50, 10), ChannelCloseOk)
    channel.open()


@case("S-080")
def second_open(peer: Peer) -> None:
    """channel.open on an open channel closes the connection."""
    channel = peer.channel()
    channel.send(ChannelOpen())
    channel.connection.expect_close()


@case("S-081")
def out_of_band_settings(peer: Peer) -> None:
    """The reserved field of channel.open is ignored."""
    connection = peer.connect()
    channel = connection.unopened_channel()
    channel.call(ChannelOpen("anything"), ChannelOpenOk)


@case("S-076")
def numbers_need_not_be_in_order(peer: Peer) -> None:
    """A client numbers its channels as it likes."""
    connection = peer.connect()
    for number in (2047, 7, 1000):
        connection.channel(number).round_trip()


@case("S-076")
def number_above_channel_max(peer: Peer) -> None:
    """Channel numbers above channel-max: only the count of open channels is limited."""
    connection = peer.connect(channel_max=10)
    connection.unopened_channel(11).send(ChannelOpen())
    connection.receive()
    connection.drop()


@case("S-076")
def highest_number(peer: Peer) -> None:
    """The highest channel number that a frame can have."""
    connection = peer.connect()
    connection.unopened_channel(65535).send(ChannelOpen())
    connection.receive()
    connection.drop()


@case("S-076", "S-004")
def more_channels_than_negotiated(peer: Peer) -> None:
    """One channel more than channel-max closes the connection."""
    connection = peer.connect(channel_max=3)
    for _ in range(3):
        connection.channel()
    connection.unopened_channel().send(ChannelOpen())
    connection.expect_close()


@case("S-076")
def closed_channels_do_not_count(peer: Peer) -> None:
    """A closed channel makes room for another one."""
    connection = peer.connect(channel_max=2)
    first = connection.channel(1)
    connection.channel(2)
    first.close()
    connection.channel(3).round_trip()


@case("S-076")
def several_hundred_channels(peer: Peer) -> None:
    """A connection may have several hundred channels."""
    connection = peer.connect()
    with peer.quiet():
        channels = [connection.channel() for _ in range(500)]
        for channel in channels:
            channel.round_trip()
    channels[-1].round_trip()
    with peer.quiet():
        connection.close()


# On a channel that is not open


def _needs_open(peer: Peer, method: Method) -> None:
    connection = peer.connect()
    connection.send_method(1, method)
    connection.expect_close()


@case("S-079")
def queue_declare_without_open(peer: Peer) -> None:
    """A method on a channel that is not open closes the connection."""
    _needs_open(peer, QueueDeclare(queue="nope", passive=True))


@case("S-079")
def publish_without_open(peer: Peer) -> None:
    """A publish on a channel that is not open closes the connection."""
    connection = peer.connect()
    connection.send_method(3, BasicPublish(0, "", "nope"))
    connection.send_content(3, b"hello", NO_PROPERTIES)
    connection.expect_close()


@case("S-079")
def close_without_open(peer: Peer) -> None:
    """channel.close on a channel that is not open closes the connection."""
    _needs_open(peer, ChannelClose(200))


@case("S-079")
def close_ok_without_open(peer: Peer) -> None:
    """channel.close-ok on a channel that is not open closes the connection."""
    _needs_open(peer, ChannelCloseOk())


@case("S-079")
def second_close(peer: Peer) -> None:
    """A channel that is closed is not open: channel.close is an error."""
    channel = peer.channel()
    channel.close()
    channel.send(ChannelClose(200))
    channel.connection.expect_close()


@case("S-079")
def method_after_close(peer: Peer) -> None:
    """A method behind channel.close finds no channel."""
    channel = peer.channel()
    channel.close()
    channel.send(_ABSENT)
    channel.connection.expect_close()


# Errors that close a channel


@case("S-001", "S-004", "S-008")
def an_error_closes_only_its_channel(peer: Peer) -> None:
    """A soft error closes one channel; the others go on."""
    connection = peer.connect()
    channel, other = peer.channel(connection), peer.channel(connection)
    channel.refused(_ABSENT)
    other.round_trip()
    channel.open()
    channel.round_trip()


@case("S-008")
def methods_after_an_error_are_ignored(peer: Peer) -> None:
    """Between the server's channel.close and close-ok, methods are ignored."""
    channel = peer.channel()
    channel.send(_ABSENT)
    channel.expect_close(answer=False)
    channel.send(QueueDeclare(queue="amq.forbidden"))
    channel.send(BasicAck(99))
    channel.send(ChannelCloseOk())
    channel.open()
    channel.round_trip()


@case("S-008", "S-080")
def open_before_close_ok(peer: Peer) -> None:
    """channel.open before close-ok is not ignored, but a hard error.

    The reference says that all but close and close-ok is ignored; 3.10.8 and 4.0.5 notice a
    second channel.open.
    """
    channel = peer.channel()
    channel.send(_ABSENT)
    channel.expect_close(answer=False)
    channel.send(ChannelOpen())
    channel.connection.expect_close()


@case("S-009")
def content_after_an_error_is_swallowed(peer: Peer) -> None:
    """Publishes that were on their way when the channel was closed are swallowed."""
    channel = peer.channel()
    channel.send(_ABSENT)
    channel.expect_close(answer=False)
    for body in (b"one", b""):
        channel.publish("", "nope", body)
    channel.send(ChannelCloseOk())
    channel.open()
    channel.round_trip()


@case("S-009", "S-057")
def half_a_content_after_an_error(peer: Peer) -> None:
    """Only whole contents are swallowed: a body without its publish is still a hard error."""
    channel = peer.channel()
    channel.send(_ABSENT)
    channel.expect_close(answer=False)
    channel.send_frame(FRAME_BODY, b"hello")
    channel.connection.expect_close()


@case("S-010")
def closes_that_cross(peer: Peer) -> None:
    """A client's channel.close that meets the server's is answered; close-ok still counts."""
    channel = peer.channel()
    channel.send(_ABSENT)
    channel.expect_close(answer=False)
    channel.send(ChannelClose(200, "me too"))
    channel.expect(ChannelCloseOk)
    channel.send(ChannelCloseOk())
    channel.open()
    channel.round_trip()


@case("S-010", "S-080")
def opened_after_closes_that_crossed(peer: Peer) -> None:
    """After closes that crossed, the number is not free before the client's close-ok."""
    channel = peer.channel()
    channel.send(_ABSENT)
    channel.expect_close(answer=False)
    channel.send(ChannelClose(200, "me too"))
    channel.expect(ChannelCloseOk)
    channel.send(ChannelOpen())
    channel.connection.expect_close()


@case("S-079")
def second_close_ok(peer: Peer) -> None:
    """A close-ok too many finds no channel."""
    channel = peer.channel()
    channel.refused(_ABSENT)
    channel.send(ChannelCloseOk())
    channel.connection.expect_close()


@case("S-002")
def close_ok_that_nobody_asked_for(peer: Peer) -> None:
    """channel.close-ok on an open channel."""
    channel = peer.channel()
    channel.send(ChannelCloseOk())
    channel.connection.receive()
    channel.connection.drop()


@case("S-086")
def methods_behind_an_error(peer: Peer) -> None:
    """Of methods sent in one go, those behind the one that fails do not count."""
    queue = peer.queue()
    channel = peer.channel()
    channel.send(_ABSENT)
    channel.send(QueueDeclare(queue=queue))
    channel.expect_close()
    channel.open()
    channel.refused(QueueDeclare(queue=queue, passive=True))


@case("S-086")
def methods_in_one_go(peer: Peer) -> None:
    """Several methods may be on their way; they are answered in order."""
    queue = peer.queue()
    channel = peer.channel()
    channel.send(QueueDeclare(queue=queue, exclusive=True))
    channel.publish("", queue, b"hello")
    channel.send(ChannelFlow(True))
    channel.send(ChannelClose(200))
    channel.expect(QueueDeclareOk)
    channel.expect(ChannelFlowOk)
    channel.expect(ChannelCloseOk)


@case("S-005")
def the_longest_reply_text(peer: Peer) -> None:
    """A reply text is cut at 255 characters and ends in three dots."""
    peer.channel().refused(QueueDeclare(queue="q" * 255, passive=True))


@case("S-005")
def the_longest_reply_text_in_another_script(peer: Peer) -> None:
    """A reply text with characters of several bytes is cut so that it stays UTF-8.

    A short string holds 255 bytes.  4.0.5 cuts at 255 characters only, cannot encode the rest, and
    crashes: 541.
    """
    channel = peer.channel()
    channel.send(QueueDeclare(queue="ü" * 127, passive=True))
    channel.receive()
    channel.connection.drop()


# Flow


@case("S-084")
def flow_active(peer: Peer) -> None:
    """channel.flow with active is answered."""
    peer.channel().call(ChannelFlow(True), ChannelFlowOk)


@case("S-084")
def flow_inactive(peer: Peer) -> None:
    """channel.flow without active is not implemented, and closes the connection."""
    channel = peer.channel()
    channel.send(ChannelFlow(False))
    channel.connection.expect_close()


@case("S-084", "S-082")
def flow_ok_from_the_client(peer: Peer) -> None:
    """The server never sends channel.flow, so flow-ok answers nothing."""
    channel = peer.channel()
    channel.send(ChannelFlowOk(True))
    channel.connection.receive()
    channel.connection.drop()


# Methods of the server


def _not_a_clients_method(peer: Peer, method: Method) -> None:
    channel = peer.channel()
    channel.send(method)
    channel.connection.expect_close()


@case("S-082")
def open_ok_from_the_client(peer: Peer) -> None:
    """A client may not say channel.open-ok."""
    _not_a_clients_method(peer, ChannelOpenOk())


@case("S-082")
def queue_declare_ok_from_the_client(peer: Peer) -> None:
    """A client may not say queue.declare-ok."""
    _not_a_clients_method(peer, QueueDeclareOk("jobs", 0, 0))


@case("S-082")
def exchange_declare_ok_from_the_client(peer: Peer) -> None:
    """A client may not say exchange.declare-ok."""
    _not_a_clients_method(peer, ExchangeDeclareOk())


@case("S-082")
def consume_ok_from_the_client(peer: Peer) -> None:
    """A client may not say basic.consume-ok."""
    _not_a_clients_method(peer, BasicConsumeOk("ctag"))


@case("S-082", "S-234")
def cancel_ok_from_the_client(peer: Peer) -> None:
    """A client may not say basic.cancel-ok."""
    _not_a_clients_method(peer, BasicCancelOk("ctag"))


@case("S-082")
def qos_ok_from_the_client(peer: Peer) -> None:
    """A client may not say basic.qos-ok."""
    _not_a_clients_method(peer, BasicQosOk())


@case("S-082")
def confirm_select_ok_from_the_client(peer: Peer) -> None:
    """A client may not say confirm.select-ok."""
    _not_a_clients_method(peer, ConfirmSelectOk())


@case("S-082")
def tx_commit_ok_from_the_client(peer: Peer) -> None:
    """A client may not say tx.commit-ok."""
    _not_a_clients_method(peer, TxCommitOk())


@case("S-002", "S-011")
def a_hard_error_ends_all_channels(peer: Peer) -> None:
    """A hard error on one channel closes the connection with all its channels."""
    queue = peer.queue()
    connection = peer.connect()
    first, second = peer.channel(connection), peer.channel(connection)
    first.call(QueueDeclare(queue=queue, exclusive=True))
    second.send(ChannelFlow(False))
    connection.expect(ConnectionClose)
    other = peer.channel(peer.connect())
    other.refused(QueueDeclare(queue=queue, passive=True))
