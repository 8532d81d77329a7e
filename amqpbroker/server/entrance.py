"""The entrance: listening sockets, the TLS handshake, and how many may stand in between.

Who has come in but is not logged in costs memory and may be nobody.  There are at most
`half_open_max` of them: then the doors shut and new clients wait in the kernel's queue, until
some are logged in, or gone.  Who takes longer than `HURRY_SECONDS` while others wait must go.
"""

import logging
import socket
import ssl
from typing import Final, Protocol

import trio

from amqpbroker.server.reactor import READ, WRITE, Reactor, Ready
from amqpbroker.server.timekeeper import Timekeeper
from amqpbroker.server.tls import LOGIN_NAMES, TLSTransport, explain
from amqpbroker.server.transport import Transport

logger = logging.getLogger("amqpbroker")

#: How long the doors stay shut when there is no room for another client.
DOOR_SECONDS: Final = 1.0
#: How long a client may take to log in while others wait at the doors.
HURRY_SECONDS: Final = 3.0
_ACCEPTS_A_ROUND: Final = 64


class Host(Protocol):
    """What the entrance needs of the server that it leads into."""

    @property
    def reactor(self) -> Reactor:
        """Tells when a socket is ready."""
        ...

    @property
    def timekeeper(self) -> Timekeeper:
        """Tells when time is over."""
        ...

    @property
    def tls_context(self) -> ssl.SSLContext | None:
        """What TLS connections are made with."""
        ...

    @property
    def tls_login_from(self) -> str:
        """Which part of a client's certificate names its user (`tls.LOGIN_NAMES`)."""
        ...

    @property
    def handshake_seconds(self) -> float:
        """How long a client may take from accept to login."""
        ...

    def welcome(
        self,
        transport: Transport,
        address: object,
        *,
        arrived: float | None = None,
        certificate_user: str | None = None,
    ) -> None:
        """Take in a client; *arrived* is when it came, on trio's clock."""
        ...


class Entrance:
    """Lets clients in."""

    def __init__(self, host: Host, half_open_max: int) -> None:
        self._host = host
        self._half_open_max = half_open_max
        self._half_open: dict[Ready, float] = {}  # {who is not logged in: when it came}
        self._doors: list[_Door] = []
        self._is_shut = False

    @property
    def half_open_count(self) -> int:
        """How many have come in and are not logged in."""
        return len(self._half_open)

    def open(self, listener: socket.socket, *, has_tls: bool = False) -> None:
        """Let clients in by a listening socket."""
        self._doors.append(_Door(self, self._host, listener, has_tls=has_tls))

    def close(self) -> None:
        """Let nobody in any more, and stop the TLS handshakes."""
        for door in self._doors:
            door.close()
        self._doors.clear()
        self.drop_greetings()

    def drop_greetings(self) -> None:
        """Stop the TLS handshakes."""
        for client in list(self._half_open):
            if isinstance(client, Greeting):
                client.drop()

    def entered(self, client: Ready, arrived: float) -> None:
        """Somebody is in, and not logged in yet."""
        self._half_open[client] = arrived
        if len(self._half_open) >= self._half_open_max and not self._is_shut:
            logger.warning(
                "%d clients are not logged in: the next ones wait (half-open-max)",
                len(self._half_open),
            )
            self._is_shut = True
            for door in self._doors:
                door.shut()
            self._hurry()

    def left(self, client: Ready) -> None:
        """It is logged in, or gone; nothing if it was so before."""
        if self._half_open.pop(client, None) is not None:
            self._open_again()

    def limit(self, half_open_max: int) -> None:
        """Change how many may stand in between."""
        self._half_open_max = half_open_max
        self._open_again()

    def _open_again(self) -> None:
        if self._is_shut and len(self._half_open) < self._half_open_max:
            self._is_shut = False
            for door in self._doors:
                door.open()

    def _hurry(self) -> None:
        """Drop who takes too long, and look again when the next one does."""
        if not self._is_shut:
            return
        now = trio.current_time()
        slow = [
            client for client, arrived in self._half_open.items() if now >= arrived + HURRY_SECONDS
        ]
        if slow:
            logger.warning("%d clients took too long to log in while others wait", len(slow))
        for client in slow:
            client.drop()
        if self._is_shut and self._half_open:
            next_seconds = min(self._half_open.values()) + HURRY_SECONDS - now
            self._host.timekeeper.call_in(max(next_seconds, 0), self._hurry)


class _Door:
    """A listening socket."""

    def __init__(
        self, entrance: Entrance, host: Host, listener: socket.socket, *, has_tls: bool
    ) -> None:
        self._entrance = entrance
        self._host = host
        self._listener = listener
        self._has_tls = has_tls
        self._is_shut = False  # by the entrance
        host.reactor.add(listener, self)

    def on_readable(self) -> None:
        """Let in whoever waits, some at a time."""
        for _ in range(_ACCEPTS_A_ROUND):
            if self._is_shut:
                return
            try:
                sock, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # too many open files: clients wait at the door
                logger.error("cannot accept connections: %s", error.strerror)
                self._host.reactor.change(self._listener, 0)
                self._host.timekeeper.call_in(DOOR_SECONDS, self._watch)
                return
            try:
                self._let_in(sock, address)
            except OSError:  # it is gone already
                sock.close()

    def _let_in(self, sock: socket.socket, address: object) -> None:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._has_tls:
            Greeting(self._entrance, self._host, sock, address)
        else:
            self._host.welcome(sock, address)

    def shut(self) -> None:
        self._is_shut = True
        self._host.reactor.change(self._listener, 0)

    def open(self) -> None:
        self._is_shut = False
        self._watch()

    def _watch(self) -> None:
        if self._listener.fileno() >= 0 and not self._is_shut:
            self._host.reactor.change(self._listener, READ)

    def close(self) -> None:
        self._host.reactor.remove(self._listener)
        self._listener.close()

    def on_writable(self) -> None:
        """Never asked."""

    def drop(self) -> None:
        """Stay open: others want to come in."""


class Greeting:
    """A client of the TLS port, until its TLS handshake is done."""

    def __init__(
        self, entrance: Entrance, host: Host, sock: socket.socket, address: object
    ) -> None:
        self._entrance = entrance
        self._host = host
        self._socket = sock
        self._tls: ssl.SSLSocket | None = None  # from the first bytes on
        self._address = address
        self._interest = READ
        self._is_over = False
        self._arrived = trio.current_time()
        self._timer = host.timekeeper.call_in(
            host.handshake_seconds, lambda: self._fail("handshake timeout")
        )
        host.reactor.add(sock, self)
        entrance.entered(self, self._arrived)

    def __repr__(self) -> str:
        return f"<Greeting {peer_name_of(self._address)}>"

    def on_readable(self) -> None:
        """Go on with the handshake."""
        try:
            self._go_on()
        except ssl.SSLWantReadError:
            self._wait_for(READ)
        except ssl.SSLWantWriteError:
            self._wait_for(WRITE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(f"TLS handshake failed: {explain(error)}")

    on_writable = on_readable

    def _go_on(self) -> None:
        tls = self._tls
        if tls is None:
            first = self._socket.recv(4, socket.MSG_PEEK)
            if not first:
                logger.info("%s: gone before the TLS handshake", peer_name_of(self._address))
                self.drop()
                return
            if first == b"AMQP":
                self._fail("plain AMQP on the TLS port: the URL of a client begins with amqps://")
                return
            context = self._host.tls_context
            assert context is not None
            self._tls = tls = context.wrap_socket(
                self._socket, server_side=True, do_handshake_on_connect=False
            )
        tls.do_handshake()
        self._part()
        self._host.welcome(
            TLSTransport(tls),
            self._address,
            arrived=self._arrived,
            certificate_user=LOGIN_NAMES[self._host.tls_login_from](tls),
        )

    def _wait_for(self, interest: int) -> None:
        if interest != self._interest:
            self._interest = interest
            self._host.reactor.change(self._tls or self._socket, interest)

    def _part(self) -> None:
        self._is_over = True
        self._timer.cancel()
        self._host.reactor.remove(self._tls or self._socket)
        self._entrance.left(self)

    def _fail(self, reason: str) -> None:
        logger.warning("%s: %s", peer_name_of(self._address), reason)
        self.drop()

    def drop(self) -> None:
        """Close the socket at once; nothing if it is closed."""
        if not self._is_over:
            self._part()
            (self._tls or self._socket).close()


def peer_name_of(address: object) -> str:
    """An address as the log shows it."""
    if isinstance(address, tuple):
        host, port = str(address[0]), str(address[1])  # pyright: ignore[reportUnknownArgumentType]
        return f"{host}:{port}"
    return "unix"
