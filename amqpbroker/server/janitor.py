"""When the garbage collector runs.

A million queued messages make a full collection a pause of some hundred milliseconds, and there
is next to no garbage to find: connections and queues take their cycles apart when they end.  So
the collector does not run by itself.  Every `LOOK_SECONDS` the janitor either collects, when
little is held, or moves what was made since to where collections do not look (`gc.freeze`, which
takes no time however much it is); and when the messages have drained, it brings it all back and
collects.
"""

import gc
from time import perf_counter
from typing import Final

import trio

from amqpbroker.engine.broker import Broker

LOOK_SECONDS: Final = 1.0
#: With many queues and connections a collection takes long: then it is done less often.
_WORK_SHARE: Final = 0.01
#: With this much held a collection takes a few milliseconds, in bytes.
_LITTLE_BYTES: Final = 8 * 1024 * 1024


class Janitor:
    """Decides when to collect."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._has_frozen = False

    async def run(self) -> None:
        """Look after the collector until cancelled; then leave it as it was."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            work_seconds = 0.0
            while True:
                await trio.sleep(max(LOOK_SECONDS, work_seconds / _WORK_SHARE))
                began = perf_counter()
                self.look()
                work_seconds = perf_counter() - began
        finally:
            if was_enabled:
                gc.enable()

    def look(self) -> None:
        """Collect, or put off collecting."""
        if self._broker.held_bytes > _LITTLE_BYTES:
            gc.freeze()
            self._has_frozen = True
            return
        if self._has_frozen:
            gc.unfreeze()
            self._has_frozen = False
        gc.collect()
