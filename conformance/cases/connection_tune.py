"""From connection.tune to connection.open-ok: limits that both sides keep, and the virtual host.

RabbitMQ does not take the smaller of two values: what the client says in tune-ok counts, or is
refused.  The reference says that the refusal is a connection.close with 530 (S-032 to S-034); the
text is made, but 3.10.8 and 4.0.5 log it and close without a word after three seconds, as they do
for every error before tune-ok was taken.
"""

from __future__ import annotations

from amqpbroker.spec.constants import FRAME_HEADER
from amqpbroker.spec.method import Method
from amqpbroker.spec.methods import (
    ChannelOpen,
    ConnectionClose,
    ConnectionOpen,
    ConnectionOpenOk,
    ConnectionSecureOk,
    ConnectionStartOk,
    ConnectionTune,
    ConnectionTuneOk,
    QueueDeclare,
)
from amqpbroker.spec.table import EMPTY_TABLE
from amqpbroker.testing.raw_client import RawConnection, encode_content_header, plain
from conformance.peers import Peer
from conformance.registry import case


def _logged_in(peer: Peer) -> RawConnection:
    """A connection that has received connection.tune; nothing of it is written down."""
    with peer.quiet():
        connection = peer.dial()
        connection.start()
        connection.start_ok()
        connection.expect(ConnectionTune)
    return connection


def _tuned(peer: Peer) -> RawConnection:
    """A connection that awaits connection.open."""
    connection = _logged_in(peer)
    with peer.quiet():
        connection.tune_ok(2047, 131072, 0)
    return connection


def _accepted(peer: Peer, channel_max: int, frame_max: int, heartbeat: int) -> None:
    connection = _logged_in(peer)
    connection.tune_ok(channel_max, frame_max, heartbeat)
    connection.open_virtual_host("/")


def _refused(peer: Peer, channel_max: int, frame_max: int) -> None:
    connection = _logged_in(peer)
    connection.tune_ok(channel_max, frame_max, 0)
    peer.expect_silent_close(connection)


@case("S-031", "S-035", "S-037", "S-047")
def as_proposed(peer: Peer) -> None:
    """What the server proposes may be taken; tune-ok has no answer of its own."""
    _accepted(peer, 2047, 131072, 60)


@case("S-032")
def least_frame_max(peer: Peer) -> None:
    """A frame-max of 4,096 may be negotiated."""
    _accepted(peer, 2047, 4096, 0)


@case("S-032", slow=True)
def frame_max_too_small(peer: Peer) -> None:
    """A frame-max below 4,096 is refused."""
    _refused(peer, 2047, 4095)


@case("S-032", slow=True)
def frame_max_of_one(peer: Peer) -> None:
    """A frame-max of 1 is too low, too."""
    _refused(peer, 2047, 1)


@case("S-033", slow=True)
def frame_max_too_large(peer: Peer) -> None:
    """A frame-max above the server's is refused, not lowered."""
    _refused(peer, 2047, 131073)


@case("S-033", slow=True)
def frame_max_without_limit(peer: Peer) -> None:
    """A frame-max of 0, which means no limit, is refused since the server has one."""
    _refused(peer, 2047, 0)


@case("S-034", slow=True)
def channel_max_too_large(peer: Peer) -> None:
    """A channel-max above the server's is refused."""
    _refused(peer, 2048, 131072)


@case("S-034", slow=True)
def channel_max_without_limit(peer: Peer) -> None:
    """A channel-max of 0, which means no limit, is refused since the server has one."""
    _refused(peer, 0, 131072)


@case("S-032", "S-034", slow=True)
def both_wrong(peer: Peer) -> None:
    """Two wrong limits are one refusal."""
    _refused(peer, 2048, 4095)


@case("S-035")
def channel_max_of_one(peer: Peer) -> None:
    """A connection may do with one channel."""
    _accepted(peer, 1, 131072, 0)


@case("S-035")
def longest_heartbeat(peer: Peer) -> None:
    """A heartbeat longer than the server's proposal is taken."""
    _accepted(peer, 2047, 131072, 65535)


@case("S-011", "S-034", slow=True)
def open_sent_along_with_a_refused_tune_ok(peer: Peer) -> None:
    """What follows a refused tune-ok is not acted on."""
    connection = _logged_in(peer)
    connection.tune_ok(2048, 131072)
    connection.send_method(0, ConnectionOpen("/"))
    peer.expect_silent_close(connection)


def _tuning_silence(peer: Peer, method: Method, channel: int = 0) -> None:
    connection = _logged_in(peer)
    connection.send_method(channel, method)
    peer.expect_silent_close(connection)


@case("S-037", slow=True)
def open_instead_of_tune_ok(peer: Peer) -> None:
    """connection.open before tune-ok is met with silence."""
    _tuning_silence(peer, ConnectionOpen("/"))


@case("S-045", slow=True)
def close_instead_of_tune_ok(peer: Peer) -> None:
    """connection.close is not understood before connection.open."""
    _tuning_silence(peer, ConnectionClose(200))


@case("S-053", slow=True)
def channel_instead_of_tune_ok(peer: Peer) -> None:
    """A channel cannot be opened before tune-ok."""
    _tuning_silence(peer, ChannelOpen(), channel=1)


def _opening_refused(peer: Peer, method: Method, channel: int = 0) -> None:
    """Say *method* where connection.open should stand."""
    connection = _tuned(peer)
    connection.send_method(channel, method)
    connection.expect_close()


@case("S-037")
def second_tune_ok(peer: Peer) -> None:
    """After tune-ok errors are told: a second one is 504."""
    _opening_refused(peer, ConnectionTuneOk(2047, 131072, 0))


@case("S-037")
def start_ok_instead_of_open(peer: Peer) -> None:
    """start-ok after tune-ok is 504."""
    method = ConnectionStartOk(EMPTY_TABLE, "PLAIN", plain("guest", "guest"))
    _opening_refused(peer, method)


@case("S-037")
def secure_ok_instead_of_open(peer: Peer) -> None:
    """secure-ok after tune-ok is 504."""
    _opening_refused(peer, ConnectionSecureOk(b"guest"))


@case("S-045")
def close_instead_of_open(peer: Peer) -> None:
    """connection.close before connection.open is not honoured: 504."""
    _opening_refused(peer, ConnectionClose(200, "never mind"))


@case("S-037")
def queue_declare_on_channel_0_instead_of_open(peer: Peer) -> None:
    """A method of another class on channel 0 is 504 as well."""
    _opening_refused(peer, QueueDeclare())


@case("S-053")
def channel_instead_of_open(peer: Peer) -> None:
    """A method of a channel before connection.open is an unexpected frame."""
    _opening_refused(peer, ChannelOpen(), channel=1)


@case("S-053", "S-052")
def content_header_instead_of_open(peer: Peer) -> None:
    """A content header of a channel before connection.open is an unexpected frame."""
    connection = _tuned(peer)
    connection.send_frame(FRAME_HEADER, 1, encode_content_header(5))
    connection.expect_close()


def _open_refused(peer: Peer, virtual_host: str) -> None:
    _opening_refused(peer, ConnectionOpen(virtual_host))


@case("S-039", "S-004")
def unknown_virtual_host(peer: Peer) -> None:
    """An unknown virtual host is 530; its name stands without quotes."""
    _open_refused(peer, "elsewhere")


@case("S-047", "S-039")
def empty_virtual_host(peer: Peer) -> None:
    """An empty virtual host is looked up as it is; there is no default."""
    _open_refused(peer, "")


@case("S-039")
def virtual_host_without_its_slash(peer: Peer) -> None:
    """The default virtual host is called ``/``; ``//`` is another one."""
    _open_refused(peer, "//")


@case("S-039")
def virtual_host_in_another_script(peer: Peer) -> None:
    """A virtual host's name may be in any script, also in the refusal."""
    _open_refused(peer, "größe-東京")


@case("S-005", "S-039")
def virtual_host_with_the_longest_name(peer: Peer) -> None:
    """A refusal that would be longer than 255 characters is cut, and ends in three dots."""
    _open_refused(peer, "v" * 255)


@case("S-047")
def reserved_fields_of_open(peer: Peer) -> None:
    """The reserved fields of connection.open are ignored."""
    connection = _tuned(peer)
    connection.send_method(0, ConnectionOpen("/", "something", insist=True))
    connection.expect(ConnectionOpenOk)
