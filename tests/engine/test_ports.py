"""The fake outlet that the engine's tests use sits the exam of outlets."""

from __future__ import annotations

from contracts import check_outlet
from recording import RecordingOutlet

from amqpbroker.engine.ports import TakingTurns


def test_the_recording_outlet_is_an_outlet() -> None:
    outlet = RecordingOutlet()

    check_outlet(lambda: (outlet, lambda: outlet.told))


def test_dice_that_take_turns_give_every_number_in_turn() -> None:
    roll = TakingTurns()

    assert [roll(3) for _ in range(5)] == [0, 1, 2, 0, 1]
