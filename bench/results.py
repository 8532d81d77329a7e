"""A run as it is kept: every round as it was measured, with date, machine and settings.

What is printed, drawn and published is computed from this alone, so an old file can be shown
again.  Figures that a round does not have are absent, not zero.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import attrs

from bench.errors import BenchError
from bench.figures import Figure, Verdict, median_ratio
from bench.procfs import Machine
from bench.workloads import WORKLOADS, Workload

FORMAT = 1


@attrs.frozen
class Round:
    """One broker, one workload, once."""

    workload: str
    number: int
    broker: str
    figures: Mapping[str, float]
    faults: tuple[str, ...] = ()


@attrs.frozen
class Run:
    """Everything that one call of ``python -m bench`` measured."""

    date: str  # ISO 8601, UTC; of joined runs those of the first and the last
    machine: Machine
    seconds: float
    round_count: int
    brokers: tuple[str, ...]  # ours first, then the rivals in the order given
    rounds: tuple[Round, ...]

    @property
    def rivals(self) -> tuple[str, ...]:
        return self.brokers[1:]

    def workloads(self) -> list[Workload]:
        measured = {entry.workload for entry in self.rounds}
        return [workload for workload in WORKLOADS if workload.name in measured]

    def values(self, workload: Workload, broker: str, figure: Figure) -> dict[int, float]:
        """Return {round number: value} of the rounds that have it."""
        return {
            entry.number: entry.figures[figure.key]
            for entry in self.rounds
            if (entry.workload, entry.broker) == (workload.name, broker)
            and figure.key in entry.figures
        }

    def is_faulty(self, workload: Workload, broker: str) -> bool:
        return any(
            entry.faults
            for entry in self.rounds
            if (entry.workload, entry.broker) == (workload.name, broker)
        )

    def faults(self) -> list[str]:
        """Tell all that went wrong, a line each."""
        return [
            f"{entry.workload}, round {entry.number}, {entry.broker}: {fault}"
            for entry in self.rounds
            for fault in entry.faults
        ]

    @classmethod
    def joined(cls, runs: Sequence[Run]) -> Run:
        """Make one of several; what was measured again replaces what was measured before.

        Raises `BenchError` for runs on different machines, or of different brokers or lengths.
        """
        first, *others = sorted(runs, key=lambda run: run.date)
        rounds = list(first.rounds)
        for run in others:
            for name in ("machine", "brokers", "seconds", "round_count"):
                if getattr(run, name) != getattr(first, name):
                    raise BenchError(f"runs of different {name} cannot be shown as one")
            again = {entry.workload for entry in run.rounds}
            rounds = [entry for entry in rounds if entry.workload not in again]
            rounds += run.rounds
        date = f"{first.date} to {others[-1].date}" if others else first.date
        return attrs.evolve(first, date=date, rounds=tuple(rounds))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"format": FORMAT, **attrs.asdict(self)}, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read what `save` wrote; raise `BenchError` if it is something else."""
        try:
            raw = cast("dict[str, Any]", json.loads(path.read_text()))
            if raw.pop("format") != FORMAT:
                raise BenchError(f"{path} is of another version")
            machine = Machine(**raw.pop("machine"))
            rounds = tuple(_load_round(entry) for entry in raw.pop("rounds"))
            brokers = tuple(raw.pop("brokers"))
            return cls(machine=machine, rounds=rounds, brokers=brokers, **raw)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BenchError(f"{path} is no bench run: {error!r}") from error


@attrs.frozen
class Row:
    """One figure of one workload, over all rounds."""

    workload: Workload
    figure: Figure
    ours: float | None
    theirs: Mapping[str, float | None]  # {rival: median}
    ratios: Mapping[str, float | None]  # {rival: median over rounds of ours beside theirs}
    verdict: Verdict


def rows(run: Run) -> list[Row]:
    """Work out the table of *run*; promises are judged against the first rival."""
    return [
        _row(run, workload, figure) for workload in run.workloads() for figure in workload.figures
    ]


def _row(run: Run, workload: Workload, figure: Figure) -> Row:
    our_values = run.values(workload, run.brokers[0], figure)
    theirs: dict[str, float | None] = {}
    ratios: dict[str, float | None] = {}
    for rival in run.rivals:
        their_values = run.values(workload, rival, figure)
        theirs[rival] = _median(their_values)
        together = sorted(our_values.keys() & their_values.keys())
        ratios[rival] = median_ratio(figure, [(our_values[n], their_values[n]) for n in together])
    ours = _median(our_values)
    verdict = figure.judge(ours, ratios[run.rivals[0]] if run.rivals else None)
    if run.is_faulty(workload, run.brokers[0]):
        verdict = Verdict.FAULTY
    return Row(workload, figure, ours, theirs, ratios, verdict)


def _median(values: Mapping[int, float]) -> float | None:
    return statistics.median(values.values()) if values else None


def _load_round(raw: dict[str, Any]) -> Round:
    faults = tuple(raw.pop("faults"))
    return Round(faults=faults, **raw)
