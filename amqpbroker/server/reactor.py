"""The reactor: one task that serves every socket, a round at a time.

A round: ask which sockets are ready; let each read once and work off what it read; give out what
that made ready; flush every connection that has output.  Nothing in it waits, so that nothing
needs a lock, and a round's messages leave together.

Speed: with a task a connection, trio's scheduling costs as much as the broker's own work on one
message in flight (docs/performance.md).  One task waits for an epoll set instead, which is
itself a file that trio can wait for.  When clients answer each other at once, even one of trio's
turns a round is a third of the work, so the task lingers: it waits for the next event itself, for
a millisecond at most, and lets trio's other tasks have a turn every few milliseconds.
"""

import logging
import os
import select
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Final, Protocol

import trio

from amqpbroker.server.mailbox import Mailbox

logger = logging.getLogger("amqpbroker")

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
#: How long trio's other tasks wait for their turn while there is traffic.
TURN_SECONDS: Final = 0.004
#: How long to wait for the next event before trio does the waiting; epoll counts milliseconds.
LINGER_SECONDS: Final = 0.001


class Watched(Protocol):
    """A socket, or what stands before one."""

    def fileno(self) -> int:
        """Its file descriptor."""
        ...

    def setblocking(self, flag: bool, /) -> None:
        """Wait, or not."""
        ...


class Ready(Protocol):
    """What is told that its socket is ready."""

    def on_readable(self) -> None:
        """There are bytes, a connection, or the end."""
        ...

    def on_writable(self) -> None:
        """There is room for bytes."""
        ...

    def drop(self) -> None:
        """One of these calls failed: close the socket, if others can do without it."""
        ...


class Reactor:
    """Serves sockets; `begin_round` and `finish_round` are called around each round.

    The latter says how long the next round may wait for a socket, in seconds: 0 when there is
    more to do, None when nothing but a socket can bring more.
    """

    def __init__(
        self,
        finish_round: Callable[[], float | None],
        begin_round: Callable[[], None] = lambda: None,
    ) -> None:
        self._begin_round = begin_round
        self._finish_round = finish_round
        self._poll = select.epoll()
        self._ready: dict[int, Ready] = {}  # {file descriptor: whom to tell}
        self._mailbox = Mailbox()

    def add(self, sock: Watched, ready: Ready) -> None:
        """Serve a socket, for reading at first."""
        sock.setblocking(False)
        self._ready[sock.fileno()] = ready
        self._poll.register(sock.fileno(), READ)

    def change(self, sock: Watched, interest: int) -> None:
        """Wait for reading, writing, both or nothing (errors are always told)."""
        self._poll.modify(sock.fileno(), interest)

    def remove(self, sock: Watched) -> None:
        """Stop serving a socket, which is still open; nothing if it is not served."""
        if self._ready.pop(sock.fileno(), None) is not None:
            self._poll.unregister(sock.fileno())

    def has_ready(self) -> bool:
        """Whether the next round would serve a socket; what other threads post is none."""
        ready = (file for file, _ in self._poll.poll(0))
        return any(self._ready.get(file, self._mailbox) is not self._mailbox for file in ready)

    def call_soon_threadsafe(self, call: Callable[[], object]) -> None:
        """Have *call* made in the next round; the only method that other threads may call.

        Raises `ServerStopped` when there are no more rounds.
        """
        self._mailbox.post(call)

    def abandon(self) -> None:
        """Close all files and tell nobody: a forked child has copies that nothing serves.

        As long as they are open, clients do not see that their connection or the server has gone.
        """
        for file in self._ready:
            os.close(file)
        self._ready.clear()
        self._poll.close()

    async def run(self) -> None:
        """Serve for ever."""
        wait_seconds: float | None = None
        mail = self._mailbox.open()
        self._ready[mail] = self._mailbox
        self._poll.register(mail, READ)
        try:
            while True:
                if wait_seconds is None:
                    await trio.lowlevel.wait_readable(self._poll.fileno())
                else:
                    await trio.lowlevel.checkpoint()
                wait_seconds = self._serve_turn()
        finally:
            self._poll.close()
            self._mailbox.close()

    def _serve_turn(self) -> float | None:
        """Rounds until nothing comes any more, or the turn is over; as `finish_round`."""
        turn_ends = perf_counter() + TURN_SECONDS
        wait_seconds: float | None = 0
        while True:
            events = self._poll.poll(LINGER_SECONDS if wait_seconds is None else wait_seconds)
            if not events and wait_seconds is None:
                return None
            wait_seconds = self._serve_round(events)
            if perf_counter() > turn_ends:
                return 0 if wait_seconds is None else wait_seconds

    def _serve_round(self, events: Iterable[tuple[int, int]]) -> float | None:
        """Let the ready sockets read and write, and finish the round."""
        self._begin_round()
        for file_descriptor, event in events:
            ready = self._ready.get(file_descriptor)
            if ready is None:
                continue  # removed in this round
            try:
                if event & WRITE:
                    ready.on_writable()
                if event & ~WRITE:
                    ready.on_readable()
            except Exception:  # a bug of ours hurts the client that met it, nobody else
                logger.exception("a bug in the broker, in %r", ready)
                ready.drop()
        return self._finish_round()
