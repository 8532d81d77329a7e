"""The engine's clock: it tells the broker the time, and wakes it when something is due."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from brokers import make_broker
from trio.testing import MockClock

from amqpbroker.engine.broker import Broker
from amqpbroker.server.clock import EngineClock
from amqpbroker.server.timekeeper import Timekeeper


async def wait(seconds: float) -> None:
    """Let the clock go on."""
    with trio.move_on_after(seconds):
        await trio.sleep_forever()


@asynccontextmanager
async def a_clock() -> AsyncGenerator[tuple[Broker, EngineClock, Timekeeper]]:
    """A broker with a clock that waits again whenever something was due."""
    broker = make_broker()

    def finish() -> bool:
        clock.wait()
        return False

    timekeeper = Timekeeper(finish)
    clock = EngineClock(broker, timekeeper)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timekeeper.run)
        clock.tick()
        yield broker, clock, timekeeper
        nursery.cancel_scope.cancel()


async def test_it_begins_with_the_wall_clocks_time(autojump_clock: MockClock) -> None:
    before_ms = time.time() * 1000
    async with a_clock() as (broker, _, _):
        after_ms = time.time() * 1000

        assert int(before_ms) <= broker.now_ms <= after_ms


async def test_then_it_goes_on_as_trios_clock_does(autojump_clock: MockClock) -> None:
    async with a_clock() as (broker, clock, _):
        start_ms = broker.now_ms
        await wait(3600)
        clock.tick()

        assert abs(broker.now_ms - start_ms - 3_600_000) <= 1


async def test_what_is_due_is_called_at_its_time_and_not_before(
    autojump_clock: MockClock,
) -> None:
    async with a_clock() as (broker, clock, _):
        start_ms = broker.now_ms
        called: list[int] = []
        for delay_ms in (3, 1000, 1000, 60_000):
            broker.schedule.call_at(start_ms + delay_ms, lambda: called.append(broker.now_ms))
        clock.wait()
        await wait(0.5)
        assert len(called) == 1
        await wait(100)

    late_ms = [
        one - start_ms - due for one, due in zip(called, (3, 1000, 1000, 60_000), strict=True)
    ]
    assert all(0 <= one <= 1 for one in late_ms), late_ms


async def test_something_due_sooner_is_not_missed(autojump_clock: MockClock) -> None:
    async with a_clock() as (broker, clock, _):
        called: list[str] = []
        broker.schedule.call_at(broker.now_ms + 60_000, lambda: called.append("late"))
        clock.wait()
        broker.schedule.call_at(broker.now_ms + 10, lambda: called.append("soon"))
        clock.wait()
        await wait(1)

        assert called == ["soon"]


async def test_it_sets_no_second_timer_for_the_same_time(autojump_clock: MockClock) -> None:
    async with a_clock() as (broker, clock, timekeeper):
        broker.schedule.call_at(broker.now_ms + 60_000, lambda: None)
        for _ in range(5):
            clock.wait()

        assert len(timekeeper._timers) == 1


async def test_what_is_cancelled_wakes_nobody(autojump_clock: MockClock) -> None:
    async with a_clock() as (broker, clock, timekeeper):
        start_ms = broker.now_ms
        appointment = broker.schedule.call_at(start_ms + 1000, lambda: None)
        clock.wait()
        appointment.cancel()
        clock.wait()
        await wait(5)

        assert broker.now_ms == start_ms
        assert [timer for _, _, timer in timekeeper._timers if timer.callback] == []


async def test_what_is_overdue_is_called_at_once(autojump_clock: MockClock) -> None:
    async with a_clock() as (broker, clock, _):
        called: list[str] = []
        broker.schedule.call_at(broker.now_ms - 5000, lambda: called.append("overdue"))
        clock.wait()
        await wait(0.001)

        assert called == ["overdue"]


async def test_a_bug_in_what_is_due_stops_neither_the_clock_nor_what_is_due_next(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[str] = []

    def fail() -> None:
        raise RuntimeError("full of holes")

    async with a_clock() as (broker, clock, _):
        broker.schedule.call_at(broker.now_ms, fail)
        broker.schedule.call_at(broker.now_ms, lambda: called.append("next"))
        clock.tick()  # as at the start of a round, where nobody else would catch it
        clock.tick()

    assert called == ["next"]
    assert "full of holes" in caplog.text


async def test_frozen_it_stands_and_nothing_is_due(autojump_clock: MockClock) -> None:
    async with a_clock() as (broker, clock, _):
        called: list[int] = []
        broker.schedule.call_at(broker.now_ms + 1000, lambda: called.append(broker.now_ms))
        clock.wait()
        clock.freeze()
        clock.wait()
        stood_at_ms = clock.read()
        await wait(3600)
        clock.tick()

        assert (clock.is_frozen, clock.read(), broker.now_ms) == (True, stood_at_ms, stood_at_ms)
        assert called == []


async def test_resumed_it_goes_on_from_where_it_stood(autojump_clock: MockClock) -> None:
    async with a_clock() as (broker, clock, _):
        called: list[int] = []
        start_ms = broker.now_ms
        broker.schedule.call_at(start_ms + 1000, lambda: called.append(broker.now_ms))
        clock.freeze()
        await wait(3600)
        clock.resume()
        clock.wait()
        await wait(0.5)
        assert called == []
        await wait(1)

    assert [0 <= one - start_ms - 1000 <= 1 for one in called] == [True]


@pytest.mark.parametrize("is_frozen", [False, True])
async def test_it_jumps_ahead_and_never_back(autojump_clock: MockClock, *, is_frozen: bool) -> None:
    async with a_clock() as (broker, clock, _):
        if is_frozen:
            clock.freeze()
        start_ms = broker.now_ms
        called: list[int] = []
        broker.schedule.call_at(start_ms + 5000, lambda: called.append(broker.now_ms))
        for jump_ms in (4999, 5001, 7, 86_400_000, 86_400_001):
            clock.jump(start_ms + jump_ms)
            assert broker.now_ms >= start_ms + jump_ms
        clock.tick()

        assert called == [start_ms + 5001]
        assert clock.read() - start_ms == 86_400_001
