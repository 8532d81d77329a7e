"""A run: for each workload in turn, rounds in which every broker has its go.

The order of the brokers alternates from round to round, so that a machine that slows down slows
both; while one is measured the others that may be paused are.  Our broker is started for each
workload (for each round, where memory is measured), since memory that was used stays reserved.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

import attrs

from bench.brokers import OUR_NAME, Broker, only_awake, our_broker
from bench.errors import BenchError
from bench.plan import Measured, Timing
from bench.procfs import Machine
from bench.results import Round, Run
from bench.workloads import Workload


class Progress:
    """One line that says what runs now; nothing where the output is no terminal."""

    heading = ""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()

    def show(self, text: str) -> None:
        """Replace the line by the heading and *text*."""
        self._write(f"{self.heading}  {text}")

    def clear(self) -> None:
        self._write("")

    def _write(self, line: str) -> None:
        if self._is_shown:
            self._stream.write(f"\r\x1b[K{line}")
            self._stream.flush()


@attrs.frozen
class Race:
    """Who runs, how long, how often; `run` measures."""

    rivals: Sequence[Broker]
    timing: Timing
    round_count: int
    progress: Progress

    def run(self, workloads: Sequence[Workload]) -> Run:
        """Measure; what goes wrong with a broker is noted in its round, and the run goes on."""
        date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        rounds: list[Round] = []
        try:
            for place, workload in enumerate(workloads, start=1):
                self.progress.heading = f"{place}/{len(workloads)}  {workload.title}"
                rounds += self._run_workload(workload)
        finally:
            self.progress.clear()
        return Run(
            date=date,
            machine=Machine.here(),
            seconds=self.timing.seconds,
            round_count=self.round_count,
            brokers=(OUR_NAME, *(rival.name for rival in self.rivals)),
            rounds=tuple(rounds),
        )

    def _run_workload(self, workload: Workload) -> Iterator[Round]:
        numbers = range(1, self.round_count + 1)
        if workload.plan.needs_fresh_broker:
            for number in numbers:
                with our_broker(workload.plan.serve_arguments) as ours:
                    yield from self._run_round(workload, number, ours)
            return
        with our_broker(workload.plan.serve_arguments) as ours:
            for number in numbers:
                yield from self._run_round(workload, number, ours)

    def _run_round(self, workload: Workload, number: int, ours: Broker) -> Iterator[Round]:
        brokers = [ours] if workload.plan.is_ours_only else [ours, *self.rivals]
        turns = brokers if number % 2 else brokers[::-1]
        for broker in turns:
            self.progress.show(f"round {number}/{self.round_count}  {broker.name}")
            with only_awake(broker, brokers):
                measured = self._measure(workload, broker)
            yield Round(workload.name, number, broker.name, dict(measured.figures), measured.faults)

    def _measure(self, workload: Workload, broker: Broker) -> Measured:
        try:
            return workload.plan.measure(broker, self.timing)
        except (BenchError, OSError) as error:
            return Measured({}, (str(error) or repr(error),))
