"""Heartbeats, by the second: when one is sent, and when a client counts as lost."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from amqpbroker.server.heartbeat import Heartbeat
from amqpbroker.server.timekeeper import Timekeeper

INTERVAL_S = 10


class Line:
    """A connection's heartbeat, and when it did what."""

    def __init__(self, timekeeper: Timekeeper) -> None:
        self.sent: list[float] = []
        self.lost: list[float] = []
        self.heartbeat = Heartbeat(
            timekeeper,
            INTERVAL_S,
            lambda: self.sent.append(trio.current_time()),
            lambda: self.lost.append(trio.current_time()),
        )

    async def reach(self, second: float, *, sends: bool = False, receives: bool = False) -> None:
        """Go on to *second*, where something else is sent or received."""
        with trio.move_on_at(second):
            await trio.sleep_forever()
        self.heartbeat.has_sent |= sends
        self.heartbeat.has_received |= receives


@asynccontextmanager
async def a_line() -> AsyncGenerator[Line]:
    timekeeper = Timekeeper(lambda: False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timekeeper.run)
        yield Line(timekeeper)
        nursery.cancel_scope.cancel()


async def test_one_is_sent_every_half_interval(autojump_clock: MockClock) -> None:
    async with a_line() as line:
        await line.reach(22, receives=True)

    assert line.sent == [5, 10, 15, 20]


async def test_none_is_sent_where_something_else_was(autojump_clock: MockClock) -> None:
    async with a_line() as line:
        await line.reach(7, sends=True)
        await line.reach(8, sends=True)
        await line.reach(16, sends=True)
        await line.reach(26)

    assert line.sent == [5, 15, 25]


async def test_the_first_is_sent_whatever_else_was(autojump_clock: MockClock) -> None:
    async with a_line() as line:
        await line.reach(1, sends=True)
        await line.reach(6)

    assert line.sent == [5]


async def test_a_client_is_lost_after_two_silent_intervals(autojump_clock: MockClock) -> None:
    async with a_line() as line:
        await line.reach(100)

    assert line.lost == [30]  # 10: it had opened; 20 and 30: silent


async def test_the_last_byte_counts_from_the_look_that_follows_it(
    autojump_clock: MockClock,
) -> None:
    async with a_line() as line:
        await line.reach(19, receives=True)
        await line.reach(100)

    assert line.lost == [40]


async def test_any_byte_in_time_keeps_a_client(autojump_clock: MockClock) -> None:
    async with a_line() as line:
        for second in range(25, 200, 20):
            await line.reach(second, receives=True)

    assert line.lost == []


async def test_a_lost_client_is_told_nothing_more(autojump_clock: MockClock) -> None:
    async with a_line() as line:
        await line.reach(200)

    assert line.sent == [5, 10, 15, 20, 25, 30] or line.sent == [5, 10, 15, 20, 25]
    assert len(line.lost) == 1


async def test_silence_means_nothing_while_it_is_suspended(autojump_clock: MockClock) -> None:
    async with a_line() as line:
        line.heartbeat.is_suspended = True
        await line.reach(205)
        assert line.lost == []
        line.heartbeat.is_suspended = False
        await line.reach(300)

    assert line.lost == [220]
    assert line.sent[:40] == [5 * half for half in range(1, 41)]


async def test_a_stopped_heartbeat_neither_sends_nor_looks(autojump_clock: MockClock) -> None:
    async with a_line() as line:
        await line.reach(6)
        line.heartbeat.stop()
        await line.reach(100)

    assert (line.sent, line.lost) == ([5], [])
