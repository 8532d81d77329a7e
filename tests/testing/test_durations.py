"""Durations: what can be written, and what is said of the rest."""

from __future__ import annotations

from datetime import timedelta

import pytest

from amqpbroker.testing.durations import milliseconds


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("500ms", 500),
        ("30s", 30_000),
        ("30m", 1_800_000),
        ("1h", 3_600_000),
        ("7d", 604_800_000),
        ("1h 30m", 5_400_000),
        ("1h30m", 5_400_000),
        (" 2 s ", 2_000),
        ("1.5s", 1_500),
        ("0s", 0),
        (90, 90_000),
        (0.25, 250),
        (timedelta(minutes=3), 180_000),
        (timedelta(microseconds=1500), 2),
    ],
)
def test_it_is_read(duration: object, expected: int) -> None:
    assert milliseconds(duration) == expected


@pytest.mark.parametrize("text", ["", " ", "30", "m", "1 hour", "1h 30", "h1", "-1s", "1,5s"])
def test_other_text_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a duration: .*'1h 30m'"):
        milliseconds(text)


@pytest.mark.parametrize("duration", [-1, timedelta(seconds=-1), float("inf"), float("nan")])
def test_time_does_not_go_back_nor_to_the_end(duration: object) -> None:
    with pytest.raises(ValueError, match="time only goes forward"):
        milliseconds(duration)


@pytest.mark.parametrize("thing", [None, b"30s", True, ["30s"]])
def test_other_things_are_no_durations(thing: object) -> None:
    with pytest.raises(TypeError, match="not a duration"):
        milliseconds(thing)
