"""The first eight bytes: which protocols are spoken, and what is said to all others."""

from __future__ import annotations

from amqpbroker.spec.constants import PROTOCOL_HEADER
from amqpbroker.spec.methods import ConnectionStart
from amqpbroker.testing.raw_events import ProtocolHeaderReceived
from conformance.peers import Peer
from conformance.registry import case


def _refused(peer: Peer, raw: bytes) -> None:
    """Send *raw*; the server names a protocol that it speaks, and closes."""
    connection = peer.dial()
    connection.send_bytes(raw)
    event = connection.receive()
    assert isinstance(event, ProtocolHeaderReceived), event
    connection.expect_closed()


@case("S-013", "S-018", "S-019", "S-020")
def amqp_0_9_1(peer: Peer) -> None:
    """The header of 0-9-1 is answered by connection.start."""
    peer.dial().start()


@case("S-013")
def amqp_0_9(peer: Peer) -> None:
    """The header of 0-9 is taken for 0-9-1."""
    connection = peer.dial()
    connection.send_protocol_header(b"AMQP\x01\x01\x00\x09")
    connection.expect(ConnectionStart)


@case("S-013")
def header_in_single_bytes(peer: Peer) -> None:
    """A header that comes byte by byte is a header."""
    connection = peer.dial()
    with peer.quiet():
        for byte in PROTOCOL_HEADER:
            connection.send_bytes(bytes((byte,)))
    connection.expect(ConnectionStart)


@case("S-014", "S-015")
def amqp_0_8(peer: Peer) -> None:
    """The header of 0-8 is refused since 4.0."""
    connection = peer.dial()
    connection.send_protocol_header(b"AMQP\x01\x01\x08\x00")
    connection.receive()
    if not connection.is_closed:
        connection.drop()


@case("S-014", "S-015")
def amqp_0_9_1_as_once_written(peer: Peer) -> None:
    """The header AMQP 1 1 9 1, which some early clients sent, is refused since 4.0."""
    connection = peer.dial()
    connection.send_protocol_header(b"AMQP\x01\x01\x09\x01")
    connection.receive()
    if not connection.is_closed:
        connection.drop()


@case("S-015")
def later_revision(peer: Peer) -> None:
    """AMQP 0 0 9 2 does not exist: the server proposes 0-9-1."""
    _refused(peer, b"AMQP\x00\x00\x09\x02")


@case("S-015")
def later_minor_version(peer: Peer) -> None:
    """AMQP 0 0 10 0 does not exist: the server proposes 0-9-1."""
    _refused(peer, b"AMQP\x00\x00\x0a\x00")


@case("S-015")
def earlier_minor_version(peer: Peer) -> None:
    """AMQP 0 0 8 0 does not exist: 4.0 proposes AMQP 1.0 with SASL."""
    _refused(peer, b"AMQP\x00\x00\x08\x00")


@case("S-015")
def later_major_version(peer: Peer) -> None:
    """AMQP 0 2 0 0 does not exist."""
    _refused(peer, b"AMQP\x00\x02\x00\x00")


@case("S-016")
def amqp_1_0_without_sasl(peer: Peer) -> None:
    """The header of AMQP 1.0 without SASL is refused."""
    _refused(peer, b"AMQP\x00\x01\x00\x00")


@case("S-015")
def amqp_1_0_over_tls(peer: Peer) -> None:
    """The header that asks for TLS inside AMQP 1.0 is refused."""
    _refused(peer, b"AMQP\x02\x01\x00\x00")


@case("S-016")
def amqp_1_0_with_sasl(peer: Peer) -> None:
    """The header of AMQP 1.0 with SASL: 4.0 speaks it, 3.10 does not."""
    connection = peer.dial()
    connection.send_protocol_header(b"AMQP\x03\x01\x00\x00")
    connection.receive()
    connection.drop()


@case("S-015")
def http_request(peer: Peer) -> None:
    """A browser that knocks at the wrong port is told which protocol is spoken."""
    _refused(peer, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


@case("S-015")
def tls_hello(peer: Peer) -> None:
    """A TLS client hello on the plain port is answered in plain text."""
    _refused(peer, bytes.fromhex("160301020001000001fc0303"))


@case("S-015")
def garbage(peer: Peer) -> None:
    """Eight bytes of anything are refused."""
    _refused(peer, b"\x00\x01\x02\x03\x04\x05\x06\x07")


@case("S-015")
def lower_case(peer: Peer) -> None:
    """The four letters are capitals."""
    _refused(peer, b"amqp\x00\x00\x09\x01")


@case("S-017")
def half_a_header(peer: Peer) -> None:
    """A client that hangs up within the header gets no answer."""
    connection = peer.dial()
    connection.send_bytes(PROTOCOL_HEADER[:4])
    connection.finish_sending()
    connection.expect_closed()


@case("S-017", slow=True)
def silence(peer: Peer) -> None:
    """A client that says nothing is disconnected after the handshake time limit."""
    peer.expect_silent_close(peer.dial())


@case("S-017", slow=True)
def silence_after_start(peer: Peer) -> None:
    """The handshake time limit counts until connection.open, not until the header."""
    connection = peer.dial()
    connection.start()
    peer.expect_silent_close(connection)
