"""From connection.start to connection.tune: who one is, and how a refusal sounds.

RabbitMQ tells a client that its login was refused only if the client said that it understands
that; everybody else, and whoever errs before being known, is met with three seconds of silence.
"""

from __future__ import annotations

from amqpbroker.spec.constants import FRAME_BODY, FRAME_HEARTBEAT, FRAME_METHOD
from amqpbroker.spec.method import Method, encode_method
from amqpbroker.spec.methods import (
    ChannelOpen,
    ConnectionClose,
    ConnectionOpen,
    ConnectionSecureOk,
    ConnectionStart,
    ConnectionStartOk,
    ConnectionTune,
    ConnectionTuneOk,
)
from amqpbroker.spec.table import EMPTY_TABLE, Table, encode_table
from amqpbroker.testing.raw_client import RawConnection, as_table, client_properties, plain
from conformance.peers import Peer
from conformance.registry import case

_UNDERSTANDING = client_properties("authentication_failure_close")


def _started(peer: Peer) -> RawConnection:
    """A connection that has received connection.start; nothing of it is written down."""
    with peer.quiet():
        connection = peer.dial()
        connection.start()
    return connection


def _amqplain(**fields: object) -> bytes:
    """The response of AMQPLAIN: a table without its length."""
    return encode_table(as_table(fields))[4:]


def _log_in(
    peer: Peer, mechanism: str, response: bytes, properties: Table = EMPTY_TABLE
) -> RawConnection:
    connection = _started(peer)
    connection.start_ok(mechanism=mechanism, response=response, properties=properties)
    return connection


def _refused(peer: Peer, mechanism: str, response: bytes) -> None:
    """Log in as a client that understands a refusal, and be refused."""
    _log_in(peer, mechanism, response, _UNDERSTANDING).expect_close()


def _met_with_silence(peer: Peer, mechanism: str, response: bytes) -> None:
    peer.expect_silent_close(_log_in(peer, mechanism, response, _UNDERSTANDING))


@case("S-022", "S-031")
def plain_login(peer: Peer) -> None:
    """PLAIN with the right password is answered by connection.tune."""
    _log_in(peer, "PLAIN", plain("guest", "guest")).expect(ConnectionTune)


@case("S-023", "S-031")
def amqplain_login(peer: Peer) -> None:
    """AMQPLAIN with the right password is answered by connection.tune."""
    response = _amqplain(LOGIN="guest", PASSWORD="guest")
    _log_in(peer, "AMQPLAIN", response).expect(ConnectionTune)


@case("S-023")
def amqplain_with_more_fields(peer: Peer) -> None:
    """AMQPLAIN takes its two fields in any order and ignores others."""
    response = _amqplain(PASSWORD="guest", realm=1, LOGIN="guest")
    _log_in(peer, "AMQPLAIN", response).expect(ConnectionTune)


@case("S-030")
def anonymous_login(peer: Peer) -> None:
    """ANONYMOUS logs in as the default user since 4.0; its response is ignored."""
    connection = _log_in(peer, "ANONYMOUS", b"whoever", _UNDERSTANDING)
    connection.receive(time_limit_s=10)


@case("S-025", "S-027", "S-003", "S-004")
def plain_with_a_wrong_password(peer: Peer) -> None:
    """A wrong password is refused with 403 to a client that understands it."""
    _refused(peer, "PLAIN", plain("guest", "wrong"))


@case("S-025", "S-027")
def plain_with_an_unknown_user(peer: Peer) -> None:
    """An unknown user is refused with the same words as a wrong password."""
    _refused(peer, "PLAIN", plain("nobody", "guest"))


@case("S-027")
def plain_with_a_blank_password(peer: Peer) -> None:
    """A blank password is refused with the same words."""
    _refused(peer, "PLAIN", plain("guest", ""))


@case("S-027")
def plain_with_a_blank_user(peer: Peer) -> None:
    """A blank user name is refused with the same words."""
    _refused(peer, "PLAIN", plain("", "guest"))


@case("S-027")
def plain_with_a_user_in_other_letters(peer: Peer) -> None:
    """User names are case-sensitive, and may be in any script."""
    _refused(peer, "PLAIN", plain("Guest", "guest"))


@case("S-025", "S-023")
def amqplain_with_a_wrong_password(peer: Peer) -> None:
    """The refusal names the mechanism."""
    _refused(peer, "AMQPLAIN", _amqplain(LOGIN="guest", PASSWORD="wrong"))


@case("S-026", slow=True)
def wrong_password_without_the_capability(peer: Peer) -> None:
    """A client that does not say that it understands a refusal is not told."""
    peer.expect_silent_close(_log_in(peer, "PLAIN", plain("guest", "wrong")))


@case("S-021", "S-026", slow=True)
def capability_that_is_false(peer: Peer) -> None:
    """A capability counts only if it is true."""
    properties = as_table({"capabilities": {"authentication_failure_close": False}})
    connection = _log_in(peer, "PLAIN", plain("guest", "wrong"), properties)
    peer.expect_silent_close(connection)


@case("S-021", slow=True)
def capability_outside_its_table(peer: Peer) -> None:
    """A capability counts only inside the table of capabilities."""
    properties = as_table({"authentication_failure_close": True})
    connection = _log_in(peer, "PLAIN", plain("guest", "wrong"), properties)
    peer.expect_silent_close(connection)


@case("S-024", slow=True)
def unknown_mechanism(peer: Peer) -> None:
    """An unknown mechanism is met with silence."""
    _met_with_silence(peer, "SCRAM-SHA-256", b"")


@case("S-024", slow=True)
def mechanism_in_small_letters(peer: Peer) -> None:
    """Mechanism names are case-sensitive."""
    _met_with_silence(peer, "plain", plain("guest", "guest"))


@case("S-018", "S-024", slow=True)
def external_without_tls(peer: Peer) -> None:
    """EXTERNAL is not offered on a plain connection."""
    _met_with_silence(peer, "EXTERNAL", b"")


@case("S-022", "S-024", slow=True)
def plain_with_an_authorisation_identity(peer: Peer) -> None:
    """PLAIN's first part must be empty."""
    _met_with_silence(peer, "PLAIN", b"guest\x00guest\x00guest")


@case("S-022", "S-024", slow=True)
def plain_without_a_password(peer: Peer) -> None:
    """A response of PLAIN that has no second NUL is malformed."""
    _met_with_silence(peer, "PLAIN", b"\x00guest")


@case("S-022", "S-024", slow=True)
def plain_with_a_third_part(peer: Peer) -> None:
    """A response of PLAIN with something behind the password is malformed."""
    _met_with_silence(peer, "PLAIN", b"\x00guest\x00guest\x00more")


@case("S-023", "S-024", slow=True)
def amqplain_without_a_password(peer: Peer) -> None:
    """AMQPLAIN needs both of its fields."""
    _met_with_silence(peer, "AMQPLAIN", _amqplain(LOGIN="guest"))


@case("S-023", "S-024", slow=True)
def amqplain_that_is_no_table(peer: Peer) -> None:
    """A response of AMQPLAIN that cannot be decoded is malformed."""
    _met_with_silence(peer, "AMQPLAIN", b"\x05LOGINS\xff\xff\xff\xffguest")


def _says_instead(peer: Peer, method: Method, channel: int = 0) -> None:
    """Say *method* where start-ok should stand."""
    connection = _started(peer)
    connection.send_method(channel, method)
    peer.expect_silent_close(connection)


@case("S-024", "S-037", slow=True)
def tune_ok_instead_of_start_ok(peer: Peer) -> None:
    """A step of the handshake cannot be skipped."""
    _says_instead(peer, ConnectionTuneOk(0, 131072, 0))


@case("S-024", "S-037", slow=True)
def open_instead_of_start_ok(peer: Peer) -> None:
    """Without a login there is no connection.open."""
    _says_instead(peer, ConnectionOpen())


@case("S-045", slow=True)
def close_instead_of_start_ok(peer: Peer) -> None:
    """connection.close is not understood before connection.open."""
    _says_instead(peer, ConnectionClose(200))


@case("S-053", slow=True)
def channel_before_login(peer: Peer) -> None:
    """A frame of a channel before the login is met with silence."""
    _says_instead(peer, ChannelOpen(), channel=1)


@case("S-029", "S-024", slow=True)
def secure_ok_that_nobody_asked_for(peer: Peer) -> None:
    """connection.secure-ok is wrong where no challenge was sent."""
    _says_instead(peer, ConnectionSecureOk(b"guest"))


@case("S-024", slow=True)
def method_of_the_server_instead_of_start_ok(peer: Peer) -> None:
    """A client that says connection.start is met with silence."""
    _says_instead(peer, ConnectionStart())


@case("S-037", slow=True)
def second_start_ok(peer: Peer) -> None:
    """One logs in once: in state tuning, too, errors are silent."""
    connection = _log_in(peer, "PLAIN", plain("guest", "guest"))
    connection.expect(ConnectionTune)
    connection.start_ok()
    peer.expect_silent_close(connection)


@case("S-036", slow=True)
def start_ok_larger_than_the_initial_frame_max(peer: Peer) -> None:
    """Before connection.tune-ok a frame holds 4,096 bytes at most."""
    connection = _started(peer)
    connection.start_ok(properties=as_table({"padding": "x" * 4200}))
    peer.expect_silent_close(connection)


@case("S-036")
def start_ok_as_large_as_the_initial_frame_max(peer: Peer) -> None:
    """Before connection.tune-ok a frame with a payload of 4,096 bytes is taken.

    The specification's frame-min-size counts the whole frame: this one is eight bytes larger.
    """
    connection = _started(peer)
    empty = len(_start_ok_payload(""))
    payload = _start_ok_payload("x" * (4096 - empty))
    assert len(payload) == 4096
    connection.send_frame(FRAME_METHOD, 0, payload)
    connection.expect(ConnectionTune)


def _start_ok_payload(padding: str) -> bytes:
    properties = as_table({"padding": padding})
    return encode_method(ConnectionStartOk(properties, "PLAIN", plain("guest", "guest")))


@case("S-024", slow=True)
def body_frame_instead_of_start_ok(peer: Peer) -> None:
    """A frame of the wrong kind before the login is met with silence."""
    connection = _started(peer)
    connection.send_frame(FRAME_BODY, 0, b"hello")
    peer.expect_silent_close(connection)


@case("S-024", slow=True)
def start_ok_that_cannot_be_decoded(peer: Peer) -> None:
    """A start-ok that ends too early is met with silence."""
    connection = _started(peer)
    connection.send_frame(FRAME_METHOD, 0, bytes.fromhex("000a000b000000"))
    peer.expect_silent_close(connection)


@case("S-024")
def heartbeat_before_login(peer: Peer) -> None:
    """A heartbeat frame is taken at any time, also before the login."""
    connection = _started(peer)
    connection.send_frame(FRAME_HEARTBEAT, 0, b"")
    connection.start_ok()
    connection.expect(ConnectionTune)


@case("S-018")
def unknown_locale(peer: Peer) -> None:
    """The locale of start-ok is ignored."""
    connection = _started(peer)
    method = ConnectionStartOk(EMPTY_TABLE, "PLAIN", plain("guest", "guest"), "xx_YY")
    connection.send_method(0, method)
    connection.expect(ConnectionTune)
