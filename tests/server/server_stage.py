"""A server without a network: its clients are on socket pairs, in the test's own thread.

Under trio's mock clock (pytest-trio's ``autojump_clock``) hours pass at once.  The clock jumps only
when nobody has anything to do, and what one end of a socket pair writes the other can read at
once: so no jump overtakes a byte, and what happens happens at the exact second.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

from amqpbroker.server.server import Server
from amqpbroker.server.settings import Settings
from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import (
    DEFAULT_CHANNEL_MAX,
    DEFAULT_FRAME_MAX,
    FRAME_BODY,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_MIN_BYTES,
    PROTOCOL_HEADER,
)
from amqpbroker.spec.message import encode_content
from amqpbroker.spec.method import Method, decode_method
from amqpbroker.spec.table import EMPTY_TABLE, Field, Table
from amqpbroker.wire.frames import Frame, read_frame
from amqpbroker.wire.writer import HEARTBEAT, method_frame

M = TypeVar("M", bound=Method)

#: Longer than anything that a test waits for, in the clock's seconds.
TIME_LIMIT_S = 100_000.0
PLAIN_GUEST = b"\0guest\0guest"
CAPABILITIES = ("authentication_failure_close", "connection.blocked", "consumer_cancel_notify")


def client_properties(capabilities: Iterable[str]) -> Table:
    return {"capabilities": Field("F", {name: Field("t", True) for name in capabilities})}


def publish_frames(channel: int, routing_key: str, body: bytes, exchange: str = "") -> bytes:
    """A whole basic.publish."""
    method = method_frame(channel, m.BasicPublish(0, exchange, routing_key))
    return method + encode_content(channel, b"\0\0", body, DEFAULT_FRAME_MAX)


class Client:
    """The other end of a session's socket."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self._data = b""
        self._position = 0  # where the next frame starts in it

    # Sending

    async def send(self, *methods: Method, channel: int = 0) -> None:
        await self.send_bytes(b"".join(method_frame(channel, method) for method in methods))

    async def send_bytes(self, data: bytes) -> None:
        with trio.fail_after(TIME_LIMIT_S):
            await self._stream.send_all(data)

    async def send_heartbeat(self) -> None:
        await self.send_bytes(HEARTBEAT)

    async def publish(self, routing_key: str, body: bytes = b"", *, channel: int = 1) -> None:
        await self.send_bytes(publish_frames(channel, routing_key, body))

    # Receiving

    async def receive(self) -> Frame | None:
        """The next frame; None when the server has closed the connection."""
        with trio.fail_after(TIME_LIMIT_S):
            while (frame := read_frame(self._data, self._position, 2**31)) is None:
                try:
                    data = await self._stream.receive_some(2**18)
                except trio.BrokenResourceError:
                    return None
                if not data:
                    return None
                self._data = self._data[self._position :] + data
                self._position = 0
        self._position = frame.end
        return frame

    async def expect(self, method_class: type[M], channel: int = 0) -> M:
        """The next frame, which is this method."""
        frame = await self.receive()
        assert frame is not None, f"{method_class.name} expected, not the end"
        assert frame.type == FRAME_METHOD, f"{method_class.name} expected, got {frame}"
        method = decode_method(bytes(frame.payload))
        assert isinstance(method, method_class), f"{method_class.name} expected, got {method}"
        assert frame.channel_number == channel
        return method

    async def expect_content(self, method_class: type[M], channel: int = 1) -> tuple[M, bytes]:
        """The next frames, which are this method with its content; the body."""
        method = await self.expect(method_class, channel)
        header = await self.receive()
        assert header is not None
        assert header.type == FRAME_HEADER
        remaining = int.from_bytes(header.payload[4:12])
        body = b""
        while len(body) < remaining:
            frame = await self.receive()
            assert frame is not None
            assert frame.type == FRAME_BODY
            body += frame.payload
        return method, body

    async def read_bytes(self, byte_count: int) -> bytes:
        """Exactly so many bytes, where nothing was read ahead."""
        assert self._position == len(self._data)
        pieces: list[bytes] = []
        with trio.fail_after(TIME_LIMIT_S):
            while byte_count:
                data = await self._stream.receive_some(byte_count)
                assert data, "the server has closed the connection"
                pieces.append(bytes(data))
                byte_count -= len(data)
        return b"".join(pieces)

    async def expect_heartbeat(self) -> float:
        """The next frame, which is a heartbeat; when it came."""
        frame = await self.receive()
        assert frame is not None, "a heartbeat expected, not the end"
        assert (frame.type, frame.payload) == (FRAME_HEARTBEAT, b""), f"not a heartbeat: {frame}"
        return trio.current_time()

    async def expect_end(self) -> float:
        """The server closes the connection without another word; when it did."""
        frame = await self.receive()
        assert frame is None, f"the end expected, got {frame}"
        assert self._data[self._position :] == b""
        return trio.current_time()

    # Steps

    async def ask(self, method: Method, reply_class: type[M], channel: int = 1) -> M:
        await self.send(method, channel=channel)
        return await self.expect(reply_class, channel)

    async def log_in(self, *, capabilities: Iterable[str] = CAPABILITIES) -> None:
        """Up to connection.tune, which is the next to come."""
        await self.send_bytes(PROTOCOL_HEADER)
        await self.expect(m.ConnectionStart)
        properties = client_properties(capabilities)
        await self.send(m.ConnectionStartOk(properties, "PLAIN", PLAIN_GUEST, "en_US"))

    async def open(
        self,
        *,
        heartbeat: int = 0,
        frame_max: int = DEFAULT_FRAME_MAX,
        capabilities: Iterable[str] = CAPABILITIES,
    ) -> None:
        """The whole handshake, and channel 1."""
        assert frame_max >= FRAME_MIN_BYTES
        await self.log_in(capabilities=capabilities)
        await self.expect(m.ConnectionTune)
        await self.send(m.ConnectionTuneOk(DEFAULT_CHANNEL_MAX, frame_max, heartbeat))
        await self.send(m.ConnectionOpen("/"))
        await self.expect(m.ConnectionOpenOk)
        await self.ask(m.ChannelOpen(), m.ChannelOpenOk)

    async def declare(self, name: str, *, exclusive: bool = False) -> m.QueueDeclareOk:
        return await self.ask(m.QueueDeclare(0, name, exclusive=exclusive), m.QueueDeclareOk)

    async def consume(self, name: str, *, no_ack: bool = True) -> None:
        request = m.BasicConsume(0, name, "worker", no_ack=no_ack, arguments=EMPTY_TABLE)
        await self.ask(request, m.BasicConsumeOk)

    async def round_trip(self) -> None:
        """A harmless question, and its answer."""
        await self.ask(m.BasicQos(), m.BasicQosOk)

    async def finish_sending(self) -> None:
        await self._stream.send_eof()

    def drop(self) -> None:
        self._socket.close()


class Stage:
    """A server, and its clients."""

    def __init__(self, settings: Settings) -> None:
        self.server = Server(settings, [])
        self.clients: list[Client] = []

    def connect(self) -> Client:
        """A client that has not spoken yet."""
        ours, theirs = socket.socketpair()
        self.server.welcome(ours, "")
        self.clients.append(Client(theirs))
        return self.clients[-1]

    async def open_client(
        self,
        *,
        heartbeat: int = 0,
        frame_max: int = DEFAULT_FRAME_MAX,
        capabilities: Iterable[str] = CAPABILITIES,
    ) -> Client:
        """A client with an open connection and channel 1."""
        client = self.connect()
        await client.open(heartbeat=heartbeat, frame_max=frame_max, capabilities=capabilities)
        return client

    def clear(self) -> None:
        """Everybody goes, whatever state they are in."""
        for client in self.clients:
            client.drop()
        self.server.drop_sessions()


@asynccontextmanager
async def a_stage(settings: Settings | None = None) -> AsyncGenerator[Stage]:
    """A server that serves, without its janitor; at the end everybody goes."""
    stage = Stage(settings or Settings())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.server.reactor.run)
        nursery.start_soon(stage.server.timekeeper.run)
        try:
            yield stage
        finally:
            stage.clear()
            nursery.cancel_scope.cancel()
