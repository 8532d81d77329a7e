"""From the protocol header to an open connection: who may come in, and on which terms.

protocol header -> connection.start;  start-ok -> login, connection.tune;
tune-ok -> nothing;                   open -> connection.open-ok
"""

import ipaddress
import logging
import platform
import socket
from typing import Final

from amqpbroker import __version__
from amqpbroker.engine.access import User
from amqpbroker.engine.broker import Broker
from amqpbroker.engine.client_facts import ClientFacts
from amqpbroker.server.addresses import connection_name
from amqpbroker.server.login_desk import Login
from amqpbroker.server.sasl import ANONYMOUS, EXTERNAL, MECHANISMS, MalformedResponse
from amqpbroker.server.transport import Transport
from amqpbroker.spec import methods as m
from amqpbroker.spec.errors import login_refused
from amqpbroker.spec.table import Field, Table, encode_table, longstr
from amqpbroker.wire.connection import Connection, HandshakeAborted
from amqpbroker.wire.limits import DEFAULT_WIRE_LIMITS, WireLimits

logger = logging.getLogger("amqpbroker")

#: Why a login was refused, for the log; the client is not told more than that it was (S-027).
REFUSED: Final = "unknown user, wrong password, or guest from elsewhere"
_CAPABILITIES: Final = (
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
)
SERVER_PROPERTIES: Final[Table] = {
    "capabilities": Field("F", {name: Field("t", True) for name in _CAPABILITIES}),
    "cluster_name": longstr("amqpbroker"),
    "copyright": longstr("The amqpbroker authors"),
    "information": longstr(f"amqpbroker {__version__}, answering like RabbitMQ"),
    "platform": longstr(f"Python {platform.python_version()}"),
    "product": longstr("amqpbroker"),
}
#: How a TLS client's first words begin: a record of its handshake.
TLS_HELLO: Final = b"\x16\x03"


class Handshake:
    """What is known of a client before its connection is open."""

    __slots__ = (
        "_broker",
        "_certificate_user",
        "_limits",
        "_mechanism",
        "_raw_properties",
        "capabilities",
        "connection_name",
        "peer_address",
        "user",
    )

    def __init__(
        self,
        broker: Broker,
        peer_address: str,
        certificate_user: str | None = None,
        limits: WireLimits = DEFAULT_WIRE_LIMITS,
    ) -> None:
        """*certificate_user* is whom the client's TLS certificate names, if it was verified."""
        self._broker = broker
        self._limits = limits
        self.peer_address = peer_address
        self._certificate_user = certificate_user
        self._mechanism = ""
        self._raw_properties = b""
        self.user: User | None = None
        self.capabilities = frozenset[str]()  # those of ours that the client declared true
        self.connection_name = ""

    def start(self) -> m.ConnectionStart:
        """What we offer: EXTERNAL only to who has shown a certificate (S-018)."""
        emulation = self._broker.emulation
        offered = [name for name in MECHANISMS if name != ANONYMOUS or emulation.offers_anonymous]
        if self._certificate_user is not None:
            offered.append(EXTERNAL)
        return m.ConnectionStart(
            server_properties={**SERVER_PROPERTIES, "version": longstr(emulation.version)},
            mechanisms=" ".join(offered).encode(),
        )

    def begin_login(self, method: m.ConnectionStartOk) -> Login:
        """Who it says to be; the login desk finds out whether that is so.

        Raises `HandshakeAborted` for a mechanism or a response that cannot be understood (S-024).
        """
        self._read_properties(method.client_properties)
        self._mechanism = method.mechanism
        if method.mechanism == EXTERNAL and self._certificate_user is not None:
            return Login(self._certificate_user, EXTERNAL, attempt=None)
        read = MECHANISMS.get(method.mechanism)
        is_hidden = method.mechanism == ANONYMOUS and not self._broker.emulation.offers_anonymous
        if read is None or is_hidden:
            raise HandshakeAborted(f"unknown mechanism {method.mechanism!r}")
        try:
            user_name, password = read(method.response)
        except MalformedResponse as error:
            raise HandshakeAborted(f"malformed {method.mechanism} response: {error}") from None
        attempt = self._broker.users.attempt(user_name, password)
        return Login(user_name, method.mechanism, attempt)

    def conclude_login(self, login: Login) -> m.ConnectionTune:
        """Let in who is who it says to be, and propose terms.

        Raises 403 when the login is refused (S-025), and `HandshakeAborted` when the client would
        not understand that (S-026).
        """
        assert login.is_right is not None, login
        users, from_loopback = self._broker.users, is_loopback(self.peer_address)
        if login.attempt is None:
            self.user = users.vouched_for(login.user_name, from_loopback=from_loopback)
        else:
            self.user = users.conclude(login.attempt, login.is_right, from_loopback=from_loopback)
        witness = self._broker.event_witness
        if self.user is None:
            logger.warning("%s: login refused: %s", self.peer_address or "unix", REFUSED)
            if witness is not None:
                witness.authentication_failed(login.user_name, login.mechanism, self.peer_address)
            raise self._refusal(login.mechanism)
        if witness is not None:
            witness.authentication_succeeded(login.user_name, login.mechanism, self.peer_address)
        return m.ConnectionTune(
            self._limits.channel_max, self._limits.frame_max, self._limits.heartbeat_seconds
        )

    def facts(self, wire: Connection, transport: Transport, peer_name: str) -> ClientFacts:
        """What is known of the client, now that everything is agreed."""
        return ClientFacts(
            name=connection_name(transport.getsockname(), peer_name),
            mechanism=self._mechanism,
            channel_max=wire.channel_max,
            frame_max=wire.frame_max,
            heartbeat_seconds=wire.heartbeat_seconds,
            is_tls=not isinstance(transport, socket.socket),
            raw_properties=self._raw_properties,
        )

    def _refusal(self, mechanism: str) -> Exception:
        refusal = login_refused(
            f"Login was refused using authentication mechanism {mechanism}. For details see the "
            "broker logfile."
        )
        if "authentication_failure_close" not in self.capabilities:
            return HandshakeAborted(refusal.reply_text)
        return refusal.caused_by_no_method()

    def _read_properties(self, properties: Table) -> None:
        self._raw_properties = encode_table(properties)
        capabilities = properties.get("capabilities")
        if capabilities is not None and isinstance(capabilities.value, dict):
            table: Table = capabilities.value
            self.capabilities = frozenset(
                name for name in _CAPABILITIES if name in table and table[name].value is True
            )
        name = properties.get("connection_name")
        if name is not None and name.kind == "S":
            self.connection_name = name.text


def what_came(header: bytes, tls_port: int | None) -> str:
    """What a client speaks that does not speak AMQP 0-9-1, by the first that it says."""
    if not header.startswith(TLS_HELLO):
        return "this is not AMQP 0-9-1"
    if tls_port is None:
        return "this is TLS, which is not offered here (--tls-cert offers it)"
    return f"this is TLS, which is spoken on port {tls_port}, not on this one"


def is_loopback(address: str) -> bool:
    """Whether a peer's address is this machine's; also in IPv4-mapped form, and a Unix socket."""
    if not address:
        return True
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback
