"""SIGHUP: read settings and certificates again, for the clients that come after it.

It also comes when the terminal that a broker was started in is closed: then the broker stops, as
other programs do.
"""

import logging
import os
import signal
from collections.abc import Callable

import trio

from amqpbroker.server.server import Server
from amqpbroker.server.settings import Settings

logger = logging.getLogger("amqpbroker")


class ReloadOnHangup:
    """Reloads at each SIGHUP.  `run.Beside`."""

    def __init__(self, read_settings: Callable[[], Settings]) -> None:
        """*read_settings* gives the settings anew, or raises `ValueError` with a sentence."""
        self._read_settings = read_settings

    async def __call__(
        self, server: Server, stop: trio.Event, *, task_status: trio.TaskStatus[None]
    ) -> None:
        """Wait for the signal, again and again."""
        with trio.open_signal_receiver(signal.SIGHUP) as signals:
            had_terminal = _has_terminal()
            task_status.started()
            async for _ in signals:
                if had_terminal and not _has_terminal():
                    logger.info("stopping: the terminal is gone")
                    stop.set()
                else:
                    self.reload(server)

    def reload(self, server: Server) -> None:
        """Take over what may change; nothing changes if something cannot be used."""
        try:
            settings = self._read_settings()
            server.reload(settings)
        except ValueError as error:
            logger.error("nothing is reloaded: %s", error)
            return
        logger.info("settings and certificates are read again")
        logging.getLogger().setLevel(settings.log_level.upper())


def _has_terminal() -> bool:
    """Whether somebody sits at a terminal that controls this process."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return False
    return True
