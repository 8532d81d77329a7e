"""Stopping when the process that has started the broker ends, however it does.

A file of the parent (pidfd) becomes readable at its end.  Not `PR_SET_PDEATHSIG`, which fires
when the *thread* that has started us ends: test runners start brokers from threads that they do
not keep.
"""

import logging
import os
from typing import Final

import trio

from amqpbroker.server.server import Server

logger = logging.getLogger("amqpbroker")

#: How often to look for the parent where there are no such files, in seconds.
LOOK_SECONDS: Final = 1.0


class StopWithParent:
    """Sets `stop` when the parent is gone.  `run.Beside`."""

    def __init__(self, parent_id: int) -> None:
        """Of *parent_id*, which was our parent when we began."""
        self._parent_id = parent_id

    async def __call__(
        self, server: Server, stop: trio.Event, *, task_status: trio.TaskStatus[None]
    ) -> None:
        """Wait for the end of the parent, which may have come already."""
        task_status.started()
        await self._wait()
        logger.info("stopping: the parent process is gone")
        stop.set()

    async def _wait(self) -> None:
        try:
            parent = os.pidfd_open(self._parent_id)
        except OSError:  # it is gone, or the system has no such thing
            while os.getppid() == self._parent_id:  # noqa: ASYNC110  nobody tells us
                await trio.sleep(LOOK_SECONDS)
            return
        try:
            if os.getppid() == self._parent_id:  # so the file is of the parent, and of no other
                await trio.lowlevel.wait_readable(parent)
        finally:
            os.close(parent)
