"""A broker of ours in this process, on socket pairs: quick, and seen from inside.

The server's tasks and the cases share one thread.  So the time of the processor that a task of the
server takes between two of its waits is exactly what any client may have to wait for it, and no
other program's load is in it (`LIMIT_SECONDS`).
"""

import gc
import logging
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import trio

from amqpbroker.server.server import Server
from amqpbroker.server.settings import Settings
from amqpbroker.testing.fuzz.campaign import Problem
from amqpbroker.testing.fuzz.client import Client, Lost
from amqpbroker.testing.fuzz.healthy import LIMIT_SECONDS, Healthy
from amqpbroker.testing.fuzz.script import Login
from amqpbroker.testing.fuzz.strict import Fault

#: How long the healthy client has to finish what it is at, in seconds.
_END_SECONDS: Final = 1.0
#: How long the ends of the last connections may take to be noticed, in seconds.
_SETTLE_SECONDS: Final = 0.1
#: What the healthy client's messages under way and a few odd names may hold, in bytes.
_HELD_BYTES_MAX: Final = 1024 * 1024
_COLLECT_SECONDS: Final = 1.0
_SERVER_TASKS: Final = ("Reactor.run", "Timekeeper.run")


class LocalBroker:
    """The broker, as `campaign.Target`."""

    def __init__(self) -> None:
        self.server = Server(Settings(), [])
        self.login = Login()
        self.healthy: Healthy | None = None
        self.longest_seconds = 0.0  # of the server's work between two of its waits
        self._problems: list[Problem] = []

    @property
    def trip_count(self) -> int:
        """How many round trips the healthy client has made."""
        return 0 if self.healthy is None else self.healthy.trip_count

    @property
    def figures(self) -> str:
        """What was measured, as text."""
        return f"nobody waited longer than {self.longest_seconds * 1000:.0f} ms for a turn"

    async def connect(self) -> socket.socket:
        """One end of a socket pair; the server has the other."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.server.welcome(ours, "")
        await trio.lowlevel.checkpoint()
        return theirs

    def problems(self) -> list[Problem]:
        """What has gone wrong since the last call."""
        problems, self._problems = self._problems, []
        return problems

    async def settle(self) -> None:
        """All cases are over and swept: see that the broker keeps nothing for them."""
        await trio.sleep(_SETTLE_SECONDS)
        engine = self.server.broker
        if len(engine.connections) > 1:
            self.note(f"{len(engine.connections)} connections are left, and one is open")
        if engine.held_bytes > _HELD_BYTES_MAX:
            self.note(f"the broker counts {engine.held_bytes} bytes of messages, and all are gone")

    def note(self, problem: str) -> None:
        """Something is wrong."""
        self._problems.append(Problem(problem))

    async def live(self, stop: trio.Event, ended: trio.Event) -> None:
        """Let a client that does nothing wrong live until *stop*."""
        sock = await self.connect()
        async with trio.SocketStream(trio.socket.from_stdlib_socket(sock)) as stream:
            self.healthy = Healthy(Client(stream, self.login), lambda _: None)
            try:
                await self.healthy.live(stop)
            except (Lost, Fault) as error:
                self.note(str(error))
        ended.set()


class _Log(logging.Handler):
    """Whatever the broker logs as an error is one: it logs its own mistakes so."""

    def __init__(self, broker: LocalBroker) -> None:
        super().__init__(logging.ERROR)
        self._broker = broker

    def emit(self, record: logging.LogRecord) -> None:
        self._broker.note(f"in the log: {logging.Formatter().format(record)}")


class _Stopwatch(trio.abc.Instrument):
    """Measures each stretch of work of the server's tasks."""

    def __init__(self, broker: LocalBroker) -> None:
        self._broker = broker
        self._began = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        seconds = time.thread_time() - self._began
        if seconds > self._broker.longest_seconds and task.name.endswith(_SERVER_TASKS):
            self._broker.longest_seconds = seconds
            if seconds > LIMIT_SECONDS:
                self._broker.note(f"{task.name} kept everybody waiting for {seconds * 1000:.0f} ms")


async def _collect_garbage() -> None:
    while True:
        await trio.sleep(_COLLECT_SECONDS)
        gc.collect()


@asynccontextmanager
async def a_local_broker() -> AsyncGenerator[LocalBroker]:
    """Serve, with a healthy client, for the time of the block."""
    broker = LocalBroker()
    log = _Log(broker)
    logger = logging.getLogger("amqpbroker")
    was_level, was_propagating = logger.level, logger.propagate
    logger.addHandler(log)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    stopwatch = _Stopwatch(broker)
    trio.lowlevel.add_instrument(stopwatch)
    stop, ended = trio.Event(), trio.Event()
    had_collector = gc.isenabled()
    gc.disable()  # as a server does (`server/janitor.py`); the cases' garbage is not its own
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broker.server.reactor.run)
            nursery.start_soon(broker.server.timekeeper.run)
            nursery.start_soon(broker.live, stop, ended)
            nursery.start_soon(_collect_garbage)
            try:
                yield broker
            finally:
                stop.set()
                with trio.move_on_after(_END_SECONDS):
                    await ended.wait()
                broker.server.drop_sessions()
                nursery.cancel_scope.cancel()
    finally:
        if had_collector:
            gc.enable()
        trio.lowlevel.remove_instrument(stopwatch)
        logger.removeHandler(log)
        logger.setLevel(was_level)
        logger.propagate = was_propagating
