"""How many lines of Python a call executes: a cost that is the same in every run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_executed(call: Callable[[], object]) -> int:
    """Count the lines executed by *call* and by what it calls."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    others = sys.gettrace()  # coverage's
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(others)
    return count
