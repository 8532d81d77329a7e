"""Whole brokers with many clients, each from one seed, without a network.

A failing test names its seed; `pytest --seed N` replays it, `--seeds COUNT` tries more.
"""

from __future__ import annotations

from day import Day
from expectation import REASONS

STEP_COUNT = 6000


def test_no_message_is_lost_or_doubled_whatever_clients_do(seed: int) -> None:
    day = Day(seed)

    day.run(STEP_COUNT)

    assert day.expectation.fates.keys() <= set(REASONS)
    assert day.expectation.fates["acked"] > 100, "hardly anything happened"


def test_the_same_seed_makes_the_same_day(seed: int) -> None:
    first, second = Day(seed), Day(seed)

    first.run(STEP_COUNT // 10)
    second.run(STEP_COUNT // 10)

    assert first.trace == second.trace
    assert first.trace != Day(seed).trace
