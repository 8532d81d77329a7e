"""The mailbox: calls from other threads, made between the sockets' turns."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from amqpbroker.server.mailbox import ServerStopped
from amqpbroker.server.reactor import Reactor


class Log:
    """What was called, and how often rounds had been finished then."""

    def __init__(self) -> None:
        self.rounds_count = 0
        self.made: list[tuple[str, int]] = []

    def finish_round(self) -> float | None:
        self.rounds_count += 1
        return None

    def call(self, name: str) -> Callable[[], None]:
        return lambda: self.made.append((name, self.rounds_count))


@pytest.fixture
def log() -> Log:
    return Log()


@asynccontextmanager
async def running(reactor: Reactor) -> AsyncGenerator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reactor.run)
        yield
        nursery.cancel_scope.cancel()


async def in_a_thread(*calls: Callable[[], object]) -> None:
    """Make calls one after the other in a thread of their own."""

    def work() -> None:
        for call in calls:
            call()

    await trio.to_thread.run_sync(work)


async def test_a_call_is_made_in_the_reactors_thread_within_a_round(log: Log) -> None:
    reactor = Reactor(log.finish_round)
    threads: list[threading.Thread] = []
    async with running(reactor):
        await wait_all_tasks_blocked()
        before = log.rounds_count
        await in_a_thread(
            lambda: reactor.call_soon_threadsafe(log.call("it")),
            lambda: reactor.call_soon_threadsafe(
                lambda: threads.append(threading.current_thread())
            ),
        )
        await wait_all_tasks_blocked()

    assert log.made == [("it", before)]
    assert log.rounds_count > before
    assert threads == [threading.current_thread()]


async def test_calls_are_made_in_the_order_in_which_they_were_posted(log: Log) -> None:
    reactor = Reactor(log.finish_round)
    names = [str(number) for number in range(100)]
    async with running(reactor):
        await in_a_thread(
            *(lambda name=name: reactor.call_soon_threadsafe(log.call(name)) for name in names)
        )
        await wait_all_tasks_blocked()

    assert [name for name, _ in log.made] == names


async def test_what_was_posted_before_the_start_is_made_then(log: Log) -> None:
    reactor = Reactor(log.finish_round)
    reactor.call_soon_threadsafe(log.call("early"))
    async with running(reactor):
        await wait_all_tasks_blocked()

    assert log.made == [("early", 0)]


async def test_what_a_call_posts_has_the_next_round(log: Log) -> None:
    reactor = Reactor(log.finish_round)

    def first() -> None:
        log.call("first")()
        reactor.call_soon_threadsafe(log.call("second"))

    async with running(reactor):
        reactor.call_soon_threadsafe(first)
        await wait_all_tasks_blocked()

    assert log.made == [("first", 0), ("second", 1)]


async def test_a_call_that_fails_is_logged_and_hurts_no_other(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    reactor = Reactor(log.finish_round)

    def fail() -> None:
        raise AssertionError("a broken invariant")

    async with running(reactor):
        reactor.call_soon_threadsafe(fail)
        reactor.call_soon_threadsafe(log.call("other"))
        await wait_all_tasks_blocked()

    assert [name for name, _ in log.made] == ["other"]
    assert "a broken invariant" in caplog.text


async def test_whoever_posts_too_late_is_told(log: Log) -> None:
    reactor = Reactor(log.finish_round)
    async with running(reactor):
        await wait_all_tasks_blocked()

    with pytest.raises(ServerStopped):
        reactor.call_soon_threadsafe(log.call("late"))
    assert log.made == []
