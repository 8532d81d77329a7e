"""Running a server as a process: logging, signals, the ready lines."""

import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

import trio

from amqpbroker.engine.broker import Broker
from amqpbroker.server.server import Server
from amqpbroker.server.settings import Settings
from amqpbroker.server.store import Store
from amqpbroker.storage.disk import StoreLocked
from amqpbroker.storage.scan import StoreDamaged

logger = logging.getLogger("amqpbroker")

#: What ends a line somewhere, controls a terminal, or turns the direction of what follows.
_CONTROL_RANGES: Final = ((0, 32), (127, 160), (0x2028, 0x202F), (0x2066, 0x206A))
#: {control character: how the log shows it}
_CONTROLS: Final = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for first, end in _CONTROL_RANGES
    for code in range(first, end)
}


class CannotStart(Exception):
    """What keeps a server from starting; its arguments are lines for whoever starts it."""


class Beside(Protocol):
    """Something that runs beside a server, as long as it does."""

    def __call__(
        self, server: Server, stop: trio.Event, *, task_status: trio.TaskStatus[None]
    ) -> Awaitable[None]:
        """Say `started` when it is up; set *stop* to end the server."""
        ...


def run(
    settings: Settings,
    listeners: Sequence[socket.socket],
    tls_listeners: Sequence[socket.socket] = (),
    *,
    ready_lines: Iterable[str],
    beside: Iterable[Beside] = (),
    prepare: Callable[[Broker], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; a second signal does not wait for the clients.

    Raises `StoreError` if the store cannot be opened.
    *beside* runs with the server, each from before the ready lines to the end.  *prepare* is given
    the broker before it has any client, and raises `CannotStart` if it must have none.
    Raises `tls.WrongCertificate` for certificates that cannot be used.
    """
    _allow_many_files()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    store = None if settings.is_in_memory else _open_store(settings)
    server = Server(settings, listeners, tls_listeners, store=store)
    if prepare is not None:
        prepare(server.broker)
    trio.run(_serve, server, list(ready_lines), list(beside))


class LineFormatter(logging.Formatter):
    """Makes one line of a record, its traceback aside, whatever a client has put into it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return super().formatMessage(record).translate(_CONTROLS)


class StoreError(Exception):
    """The store in `path` cannot be opened; why is the cause."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def _open_store(settings: Settings) -> Store:
    path = settings.data_dir or default_data_dir()
    try:
        return Store(
            path, syncs=settings.syncs, disk_free_limit_bytes=settings.disk_free_limit_bytes
        )
    except (OSError, StoreLocked, StoreDamaged) as error:
        raise StoreError(path) from error


def default_data_dir() -> str:
    """Where a broker keeps its data that was not told where."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111
    return os.path.join(state, "amqpbroker", "default")  # noqa: PTH118


def _allow_many_files() -> None:
    """Take as many open files as we may: each client is one, and most shells give 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(server: Server, ready_lines: Sequence[str], beside: Sequence[Beside]) -> None:
    stop = trio.Event()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, signals, stop, nursery.cancel_scope)
            for one in beside:
                await nursery.start(one, server, stop)
            _print(ready_lines)
            nursery.start_soon(_tune_allocator)
            await server.run(stop)
            nursery.cancel_scope.cancel()


def _print(lines: Iterable[str]) -> None:
    try:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the first line may not be interested in the second
        logger.info("nobody reads what is printed")


async def _tune_allocator() -> None:
    """When everybody else has had a turn: a start does not wait for it."""
    await trio.lowlevel.checkpoint()
    from amqpbroker.server.allocator import keep_large_pieces

    keep_large_pieces()


async def _stop_on_signal(
    signals: AsyncIterator[int], stop: trio.Event, scope: trio.CancelScope
) -> None:
    async for number in signals:
        if stop.is_set():
            scope.cancel()
        logger.info("stopping: %s", signal.Signals(number).name)
        stop.set()
