"""The janitor: when the collector runs, and that it is left as it was found."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from amqpbroker.engine.access import Users
from amqpbroker.engine.broker import Broker
from amqpbroker.server.janitor import LOOK_SECONDS, Janitor

MUCH_BYTES = 64 * 1024 * 1024


class Knot:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def make_knot() -> weakref.ref[Knot]:
    return weakref.ref(Knot())


@pytest.fixture
def broker() -> Broker:
    return Broker(lambda: "name", users=Users())


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    yield
    gc.unfreeze()
    gc.enable()


def test_it_collects_while_little_is_held(broker: Broker) -> None:
    gc.disable()
    knot = make_knot()

    Janitor(broker).look()

    assert knot() is None


def test_it_puts_collecting_off_while_much_is_held(broker: Broker) -> None:
    gc.disable()
    knot = make_knot()
    broker.held_bytes = MUCH_BYTES

    Janitor(broker).look()

    assert knot() is not None
    assert gc.get_freeze_count() > 0


def test_it_makes_up_for_it_when_the_messages_are_gone(broker: Broker) -> None:
    gc.disable()
    knot = make_knot()
    janitor = Janitor(broker)
    broker.held_bytes = MUCH_BYTES
    janitor.look()
    broker.held_bytes = 0
    janitor.look()

    assert knot() is None
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("was_enabled", [True, False])
async def test_the_collector_runs_only_when_it_says(
    autojump_clock: MockClock, broker: Broker, was_enabled: bool
) -> None:
    (gc.enable if was_enabled else gc.disable)()
    with trio.move_on_after(LOOK_SECONDS / 2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Janitor(broker).run)
            await trio.testing.wait_all_tasks_blocked()
            assert not gc.isenabled()
            await trio.sleep_forever()

    assert gc.isenabled() == was_enabled


async def test_it_looks_every_second(autojump_clock: MockClock, broker: Broker) -> None:
    knots: list[weakref.ref[Knot]] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Janitor(broker).run)
        await trio.testing.wait_all_tasks_blocked()
        knots.append(make_knot())
        with trio.move_on_after(LOOK_SECONDS * 1.5):
            await trio.sleep_forever()
        nursery.cancel_scope.cancel()

    assert [knot() for knot in knots] == [None]
