"""The timekeeper: what is due is called, once, in order, at its time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from amqpbroker.server.timekeeper import CANCELLED_MAX, Timekeeper


class Log:
    """What was called, and when."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, float]] = []
        self.finished_count = 0
        self.more_count = 0  # how often to ask for another call

    def note(self, text: str) -> None:
        self.lines.append((text, trio.current_time()))

    def finish(self) -> bool:
        self.finished_count += 1
        self.more_count -= 1
        return self.more_count >= 0


@asynccontextmanager
async def a_timekeeper(log: Log) -> AsyncGenerator[Timekeeper]:
    timekeeper = Timekeeper(log.finish)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timekeeper.run)
        yield timekeeper
        nursery.cancel_scope.cancel()


async def reach(second: float) -> None:
    """Let what is due until *second* happen, that second included."""
    with trio.move_on_at(second + 0.001):
        await trio.sleep_forever()


@pytest.fixture
def log() -> Log:
    return Log()


async def test_callbacks_come_at_their_time_in_order(autojump_clock: MockClock, log: Log) -> None:
    async with a_timekeeper(log) as timekeeper:
        timekeeper.call_in(3, partial(log.note, "third"))
        timekeeper.call_in(1, partial(log.note, "first"))
        timekeeper.call_in(2, partial(log.note, "second"))
        await reach(10)

    assert log.lines == [("first", 1.0), ("second", 2.0), ("third", 3.0)]
    assert log.finished_count == 3


async def test_those_due_together_come_in_the_order_they_were_made(
    autojump_clock: MockClock, log: Log
) -> None:
    async with a_timekeeper(log) as timekeeper:
        for text in "abc":
            timekeeper.call_in(5, partial(log.note, text))
        await reach(10)

    assert log.lines == [("a", 5.0), ("b", 5.0), ("c", 5.0)]
    assert log.finished_count == 1


async def test_an_earlier_timer_wakes_a_sleeping_timekeeper(
    autojump_clock: MockClock, log: Log
) -> None:
    async with a_timekeeper(log) as timekeeper:
        timekeeper.call_in(100, partial(log.note, "late"))
        await reach(1)
        timekeeper.call_in(2, partial(log.note, "early"))
        await reach(50)
        assert [text for text, _ in log.lines] == ["early"]
        await reach(200)

    assert [text for text, _ in log.lines] == ["early", "late"]


async def test_a_cancelled_timer_is_not_called(autojump_clock: MockClock, log: Log) -> None:
    async with a_timekeeper(log) as timekeeper:
        timer = timekeeper.call_in(1, partial(log.note, "cancelled"))
        timekeeper.call_in(2, partial(log.note, "called"))
        timer.cancel()
        timer.cancel()
        await reach(10)

    assert log.lines == [("called", 2.0)]
    assert log.finished_count == 1


async def test_cancelling_after_the_call_does_nothing(autojump_clock: MockClock, log: Log) -> None:
    async with a_timekeeper(log) as timekeeper:
        timer = timekeeper.call_in(1, partial(log.note, "called"))
        await reach(2)
        timer.cancel()
        timekeeper.call_in(1, partial(log.note, "another"))
        await reach(5)

    assert [text for text, _ in log.lines] == ["called", "another"]


async def test_a_callback_may_make_the_next(autojump_clock: MockClock, log: Log) -> None:
    async with a_timekeeper(log) as timekeeper:

        def tick() -> None:
            log.note("tick")
            timekeeper.call_in(10, tick)

        timekeeper.call_in(10, tick)
        await reach(35)

    assert log.lines == [("tick", 10.0), ("tick", 20.0), ("tick", 30.0)]


async def test_a_callback_that_fails_harms_no_other(
    autojump_clock: MockClock, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise AssertionError("a broken invariant")

    async with a_timekeeper(log) as timekeeper:
        timekeeper.call_in(1, fail)
        timekeeper.call_in(1, partial(log.note, "the same second"))
        timekeeper.call_in(2, partial(log.note, "the next"))
        await reach(10)

    assert log.lines == [("the same second", 1.0), ("the next", 2.0)]
    assert "a broken invariant" in caplog.text


async def test_what_is_left_to_do_is_done_before_the_next_is_due(
    autojump_clock: MockClock, log: Log
) -> None:
    log.more_count = 3
    async with a_timekeeper(log) as timekeeper:
        timekeeper.call_in(1, partial(log.note, "called"))
        await reach(2)

    assert log.finished_count == 4


async def test_many_cancelled_timers_do_not_pile_up(autojump_clock: MockClock, log: Log) -> None:
    """A client may ask for a heartbeat every 18 hours, and go; and come back, and go."""
    async with a_timekeeper(log) as timekeeper:
        timekeeper.call_in(70_000, partial(log.note, "kept"))
        for _ in range(10 * CANCELLED_MAX):
            timekeeper.call_in(65_535, partial(log.note, "cancelled")).cancel()
            assert len(timekeeper._timers) <= CANCELLED_MAX + 2
        await reach(80_000)

    assert log.lines == [("kept", 70_000.0)]
