"""A blocking AMQP client of the barest kind: a socket, a handshake, one channel, calls.

It prepares the ground (queues, bindings) and opens the connections over which the load then
sends and receives bytes of its own, past this class, on `Client.socket`.  Reads never go beyond
the frame they wait for, so nothing is lost at that hand-over.  The codec is pamqp, not ours:
the broker is measured by somebody else's idea of AMQP.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Self, TypeVar, cast
from urllib.parse import unquote, urlsplit

import attrs
from pamqp import base, commands, frame

from bench.errors import BenchError

PORT = 5672
FRAME_MAX = 131_072
CHANNEL = 1

_TIMEOUT_S = 30.0

Reply = TypeVar("Reply", bound=base.Frame)


@attrs.frozen
class Address:
    """Where a broker is and how to log in: what an ``amqp://`` URL says."""

    host: str
    port: int = PORT
    user: str = "guest"
    password: str = "guest"
    vhost: str = "/"

    @classmethod
    def parse(cls, url: str) -> Address:
        """Raise `BenchError` for anything but ``amqp://[USER:PASSWORD@]HOST[:PORT][/VHOST]``."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BenchError(f"not an AMQP URL: {url!r}: {error}") from error
        if parts.scheme != "amqp" or not parts.hostname:
            raise BenchError(f"not an AMQP URL: {url!r} (amqp://USER:PASSWORD@HOST:PORT/VHOST)")
        return cls(
            host=parts.hostname,
            port=PORT if port is None else port,
            user=unquote(parts.username or "guest"),
            password=unquote(parts.password or "guest"),
            vhost=unquote(parts.path[1:]) or "/",
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"amqp://{host}:{self.port}"


class Client:
    """One open connection with one open channel (number 1), no heartbeats."""

    def __init__(self, opened: socket.socket, address: Address) -> None:
        """Log in over *opened*, a connected socket; `connect` is the usual way."""
        self.socket = opened
        self.socket.settimeout(_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        start = self.expect(commands.Connection.Start)
        raw_properties = cast("Mapping[str, object]", start.server_properties or {})
        #: ``RabbitMQ 4.0.5``: what the broker calls itself
        self.product = " ".join(str(raw_properties.get(k, "?")) for k in ("product", "version"))
        login = f"\0{address.user}\0{address.password}"
        tune = self.call(
            commands.Connection.StartOk(mechanism="PLAIN", response=login, locale="en_US"),
            commands.Connection.Tune,
            channel=0,
        )
        #: bytes, agreed
        self.frame_max = min(tune.frame_max or FRAME_MAX, FRAME_MAX)
        self.send(commands.Connection.TuneOk(tune.channel_max, self.frame_max, 0), channel=0)
        opening = commands.Connection.Open(virtual_host=address.vhost)
        self.call(opening, commands.Connection.OpenOk, channel=0)
        self.call(commands.Channel.Open(), commands.Channel.OpenOk)

    @classmethod
    def connect(cls, address: Address) -> Self:
        """Open a connection; raise `BenchError` if nobody is there or we are refused."""
        try:
            opened = socket.create_connection((address.host, address.port), _TIMEOUT_S)
        except OSError as error:
            raise BenchError(f"cannot connect to {address}: {error}") from error
        try:
            return cls(opened, address)
        except BaseException:
            opened.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, method: base.Frame, channel: int = CHANNEL) -> None:
        self.socket.sendall(frame.marshal(method, channel))

    def call(self, request: base.Frame, reply: type[Reply], channel: int = CHANNEL) -> Reply:
        """Send *request*, wait for its *reply*; raise `BenchError` if the broker refuses."""
        self.send(request, channel)
        return self.expect(reply)

    def expect(self, wanted: type[Reply]) -> Reply:
        """Read frames until *wanted* comes; raise `BenchError` if a close comes instead."""
        while True:
            head = self._read_exactly(7)
            payload = self._read_exactly(int.from_bytes(head[3:]) + 1)
            got = frame.unmarshal(head + payload)[2]
            if isinstance(got, wanted):
                return got
            if isinstance(got, commands.Connection.Close | commands.Channel.Close):
                raise BenchError(f"the broker says {got.reply_code} {got.reply_text}")

    def message_count(self, queue_name: str) -> int:
        """How many messages are ready in an existing queue."""
        asked = commands.Queue.Declare(queue=queue_name, passive=True)
        return self.call(asked, commands.Queue.DeclareOk).message_count or 0

    def close(self) -> None:
        """Say goodbye and wait until the broker has hung up, whatever it still sends before.

        When this returns, the broker has taken notice of everything sent before.
        """
        try:
            self.socket.settimeout(_TIMEOUT_S)  # the load may have set it to its own liking
            self.send(commands.Connection.Close(200, "", 0, 0), channel=0)
            self.socket.shutdown(socket.SHUT_WR)  # RabbitMQ waits for that before it hangs up
            while self.socket.recv(262_144):
                pass
        except OSError:
            pass  # hung up first, or stuck: either way this end is done with it
        finally:
            self.socket.close()

    def _read_exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                chunk = self.socket.recv(size - len(data))
            except TimeoutError as error:
                raise BenchError(f"the broker is silent for {_TIMEOUT_S:.0f} s") from error
            except OSError as error:
                raise BenchError(f"the broker hung up: {error}") from error
            if not chunk:
                raise BenchError("the broker hung up")
            data += chunk
        return bytes(data)
