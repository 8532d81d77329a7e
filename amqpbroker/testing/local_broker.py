"""A broker inside the process of the tests, and what they ask of it.

    with broker() as b:
        connection = pika.BlockingConnection(pika.URLParameters(b.url))

It is the broker that `amqpbroker serve` runs, in a thread of its own, on a free port and on a Unix
socket.  Every method may be called from any thread, and from code under asyncio or trio as well:
a call crosses over to the broker's thread and back, which takes well under a millisecond.  The few
that wait for clients have a second form whose name begins with ``async_``.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, ParamSpec, Self, TypedDict, TypeVar, Unpack
from urllib.parse import quote

from amqpbroker.engine import administration
from amqpbroker.engine.access import GUEST_NAME
from amqpbroker.engine.broker import Broker
from amqpbroker.server.server import Server
from amqpbroker.server.settings import Settings
from amqpbroker.spec.constants import DEFAULT_MESSAGE_BYTES_MAX
from amqpbroker.testing import snapshot
from amqpbroker.testing.barriers import TIMEOUT_SECONDS, Barriers
from amqpbroker.testing.clock import Clock
from amqpbroker.testing.faults import DEFAULT_SEED, Faults
from amqpbroker.testing.journeys import JOURNEYS_MAX, Journey, Journeys
from amqpbroker.testing.kit_client import find_vhost
from amqpbroker.testing.messages import SeenMessage
from amqpbroker.testing.publish_record import PublishRecord
from amqpbroker.testing.published import Published, query_of
from amqpbroker.testing.server_thread import ServerThread
from amqpbroker.testing.snapshot import Snapshot
from amqpbroker.testing.vhost_handle import VHostHandle

P = ParamSpec("P")
T = TypeVar("T")

#: When messages make the process larger than this, publishers wait, as RabbitMQ's do.
MEMORY_LIMIT_BYTES: Final = 1024 * 1024 * 1024
_BACKLOG: Final = 128
_DIRECTORY_PREFIX: Final = "amqpbroker-"
_SOCKET_NAME: Final = "amqp.sock"
#: The longest path that Linux lets a Unix socket have, in bytes.
_UNIX_PATH_BYTES_MAX: Final = 107
#: How many journeys an error lists.
_LISTED_MAX: Final = 5


class BrokerOptions(TypedDict, total=False):
    """How a broker is started.  All of it can be left out."""

    port: int
    """The port of 127.0.0.1; any free one unless told otherwise."""
    memory_limit_bytes: int
    """When messages make the process larger than this, publishers wait (1 GiB)."""
    message_bytes_max: int
    """The largest message body (16 MiB)."""
    seed: int
    """What the chance of faults comes from (1)."""
    journeys: int
    """How many messages' journeys are kept (10,000)."""


class LocalBroker:
    """A running broker.  `broker` and `async_broker` make one."""

    def __init__(self, **options: Unpack[BrokerOptions]) -> None:
        """Start it; see `BrokerOptions`."""
        self._directory = _make_directory()
        #: The Unix socket, for clients that can use one.
        self.unix_path = self._directory / _SOCKET_NAME
        listeners: list[socket.socket] = []
        try:
            address = ("127.0.0.1", options.get("port", 0))
            listeners.append(socket.create_server(address, backlog=_BACKLOG))
            self.port: int = listeners[0].getsockname()[1]
            listeners.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listeners[1].bind(str(self.unix_path))
            listeners[1].listen(_BACKLOG)
        except OSError:
            for listener in listeners:
                listener.close()
            shutil.rmtree(self._directory)
            raise
        self.host = "127.0.0.1"
        settings = Settings(
            port=self.port,
            is_in_memory=True,
            memory_limit_bytes=options.get("memory_limit_bytes", MEMORY_LIMIT_BYTES),
            message_bytes_max=options.get("message_bytes_max", DEFAULT_MESSAGE_BYTES_MAX),
        )
        self._furnish(ServerThread(settings, listeners), options)

    def _furnish(self, thread: ServerThread, options: BrokerOptions) -> None:
        """Put the test kit beside a server, and let it serve."""
        self._thread = thread
        self._vhost_numbers = count(1)
        #: Who waits for what; `settle` and `QueueHandle.wait_for` are made of it.
        self.barriers = Barriers(self._thread)
        #: The time by which messages expire.
        self.clock = Clock(self._thread, self.barriers)
        #: What clients have published; `published` is made of it.
        self.publish_record = PublishRecord()
        self.engine.watch(self.publish_record)
        self.engine.watch_events(self.publish_record)
        #: What goes wrong when a test says so.
        self.faults = Faults(self.server, self.look, options.get("seed", DEFAULT_SEED))
        self._journeys = Journeys(self.engine, options.get("journeys", JOURNEYS_MAX))
        if options.get("journeys", 1):
            self._journeys.start()
        self._thread.start()

    def __repr__(self) -> str:
        state = "" if self.is_running else " stopped"
        return f"<LocalBroker {self.url}{state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether it serves: until `close`."""
        return self._thread.is_running

    def close(self) -> None:
        """Close every connection with 320 and stop; clients are not waited for."""
        self._thread.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    # Where it is

    @property
    def url(self) -> str:
        """Where clients connect to the vhost ``/``, as the user guest."""
        return self.url_for("/")

    def url_for(self, vhost_name: str, *, user: str = "guest", password: str = "guest") -> str:
        """Where clients connect to a vhost."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"amqp://{login}@{self.host}:{self.port}/{quote(vhost_name, safe='')}"

    # What it has

    def vhost(self, name: str = "/") -> VHostHandle:
        """The vhost of that name; raises `LookupError` when there is none."""
        self.call(find_vhost, self.engine, name)
        return VHostHandle(self, name)

    def add_vhost(self, name: str | None = None) -> VHostHandle:
        """The vhost of that name, which is made if it is not there; without a name, a new one.

        The user guest may do everything in it.
        """
        if name is None:
            name = f"test-{next(self._vhost_numbers)}"
        self.call(self._open_vhost, name)
        return VHostHandle(self, name)

    def _open_vhost(self, name: str) -> None:
        administration.add_vhost(self.engine, name)
        administration.set_permissions(self.engine, GUEST_NAME, name)

    def delete_vhost(self, name: str) -> None:
        """Delete a vhost and all that it has; whoever is connected to it is closed with 320.

        Raises `OperatorError`, a `ValueError`, when there is none of that name.
        """
        self.call(self.engine.delete_vhost, name)

    @contextmanager
    def fresh_vhost(self) -> Generator[VHostHandle]:
        """A new vhost for the time of the block."""
        vhost = self.add_vhost()
        try:
            yield vhost
        finally:
            if self.is_running and self.call(lambda: vhost.name in self.engine.vhosts):
                vhost.delete()

    def published(
        self,
        routing_key: str | None = None,
        *,
        exchange: str | None = None,
        vhost: str | None = None,
    ) -> Published:
        """What clients have published until now: a list, and assertions about it.

        The routing key is a pattern as in a binding of a topic exchange: ``orders.*``, ``#.eu``.
        Without *vhost* all count.  The record of a vhost goes back `PUBLISHES_MAX` messages and
        `PUBLISH_BYTES_MAX` bytes, and ends with the vhost.  What the test itself publishes by
        `QueueHandle.publish` or `ExchangeHandle.publish` is not in it.
        """
        return Published.now(self, query_of(vhost, routing_key, exchange))

    def forget_published(self, vhost: str | None = None) -> None:
        """Start the record of what was published anew, in a vhost or in all."""
        self.look(self.publish_record.forget, vhost)

    # State

    def snapshot(self) -> Snapshot:
        """The whole broker's state, for `restore`: see `testing/snapshot.py`."""
        return self.look(snapshot.take, self.engine)

    def restore(self, state: Snapshot) -> None:
        """Bring the broker back to the state of a snapshot, and forget what was published.

        Connections stay open, and consumers stay on queues that are there again.  What clients
        have unacked is no longer theirs, and settling it does nothing.
        """

        def restore() -> None:
            snapshot.restore(self.engine, state)
            self.publish_record.forget()

        self.look(restore)

    def journey(self, message: SeenMessage | Callable[[SeenMessage], bool]) -> Journey:
        """What happened to a message, and why: `str` of it is the story.

        The message is one that `published` has given, or a predicate that one message fits.
        Raises `LookupError` when there is none, or more than one.
        """
        if isinstance(message, SeenMessage):
            content = message.content
            found = self.look(lambda: self._journeys.of_content(content))
            if found is None:
                raise LookupError(f"no journey of {message!r} is kept")
            return found
        found = self.journeys(message)
        if len(found) != 1:
            listed = "".join(f"\n{journey}" for journey in found[:_LISTED_MAX])
            raise LookupError(f"{len(found)} messages fit, not 1{listed}")
        return found[0]

    def journeys(
        self, fits: Callable[[SeenMessage], bool] = lambda _: True, *, vhost: str | None = None
    ) -> list[Journey]:
        """The journeys that are kept of messages that fit, oldest first."""
        kept = self.look(lambda: list(self._journeys))
        return [
            journey
            for journey in kept
            if vhost in {None, journey.vhost_name} and fits(SeenMessage(journey.message))
        ]

    def story_of(self, message: SeenMessage) -> list[str]:
        """The lines of a message's journey, for an error; none if it is not kept."""
        journey = self.look(lambda: self._journeys.of_content(message.content))
        return [] if journey is None else journey.lines()[1:]

    # Waiting

    def settle(self, *, acked: bool = False, timeout: float = TIMEOUT_SECONDS) -> None:
        """Wait until nothing is in flight any more.

        All that clients have written to their sockets by now is worked off, everything that can be
        delivered is delivered, and all output is with the operating system.  With *acked* it is
        also waited until clients have settled what they were given.  Raises `StillOutstanding`, a
        `TimeoutError` that names what is missing, after *timeout* seconds.
        """
        __tracebackhide__ = True
        self.barriers.wait("waiting for quiet", lambda: self._outstanding(acked=acked), timeout)

    async def async_settle(self, *, acked: bool = False, timeout: float = TIMEOUT_SECONDS) -> None:
        """As `settle`, for code under asyncio or trio."""
        await self.barriers.async_wait(
            "waiting for quiet", lambda: self._outstanding(acked=acked), timeout
        )

    def _outstanding(self, *, acked: bool) -> list[str]:
        found = self.server.under_way
        if not found and not self.server.is_caught_up:
            found = ["clients go on sending"]
        if acked:
            found += [
                f"{queue}: {queue.unacked_count} delivered, and neither acked nor rejected"
                for vhost in self.engine.vhosts.values()
                for queue in vhost.queues.values()
                if queue.unacked_count
            ]
        return found

    # The broker's own thread

    @property
    def server(self) -> Server:
        """The server; only for use inside of `call` and `look`."""
        return self._thread.server

    @property
    def engine(self) -> Broker:
        """The engine; only for use inside of `call` and `look`."""
        return self._thread.server.broker

    def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What *function* returns or raises in the broker's thread, between two rounds.

        What it makes ready is on its way to the clients before this returns.
        """
        return self._thread.call(function, *args, **kwargs)

    def look(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """As `call`, when all is worked off that clients have written to their sockets by now."""
        return self._thread.look(function, *args, **kwargs)


def _make_directory() -> Path:
    """A directory of its own, in which the path of a Unix socket is not too long."""
    directory = Path(tempfile.mkdtemp(prefix=_DIRECTORY_PREFIX))
    if len(os.fsencode(directory / _SOCKET_NAME)) <= _UNIX_PATH_BYTES_MAX:
        return directory
    directory.rmdir()
    return Path(tempfile.mkdtemp(prefix=_DIRECTORY_PREFIX, dir="/tmp"))


def broker(**options: Unpack[BrokerOptions]) -> LocalBroker:
    """Start a broker, for a block of ``with``.  It serves at once, and is closed when that ends.

    It may also be kept, and closed with `LocalBroker.close`.
    """
    return LocalBroker(**options)


@asynccontextmanager
async def async_broker(**options: Unpack[BrokerOptions]) -> AsyncGenerator[LocalBroker]:
    """Start a broker for the time of an ``async with`` block, under asyncio or trio."""
    with LocalBroker(**options) as local:
        yield local
