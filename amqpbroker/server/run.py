"""Running a server as a process: logging, signals, the ready lines."""

import logging
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Sequence

import trio

from amqpbroker.server.server import Server
from amqpbroker.server.settings import Settings

logger = logging.getLogger("amqpbroker")


def run(
    settings: Settings,
    listeners: Sequence[socket.socket],
    *,
    log_level: str,
    ready_lines: Iterable[str],
) -> None:
    """Serve until SIGTERM or SIGINT; a second signal does not wait for the clients."""
    _allow_many_files()
    logging.basicConfig(
        stream=sys.stderr,
        level=log_level.upper(),
        format="%(asctime)s %(levelname)s %(message)s",
    )
    trio.run(_serve, Server(settings, listeners), list(ready_lines))


def _allow_many_files() -> None:
    """Take as many open files as we may: each client is one, and most shells give 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(server: Server, ready_lines: Sequence[str]) -> None:
    stop = trio.Event()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, signals, stop, nursery.cancel_scope)
            for line in ready_lines:
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
            await server.run(stop)
            nursery.cancel_scope.cancel()


async def _stop_on_signal(
    signals: AsyncIterator[int], stop: trio.Event, scope: trio.CancelScope
) -> None:
    async for number in signals:
        if stop.is_set():
            scope.cancel()
        logger.info("stopping: %s", signal.Signals(number).name)
        stop.set()
