"""A client that does nothing wrong, on trio: for whoever looks after the broker meanwhile.

It reads by `StrictReader`, and writes by `units.py`: none of it is the broker's own code.
"""

from collections import deque
from typing import Final

import trio

from amqpbroker.spec import methods as m
from amqpbroker.spec.constants import DEFAULT_FRAME_MAX, PROTOCOL_HEADER
from amqpbroker.spec.method import Method
from amqpbroker.testing.fuzz.script import Login
from amqpbroker.testing.fuzz.strict import Said, StrictReader
from amqpbroker.testing.fuzz.units import content_units, method_unit

_READ_BYTES: Final = 65_536


class Lost(Exception):
    """The broker has closed a connection that did nothing wrong, or said what it may not."""


class Client:
    """One connection with channel 1."""

    def __init__(self, stream: trio.abc.Stream, login: Login) -> None:
        self._stream = stream
        self._login = login
        self._heard: deque[Said] = deque()
        self._reader = StrictReader(DEFAULT_FRAME_MAX, self._heard.append)

    async def open(self) -> None:
        """Go through the handshake and open channel 1."""
        login = self._login
        response = f"\0{login.user}\0{login.password}".encode()
        await self.send_bytes(PROTOCOL_HEADER)
        await self.expect("connection.start")
        await self.send(m.ConnectionStartOk({}, "PLAIN", response), channel=0)
        await self.expect("connection.tune")
        await self.send(m.ConnectionTuneOk(2047, DEFAULT_FRAME_MAX, 0), channel=0)
        await self.send(m.ConnectionOpen(login.virtual_host), channel=0)
        await self.expect("connection.open-ok")
        await self.open_channel()

    async def open_channel(self) -> None:
        await self.send(m.ChannelOpen())
        await self.expect("channel.open-ok")

    async def send(self, *methods: Method, channel: int = 1) -> None:
        await self.send_bytes(b"".join(method_unit(channel, one).raw for one in methods))

    async def publish(self, routing_key: str, *bodies: bytes) -> None:
        """Publish to the default exchange."""
        publish = method_unit(1, m.BasicPublish(0, "", routing_key)).raw
        pieces = [
            publish + b"".join(unit.raw for unit in content_units(1, b"\0\0", [body]))
            for body in bodies
        ]
        await self.send_bytes(b"".join(pieces))

    async def send_bytes(self, raw: bytes) -> None:
        try:
            await self._stream.send_all(raw)
        except trio.BrokenResourceError:
            raise Lost("the connection of a client that does nothing wrong was reset") from None

    async def receive(self) -> Said:
        """The next method; raises `Lost` and `strict.Fault`."""
        while not self._heard:
            try:
                data = await self._stream.receive_some(_READ_BYTES)
            except trio.BrokenResourceError:
                data = b""
            if not data:
                raise Lost("the connection of a client that does nothing wrong was closed")
            self._reader.feed(bytes(data))
        return self._heard.popleft()

    async def expect(self, name: str) -> Said:
        """The next method, which must be this one; raises `Lost`."""
        said = await self.receive()
        if said.name != name:
            raise Lost(f"a client that does nothing wrong was sent {said}, not {name}")
        return said

    async def delete(self, queue_names: list[str], exchange_names: list[str]) -> None:
        """Delete these queues and exchanges, as far as they are there and may be deleted."""
        await self.delete_each([m.QueueDelete(0, name, no_wait=True) for name in queue_names])
        await self.delete_each([m.ExchangeDelete(0, name, no_wait=True) for name in exchange_names])

    async def delete_each(self, requests: list[Method]) -> None:
        """Send requests that are not answered; go on behind one that is refused."""
        while requests:
            await self.send(*requests, m.BasicQos())
            said = await self.receive()
            if said.name == "basic.qos-ok":
                return
            if said.name != "channel.close":
                raise Lost(f"a client that does nothing wrong was sent {said}")
            await self.send(m.ChannelCloseOk())
            await self.open_channel()
            if len(requests) == 1:
                return
            half = len(requests) // 2  # one of them, nobody says which
            await self.delete_each(requests[:half])
            requests = requests[half:]
