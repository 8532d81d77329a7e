"""The reactor: one task that serves every socket, a round at a time.

A round: ask which sockets are ready; let each read once and work off what it read; give out what
that made ready; flush every connection that has output.  Nothing in it waits, so that nothing
needs a lock, and a round's messages leave together.

Speed: with a task a connection, trio's scheduling costs as much as the broker's own work on one
message in flight (docs/performance.md).  One task waits for an epoll set instead, which is
itself a file that trio can wait for; trio's other tasks get their turn after every round.
"""

import select
import socket
from collections.abc import Callable
from typing import Final, Protocol

import trio

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT


class Ready(Protocol):
    """What is told that its socket is ready."""

    def on_readable(self) -> None:
        """There are bytes, a connection, or the end."""
        ...

    def on_writable(self) -> None:
        """There is room for bytes."""
        ...


class Reactor:
    """Serves sockets; `finish_round` is called after each round, before trio gets its turn."""

    def __init__(self, finish_round: Callable[[], bool]) -> None:
        """`finish_round` says whether there is more to do without waiting for a socket."""
        self._finish_round = finish_round
        self._poll = select.epoll()
        self._ready: dict[int, Ready] = {}  # {file descriptor: whom to tell}

    def add(self, sock: socket.socket, ready: Ready) -> None:
        """Serve a socket, for reading at first."""
        sock.setblocking(False)
        self._ready[sock.fileno()] = ready
        self._poll.register(sock.fileno(), READ)

    def change(self, sock: socket.socket, interest: int) -> None:
        """Wait for reading, writing, both or nothing (errors are always told)."""
        self._poll.modify(sock.fileno(), interest)

    def remove(self, sock: socket.socket) -> None:
        """Stop serving a socket, which is still open."""
        del self._ready[sock.fileno()]
        self._poll.unregister(sock.fileno())

    async def run(self) -> None:
        """Serve for ever."""
        has_more = False
        with self._poll:
            while True:
                if has_more:
                    await trio.lowlevel.checkpoint()
                else:
                    await trio.lowlevel.wait_readable(self._poll.fileno())
                has_more = self.serve_round()

    def serve_round(self) -> bool:
        """One round; whether there is more to do without waiting for a socket."""
        for file_descriptor, events in self._poll.poll(0):
            ready = self._ready.get(file_descriptor)
            if ready is None:
                continue  # removed in this round
            if events & WRITE:
                ready.on_writable()
            if events & ~WRITE:
                ready.on_readable()
        return self._finish_round()
