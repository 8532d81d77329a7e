from __future__ import annotations

from collections.abc import Callable

from amqpbroker.engine.schedule import CANCELLED_MAX, Schedule


def run(schedule: Schedule, now_ms: int) -> int:
    """Call what is due; how many there were."""
    called = 0
    callback: Callable[[], None] | None
    while (callback := schedule.take_due(now_ms)) is not None:
        callback()
        called += 1
    return called


def nothing() -> None:
    """What is due, where only the time counts."""


def test_what_is_due_comes_in_the_order_of_its_times() -> None:
    schedule, called = Schedule(), list[str]()
    for due_ms, word in ((20, "c"), (10, "a"), (10, "b"), (30, "d")):
        schedule.call_at(due_ms, lambda word=word: called.append(word))
    assert schedule.next_deadline_ms() == 10

    run(schedule, 20)
    assert (called, schedule.next_deadline_ms()) == (["a", "b", "c"], 30)


def test_what_is_cancelled_is_not_called() -> None:
    schedule = Schedule()
    first = schedule.call_at(10, nothing)
    schedule.call_at(20, nothing)
    first.cancel()
    first.cancel()

    assert schedule.next_deadline_ms() == 20
    assert run(schedule, 30) == 1
    assert schedule.next_deadline_ms() is None


def test_cancelling_what_was_called_does_nothing() -> None:
    schedule = Schedule()
    appointment = schedule.call_at(10, nothing)
    run(schedule, 10)
    appointment.cancel()

    assert len(schedule) == 0


def test_cancelled_appointments_do_not_pile_up() -> None:
    schedule = Schedule()
    kept = [schedule.call_at(due_ms, nothing) for due_ms in range(10)]
    for due_ms in range(10_000):
        schedule.call_at(1_000_000 + due_ms, nothing).cancel()
    assert len(schedule) <= len(kept) + CANCELLED_MAX + 1

    assert run(schedule, 2_000_000) == len(kept)
