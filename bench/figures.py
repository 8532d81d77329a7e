"""What is said about a workload: its figures, which way is better, and what was promised.

A ratio always says how many times *better* we are: our rate by theirs, their cost by ours.
"""

from __future__ import annotations

import enum
import statistics
from collections.abc import Sequence

import attrs


class Better(enum.Enum):
    HIGHER = "higher"
    LOWER = "lower"


class Verdict(enum.Enum):
    MET = "met"
    SHORT = "short"
    FAULTY = "faulty"  # messages were lost, or the like: then speed means nothing
    OPEN = "-"  # nothing was promised, or it could not be measured


@attrs.frozen
class Figure:
    """One line about a workload."""

    key: str
    label: str
    unit: str
    better: Better = Better.HIGHER
    decimals: int = 0
    #: promised: so many times better than the rival
    ratio_target: float | None = None
    #: promised: at least so much (or at most, where lower is better)
    value_target: float | None = None
    #: whether the picture shows it
    is_pictured: bool = False

    def ratio(self, ours: float, theirs: float) -> float | None:
        """How many times better *ours* is than *theirs*; None where that says nothing."""
        over, under = (ours, theirs) if self.better is Better.HIGHER else (theirs, ours)
        return over / under if over > 0 and under > 0 else None

    def judge(self, ours: float | None, ratio: float | None) -> Verdict:
        """Hold our value and our ratio to the yardstick against what was promised."""
        if self.ratio_target is not None and ratio is not None:
            return Verdict.MET if ratio >= self.ratio_target else Verdict.SHORT
        if self.value_target is None or ours is None:
            return Verdict.OPEN
        reaches = ours >= self.value_target
        if self.better is Better.LOWER:
            reaches = ours <= self.value_target
        return Verdict.MET if reaches else Verdict.SHORT

    @property
    def target(self) -> str:
        """What was promised, in words."""
        if self.ratio_target is not None:
            return f"{self.ratio_target:g}x"
        if self.value_target is not None:
            sign = "<=" if self.better is Better.LOWER else ">="
            return f"{sign} {self.value_target:g}"
        return ""

    def format(self, value: float | None) -> str:
        return "-" if value is None else f"{value:,.{self.decimals}f}"


def median_ratio(figure: Figure, rounds: Sequence[tuple[float, float]]) -> float | None:
    """Median over *rounds* of (ours, theirs): each round compares what ran side by side."""
    ratios = [figure.ratio(ours, theirs) for ours, theirs in rounds]
    known = [ratio for ratio in ratios if ratio is not None]
    return statistics.median(known) if known else None
