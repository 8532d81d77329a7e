"""Waiting until the broker is in some state, without sleeping and without polling.

A condition is a question that is asked in the broker's thread at the end of every round.  Nothing
in the broker changes outside of rounds, so it is asked whenever the answer may be another one.
It answers with a list of what is still outstanding, in words; an empty list ends the waiting, and
any other is what the error says when the time is over.
"""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeAlias

import trio

from amqpbroker.testing.server_thread import ServerThread, outcome

#: How long is waited unless told otherwise, in seconds.
TIMEOUT_SECONDS: Final = 5.0
#: How many things that are outstanding an error names.
_NAMED_MAX: Final = 20

#: What is still outstanding, in words; nothing, and the waiting is over.
Condition: TypeAlias = Callable[[], list[str]]


class StillOutstanding(TimeoutError):
    """The broker did not get into the state that was waited for; the text says what is missing."""


class Barriers:
    """The conditions that somebody waits for."""

    def __init__(self, thread: ServerThread) -> None:
        self._thread = thread
        self._waiting: dict[Future[None], Condition] = {}  # in the broker's thread
        thread.server.after_round = self._look

    def wait(self, wanted: str, condition: Condition, timeout: float) -> None:
        """Wait until nothing is outstanding; raises `StillOutstanding` after *timeout* seconds.

        *wanted* names what is waited for, for the error.
        """
        __tracebackhide__ = True
        future = self._begin(wanted, condition, timeout)
        try:
            future.result()
        except StillOutstanding as error:
            raise StillOutstanding(f"{error}{_advice()}") from None

    async def async_wait(self, wanted: str, condition: Condition, timeout: float) -> None:
        """As `wait`, for code under asyncio or trio: other tasks go on meanwhile."""
        await outcome(self._begin(wanted, condition, timeout))

    def _begin(self, wanted: str, condition: Condition, timeout: float) -> "Future[None]":
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # whoever stops waiting does not cancel it

        def expire() -> None:
            self._look()  # it may hold by now, or fail
            if self._waiting.pop(future, None) is None:
                return
            names = condition()
            text = "".join(f"\n  - {one}" for one in names[:_NAMED_MAX])
            if len(names) > _NAMED_MAX:
                text += f"\n  - and {len(names) - _NAMED_MAX} more"
            error = StillOutstanding(f"{wanted}: after {timeout:g} s this is outstanding:{text}")
            self._thread.settle(future, error=error)

        def begin() -> None:
            self._waiting[future] = condition  # asked at the end of this round
            self._thread.server.timekeeper.call_in(timeout, expire)

        self._thread.post(future, begin)
        return future

    def _look(self) -> None:
        for future, condition in list(self._waiting.items()):
            try:
                if condition():
                    continue
            except Exception as error:  # noqa: BLE001  # it is the waiter's
                self._thread.settle(future, error=error)
            else:
                self._thread.settle(future)
            self._waiting.pop(future, None)


def _advice() -> str:
    """What may be wrong where the waiting thread is the clients' own."""
    if not trio.lowlevel.in_trio_run():
        import asyncio

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return ""
    return (
        "\n(This thread runs an event loop, which stood still while it waited here, and with it "
        "its clients: await the method whose name begins with 'async_' instead.)"
    )
