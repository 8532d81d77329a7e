"""Says a case over sockets, and reads strictly what is answered.

One task plays all clients of a case, step after step: so the order in which they speak is the
script's.  Nothing waits for long: a server that does not answer, or does not read, is left alone.
"""

import errno
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import trio

from amqpbroker.spec import methods as m
from amqpbroker.testing.fuzz.script import (
    Await,
    Case,
    Connect,
    FinishSending,
    Leave,
    ReadOn,
    Send,
    Step,
    StopReading,
)
from amqpbroker.testing.fuzz.strict import Fault, Said, StrictReader
from amqpbroker.testing.fuzz.units import method_unit

#: How long a step gives the server to answer, or to read, in seconds.
PATIENCE_SECONDS: Final = 0.05
_READ_BYTES: Final = 65_536
#: No more is read of one client at once, so that the others have their turn.
_READS_MAX: Final = 100
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing resets


class Listener(Protocol):
    """Is told what happens in a conversation."""

    def done(self, step: Step) -> None: ...

    def heard(self, connection: int, said: Said) -> None: ...

    def ended(self, connection: int) -> None: ...


class Silent:
    """Listens to nothing."""

    def done(self, step: Step) -> None:
        """Forget it."""

    def heard(self, connection: int, said: Said) -> None:
        """Forget it."""

    def ended(self, connection: int) -> None:
        """Forget it."""


class _Peer:
    """One client of the case, and its socket."""

    def __init__(self, sock: socket.socket, reader: StrictReader, *, goes_on: bool) -> None:
        self.socket = sock
        self.reader = reader
        self.goes_on = goes_on
        self.closed_channels: list[int] = []  # by the server, and not answered yet
        self.is_reading = True
        self.may_be_cut = False  # it stopped reading or sending: the end may come in a frame
        self.is_over = False  # the server's end has come, or the client's
        self.is_stuck = False  # the server takes nothing more


class Conversation:
    """One case being played."""

    def __init__(
        self,
        case: Case,
        connect: Callable[[], Awaitable[socket.socket]],
        listener: Listener | None = None,
    ) -> None:
        self.case = case
        self.faults: list[str] = []
        self.generated_names: list[str] = []  # of queues that the server has named
        self.byte_count = 0
        self.frame_count = 0
        self._connect = connect
        self._listener = listener or Silent()
        self._peers: dict[int, _Peer] = {}

    async def run(self) -> None:
        """Play it; what the server did wrong is in `faults`.  Raises `OSError`."""
        try:
            for step in self.case.steps:
                await self._perform(step)
                for number, peer in self._peers.items():
                    self._drain(number, peer)
            await trio.lowlevel.checkpoint()
        finally:
            for peer in self._peers.values():
                self.frame_count += peer.reader.frame_count
                peer.socket.close()

    async def _perform(self, step: Step) -> None:
        number = step.connection
        if isinstance(step, Connect):
            self._listener.done(step)
            reader = StrictReader(step.frame_max, lambda said: self._heard(number, said))
            self._peers[number] = _Peer(await self._connect(), reader, goes_on=step.goes_on)
            return
        peer = self._peers[number]
        if peer.is_over:
            return
        if isinstance(step, Send):
            await self._open_again(number, peer)
        self._listener.done(step)
        if isinstance(step, Send):
            start = 0
            for cut in (*step.cuts, len(step.raw)):
                await self._send(peer, step.raw[start:cut])
                start = cut
        elif isinstance(step, Await):
            if peer.is_reading:
                with trio.move_on_after(PATIENCE_SECONDS):
                    await trio.lowlevel.wait_readable(peer.socket)
        elif isinstance(step, StopReading):
            peer.is_reading, peer.may_be_cut = False, True
        elif isinstance(step, ReadOn):
            peer.is_reading = True
        elif isinstance(step, FinishSending):
            peer.may_be_cut = True
            try:
                peer.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        else:
            self._leave(step, peer)

    def _leave(self, step: Leave, peer: _Peer) -> None:
        if step.is_reset and peer.socket.family != socket.AF_UNIX:
            peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        peer.socket.close()
        peer.is_over = True

    async def _open_again(self, number: int, peer: _Peer) -> None:
        """Go on with the channels that the server has closed."""
        channels, peer.closed_channels = peer.closed_channels, []
        for channel in channels:
            close_ok = method_unit(channel, m.ChannelCloseOk()).raw
            answer = Send(number, close_ok + method_unit(channel, m.ChannelOpen()).raw)
            self._listener.done(answer)
            await self._send(peer, answer.raw)

    async def _send(self, peer: _Peer, raw: bytes) -> None:
        view = memoryview(raw)
        while view and not peer.is_stuck and not peer.is_over:
            try:
                sent = peer.socket.send(view)
            except BlockingIOError:
                await self._wait_for_room(peer)
                continue
            except OSError as error:
                if error.errno not in {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN}:
                    raise
                peer.is_stuck = True  # what the server has sent before can still be read
                return
            self.byte_count += sent
            view = view[sent:]

    async def _wait_for_room(self, peer: _Peer) -> None:
        for number, one in self._peers.items():
            self._drain(number, one)
        with trio.move_on_after(PATIENCE_SECONDS) as scope:
            await trio.lowlevel.wait_writable(peer.socket)
        if scope.cancelled_caught:
            peer.is_stuck = True

    def _drain(self, number: int, peer: _Peer) -> None:
        """Read what is there."""
        for _ in range(_READS_MAX):
            if not peer.is_reading or peer.is_over:
                return
            try:
                data = peer.socket.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                peer.is_over = True
                return
            try:
                if data:
                    peer.reader.feed(data)
                else:
                    peer.is_over = True
                    self._listener.ended(number)
                    if not peer.may_be_cut:
                        peer.reader.finish()
            except Fault as fault:
                self.faults.append(f"connection {number}: {fault}")
                peer.is_over = True

    @property
    def connection_count(self) -> int:
        return len(self._peers)

    def _heard(self, number: int, said: Said) -> None:
        self._listener.heard(number, said)
        if said.name == "queue.declare-ok" and isinstance(said.values[0], bytes):
            name = said.values[0].decode()
            if name.startswith("amq.gen"):
                self.generated_names.append(name)
        elif said.name == "channel.close" and self._peers[number].goes_on:
            self._peers[number].closed_channels.append(said.channel)
