"""An open connection: what channel 0 understands, how it ends, heartbeats, a new secret."""

from __future__ import annotations

from amqpbroker.spec.constants import FRAME_HEARTBEAT
from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import (
    AccessRequest,
    AccessRequestOk,
    BasicPublish,
    ChannelClose,
    ChannelOpen,
    ConnectionBlocked,
    ConnectionClose,
    ConnectionCloseOk,
    ConnectionOpen,
    ConnectionOpenOk,
    ConnectionSecureOk,
    ConnectionStart,
    ConnectionStartOk,
    ConnectionTuneOk,
    ConnectionUpdateSecret,
    ConnectionUpdateSecretOk,
    QueueDeclare,
    QueueDeclareOk,
)
from amqpbroker.testing.raw_events import HeartbeatReceived
from conformance.peers import Peer
from conformance.registry import case


def _refused_on_channel_0(peer: Peer, method: Method) -> None:
    connection = peer.connect()
    connection.send_method(0, method)
    connection.expect_close()


@case("S-071")
def close(peer: Peer) -> None:
    """connection.close is answered by close-ok."""
    connection = peer.connect()
    connection.send_method(0, ConnectionClose(200, "goodbye"))
    connection.expect(ConnectionCloseOk)


@case("S-071", slow=True)
def hanging_up_is_left_to_the_client(peer: Peer) -> None:
    """After close-ok the server ends the TCP connection when a heartbeat (or 30 s) has passed."""
    connection = peer.connect(heartbeat=3)
    connection.send_method(0, ConnectionClose(200, "goodbye"))
    connection.expect(ConnectionCloseOk)
    with peer.quiet():
        while isinstance(connection.receive(), HeartbeatReceived):
            continue
    peer.note("heartbeats, then closed")
    assert connection.is_closed


@case("S-071")
def close_with_an_error_code(peer: Peer) -> None:
    """A client may close with any code."""
    connection = peer.connect()
    connection.send_method(0, ConnectionClose(541, "I give up", 50, 10))
    connection.expect(ConnectionCloseOk)


@case("S-071")
def frames_after_close(peer: Peer) -> None:
    """What a client says on channels after connection.close is ignored."""
    connection = peer.connect()
    channel = peer.channel(connection)
    connection.send_method(0, ConnectionClose(200, "goodbye"))
    channel.send(QueueDeclare(queue="nope", passive=True))
    channel.send(ChannelOpen())
    connection.expect(ConnectionCloseOk)


@case("S-071")
def exclusive_queues_are_gone_before_close_ok(peer: Peer) -> None:
    """When close-ok arrives, the connection's exclusive queues are deleted."""
    queue = peer.queue()
    connection = peer.connect()
    other = peer.channel(peer.connect())
    channel = peer.channel(connection)
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    connection.send_method(0, ConnectionClose(200))
    connection.expect(ConnectionCloseOk)
    other.refused(QueueDeclare(queue=queue, passive=True))


@case("S-071")
def close_ok_that_nobody_asked_for(peer: Peer) -> None:
    """connection.close-ok without a close is an error."""
    _refused_on_channel_0(peer, ConnectionCloseOk())


@case("S-046")
def second_open(peer: Peer) -> None:
    """A connection is opened once."""
    _refused_on_channel_0(peer, ConnectionOpen("/"))


@case("S-046")
def start_ok_while_running(peer: Peer) -> None:
    """start-ok belongs to the handshake."""
    _refused_on_channel_0(peer, ConnectionStartOk())


@case("S-046")
def tune_ok_while_running(peer: Peer) -> None:
    """tune-ok belongs to the handshake."""
    _refused_on_channel_0(peer, ConnectionTuneOk(2047, 131072, 0))


@case("S-046")
def secure_ok_while_running(peer: Peer) -> None:
    """secure-ok belongs to the handshake."""
    _refused_on_channel_0(peer, ConnectionSecureOk(b""))


@case("S-082")
def start_from_the_client(peer: Peer) -> None:
    """connection.start is the server's to say."""
    _refused_on_channel_0(peer, ConnectionStart())


@case("S-082")
def open_ok_from_the_client(peer: Peer) -> None:
    """connection.open-ok is the server's to say."""
    _refused_on_channel_0(peer, ConnectionOpenOk())


@case("S-082")
def blocked_from_the_client(peer: Peer) -> None:
    """connection.blocked is the server's to say."""
    _refused_on_channel_0(peer, ConnectionBlocked("out of coffee"))


@case("S-081")
def channel_open_on_channel_0(peer: Peer) -> None:
    """Channel 0 is the connection's: it cannot be opened."""
    _refused_on_channel_0(peer, ChannelOpen())


@case("S-081")
def channel_close_on_channel_0(peer: Peer) -> None:
    """Channel 0 is the connection's: it cannot be closed as a channel."""
    _refused_on_channel_0(peer, ChannelClose(200))


@case("S-081")
def queue_declare_on_channel_0(peer: Peer) -> None:
    """Channel 0 has no queues."""
    _refused_on_channel_0(peer, QueueDeclare(queue="nope", passive=True))


@case("S-081")
def publish_on_channel_0(peer: Peer) -> None:
    """Nothing is published on channel 0."""
    _refused_on_channel_0(peer, BasicPublish(0, "", "nope"))


def _refused_on_a_channel(peer: Peer, method: Method) -> None:
    channel = peer.channel()
    channel.send(method)
    channel.connection.expect_close()


@case("S-082")
def open_on_a_channel(peer: Peer) -> None:
    """connection.open belongs on channel 0."""
    _refused_on_a_channel(peer, ConnectionOpen("/"))


@case("S-082")
def close_on_a_channel(peer: Peer) -> None:
    """connection.close belongs on channel 0."""
    _refused_on_a_channel(peer, ConnectionClose(200))


@case("S-082")
def start_ok_on_a_channel(peer: Peer) -> None:
    """connection.start-ok belongs on channel 0."""
    _refused_on_a_channel(peer, ConnectionStartOk())


@case("S-079")
def close_on_a_channel_that_is_not_open(peer: Peer) -> None:
    """On a channel that is not open, connection.close is like any other method."""
    connection = peer.connect()
    connection.send_method(1, ConnectionClose(200))
    connection.expect_close()


@case("S-073")
def update_secret(peer: Peer) -> None:
    """Passwords do not expire, so any new secret is taken."""
    connection = peer.connect()
    connection.send_method(0, ConnectionUpdateSecret(b"new secret", "it expires"))
    connection.expect(ConnectionUpdateSecretOk)


@case("S-073")
def update_secret_that_is_empty(peer: Peer) -> None:
    """An empty secret is taken as well."""
    connection = peer.connect()
    connection.send_method(0, ConnectionUpdateSecret(b"", ""))
    connection.expect(ConnectionUpdateSecretOk)


@case("S-073", "S-082")
def update_secret_on_a_channel(peer: Peer) -> None:
    """connection.update-secret belongs on channel 0."""
    _refused_on_a_channel(peer, ConnectionUpdateSecret(b"new secret", ""))


@case("S-011", "S-079")
def frames_after_the_servers_close(peer: Peer) -> None:
    """After connection.close the server ignores channels, and takes close-ok."""
    connection = peer.connect()
    channel = peer.channel(connection)
    connection.send_method(9, QueueDeclare(queue="nope", passive=True))
    connection.expect(ConnectionClose)
    channel.send(QueueDeclare(queue="nope", passive=True))
    channel.send(ChannelOpen())
    connection.send_method(0, ConnectionCloseOk())
    connection.expect_closed()


@case("S-011")
def closes_that_cross(peer: Peer) -> None:
    """A client's close that meets the server's is answered."""
    connection = peer.connect()
    connection.send_method(0, ConnectionOpen("/"))
    connection.send_method(0, ConnectionClose(200, "me too"))
    connection.expect(ConnectionClose)
    connection.expect(ConnectionCloseOk)


@case("S-012")
def exclusive_queues_are_gone_before_the_servers_close(peer: Peer) -> None:
    """When the server closes a connection, its exclusive queues are deleted first."""
    queue = peer.queue()
    connection = peer.connect()
    channel = peer.channel(connection)
    channel.call(QueueDeclare(queue=queue, exclusive=True))
    connection.send_method(0, ConnectionOpen("/"))
    connection.expect(ConnectionClose)
    other = peer.channel(peer.connect())
    other.refused(QueueDeclare(queue=queue, passive=True))


@case("S-083")
def access_request(peer: Peer) -> None:
    """access.request of AMQP 0-8 is still answered, with ticket 1."""
    peer.channel().call(AccessRequest(), AccessRequestOk)


@case("S-083")
def tickets_are_ignored(peer: Peer) -> None:
    """A ticket that nobody gave out changes nothing."""
    queue = peer.queue()
    peer.channel().call(QueueDeclare(ticket=4711, queue=queue, exclusive=True), QueueDeclareOk)


@case("S-066")
def heartbeats_without_negotiation(peer: Peer) -> None:
    """A client may send heartbeats although it has asked for none; they are ignored."""
    connection = peer.connect(heartbeat=0)
    connection.send_frame(FRAME_HEARTBEAT, 0, b"")
    connection.send_frame(FRAME_HEARTBEAT, 0, b"")
    peer.channel(connection).round_trip()


@case("S-066", slow=True)
def heartbeats_from_the_server(peer: Peer) -> None:
    """The server sends heartbeats when it has nothing else to say."""
    connection = peer.connect(heartbeat=2)
    for _ in range(2):
        event = connection.receive()
        assert isinstance(event, HeartbeatReceived), event
        connection.send_frame(FRAME_HEARTBEAT, 0, b"")


@case("S-067", slow=True)
def client_without_heartbeats(peer: Peer) -> None:
    """A client that stays silent for two to three heartbeats is disconnected without a word."""
    connection = peer.connect(heartbeat=1)
    with peer.quiet():
        heartbeats = 0
        while isinstance(connection.receive(), HeartbeatReceived):
            heartbeats += 1
    assert heartbeats >= 2
    peer.note("heartbeats, then closed")
    assert connection.is_closed


@case("S-067", slow=True)
def any_traffic_is_a_heartbeat(peer: Peer) -> None:
    """A client that talks does not need heartbeat frames."""
    connection = peer.connect(heartbeat=1)
    channel = peer.channel(connection)
    with peer.quiet():
        for _ in range(5):
            while isinstance(connection.receive(0), HeartbeatReceived):
                channel.round_trip()
                break
    channel.round_trip()
