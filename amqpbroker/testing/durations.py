"""Durations as people write them: ``"30m"``, ``"1h 30m"``, ``90``, ``timedelta(minutes=3)``."""

import re
from datetime import timedelta
from typing import Final

#: How long something lasts: seconds, a timedelta, or text such as ``"1h 30m"``.
Duration = str | int | float | timedelta

#: {unit: milliseconds}
_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*")


def milliseconds(duration: object) -> int:
    """How many milliseconds *duration* has.

    A number means seconds.  Text is one or more numbers with a unit each: ms, s, m (minutes), h or
    d.  Raises `ValueError` for other text and for less than nothing, `TypeError` for other things.
    """
    if isinstance(duration, str):
        total_ms = _read(duration)
    elif isinstance(duration, timedelta):
        total_ms = duration / timedelta(milliseconds=1)
    elif isinstance(duration, int | float) and not isinstance(duration, bool):
        total_ms = duration * 1000
    else:
        raise TypeError(
            f"not a duration: {duration!r}; give seconds, a timedelta, or text such as '30m'"
        )
    if not 0 <= total_ms < float("inf"):
        raise ValueError(f"time only goes forward: {duration!r}")
    return round(total_ms)


def _read(text: str) -> float:
    position, total_ms = 0, 0.0
    while position < len(text):
        found = _PART.match(text, position)
        if found is None:
            break
        total_ms += float(found[1]) * _UNITS[found[2]]
        position = found.end()
    if position < len(text) or not text.strip():
        raise ValueError(
            f"not a duration: {text!r}; write numbers with a unit, such as '500ms', '30s', '10m', "
            "'1h 30m' or '7d'"
        )
    return total_ms
