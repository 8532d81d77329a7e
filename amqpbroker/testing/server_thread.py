"""A server in a thread of its own, and how other threads talk to it.

The server is the one that `amqpbroker serve` runs.  Its thread has its own trio loop, so the rest
of the process may be blocking code, asyncio or trio; nothing but `ServerThread.call` crosses over.

A call is made in the broker's thread between rounds, where nothing else happens.  Before its
result is handed back, what it made ready is given out and handed to the sockets.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from socket import socket
from time import perf_counter
from typing import Final, ParamSpec, TypeVar
from weakref import WeakSet

import trio

from amqpbroker.server.mailbox import ServerStopped
from amqpbroker.server.server import Server
from amqpbroker.server.settings import Settings

#: How long a look waits for clients that do not stop sending.
CATCH_UP_SECONDS: Final = 1.0

P = ParamSpec("P")
T = TypeVar("T")


class ServerThread:
    """A running server.  Its methods may be called from any thread.

    A process that is forked from this one has no such thread, and lets go of the server's files.
    """

    def __init__(self, settings: Settings, listeners: Sequence[socket]) -> None:
        # A process that ends without `stop` does not wait for the broker.
        thread = threading.Thread(target=self._run, name="amqpbroker", daemon=True)
        self.adopt(Server(settings, listeners, tends_garbage=False), thread)

    def adopt(self, server: Server, thread: threading.Thread) -> None:
        """Talk to *server*, which runs, or will run, in *thread*."""
        self.server = server
        self._thread = thread
        self._stop = trio.Event()
        self._error: BaseException | None = None
        self._pending: dict[Future[object], None] = {}  # calls that were not made yet

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()
        _started.add(self)

    def _run(self) -> None:
        try:
            trio.run(self.server.run, self._stop, 0.0)
        except BaseException as error:  # noqa: BLE001  # told to whoever calls
            self._error = error
        for future in list(self._pending):
            self._fail(future)

    @property
    def is_running(self) -> bool:
        """Whether calls are made."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Close every connection with 320, then every socket, and end the thread."""
        try:
            self.server.reactor.call_soon_threadsafe(self._stop.set)
        except ServerStopped:
            pass
        self._thread.join()

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What *function* returns or raises in the broker's thread, between rounds.

        What it makes ready is on its way to the clients before this returns.  Raises
        `ServerStopped`.
        """
        return self._call(0.0, lambda: function(*args, **kwargs))

    def look(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `call`, when all is worked off that clients have written to their sockets by now.

        Clients that write without pause are not waited for longer than `CATCH_UP_SECONDS`.
        """
        return self._call(CATCH_UP_SECONDS, lambda: function(*args, **kwargs))

    def _call(self, catch_up_seconds: float, function: Callable[[], T]) -> T:
        if threading.current_thread() is self._thread:
            return function()
        future: Future[T] = Future()
        server, deadline = self.server, perf_counter() + catch_up_seconds

        def make_call() -> None:
            if catch_up_seconds and not server.is_caught_up and perf_counter() < deadline:
                server.reactor.call_soon_threadsafe(make_call)  # in the next round
                return
            try:
                result = function()
                server.finish_round()
            except BaseException as error:  # noqa: BLE001  # it is the caller's
                self.settle(future, error=error)
            else:
                self.settle(future, result)

        self.post(future, make_call)
        return future.result()

    def post(self, future: "Future[T]", call: Callable[[], None]) -> None:
        """Have *call* made; if the server stops before *future* is settled, it fails."""
        self._pending[future] = None  # pyright: ignore[reportArgumentType]
        if not self._thread.is_alive():
            self._fail(future)
            return
        try:
            self.server.reactor.call_soon_threadsafe(call)
        except ServerStopped:
            self._fail(future)

    def settle(
        self, future: "Future[T]", result: T | None = None, *, error: BaseException | None = None
    ) -> None:
        """Hand back what a call came to, once."""
        if future in self._pending:
            del self._pending[future]  # pyright: ignore[reportArgumentType]
        else:
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # pyright: ignore[reportArgumentType]

    def _fail(self, future: "Future[T]") -> None:
        stopped = ServerStopped("the broker has stopped")
        stopped.__cause__ = self._error
        self.settle(future, error=stopped)


def _let_go_in_child() -> None:
    for thread in _started:
        thread.server.reactor.abandon()
    _started.clear()


_started: WeakSet[ServerThread] = WeakSet()
os.register_at_fork(after_in_child=_let_go_in_child)


async def outcome(future: "Future[T]") -> T:
    """What *future* comes to; for code under asyncio and under trio."""
    if not trio.lowlevel.in_trio_run():
        return await asyncio.wrap_future(future)
    token = trio.lowlevel.current_trio_token()
    is_done = trio.Event()

    def tell(_: object) -> None:
        try:
            token.run_sync_soon(is_done.set)
        except trio.RunFinishedError:  # whoever waited was cancelled
            pass

    future.add_done_callback(tell)
    await is_done.wait()
    return future.result()
