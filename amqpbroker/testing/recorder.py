"""Recording: a transparent proxy between clients and a broker, which writes down what is said.

Bytes are passed on as they come, before they are understood; what is recorded changes nothing.
An entry is written when the last byte of its method, or of the method's content, has come, and
written out at once, so that a recording is whole up to the moment when it is cut off.
"""

from collections.abc import Callable
from typing import Final, TextIO

import trio

from amqpbroker.testing.conversation import Entry, Listener, legend
from amqpbroker.testing.raw_client import ServerAddress

_READ_BYTES: Final = 65536


class Recorder:
    """A proxy to the broker at *upstream*, an ``amqp://`` URL, that writes into *file*."""

    def __init__(self, upstream: str, file: TextIO) -> None:
        self._address = ServerAddress.of(upstream)
        self._file = file
        self._began_s: float | None = None
        self.connection_count = 0
        self.entry_count = 0
        self._file.write(legend(f"from {self._address.host}:{self._address.port}"))
        self._file.flush()

    async def serve(self, host: str, port: int, ready: Callable[[int], None]) -> None:
        """Take clients in until cancelled; *ready* is told the port.  Raises `OSError`."""
        listeners = await trio.open_tcp_listeners(port, host=host)
        ready(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._pass_on, listeners)

    async def _pass_on(self, client: trio.SocketStream) -> None:
        """Carry bytes between one client and the broker until both have ended."""
        self.connection_count += 1
        number = self.connection_count
        try:
            server = await trio.open_tcp_stream(*self._address[:2])
        except OSError:
            await client.aclose()
            return
        async with client, server, trio.open_nursery() as nursery:
            nursery.start_soon(self._carry, client, server, number, True)
            nursery.start_soon(self._carry, server, client, number, False)

    async def _carry(
        self, source: trio.SocketStream, sink: trio.SocketStream, number: int, is_client: bool
    ) -> None:
        listener = Listener()
        try:
            while data := bytes(await source.receive_some(_READ_BYTES)):
                # Written before it is passed on: an answer never stands above its question.
                for said in listener.hear(data):
                    self._write(Entry(self._time_s(), is_client, number, said))
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        for said in listener.end():
            self._write(Entry(self._time_s(), is_client, number, said))
        # One side has ended: the other is told, and may still finish what it was saying.
        try:
            await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass

    def _time_s(self) -> float:
        now_s = trio.current_time()
        if self._began_s is None:
            self._began_s = now_s
        return now_s - self._began_s

    def _write(self, entry: Entry) -> None:
        self.entry_count += 1
        self._file.write(entry.text())
        self._file.flush()
