"""Ratios, verdicts, and what a run's rounds come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.figures import Better, Figure, Verdict, median_ratio
from bench.procfs import Machine
from bench.results import Round, Run, rows
from bench.workloads import WORKLOADS, find_workloads

RATE = Figure("delivered_per_s", "delivered", "/s", ratio_target=4)
COST = Figure("cpu_us_per_message", "CPU", "us", Better.LOWER, ratio_target=4)
MACHINE = Machine("a processor", 2, 1_000, "Linux", "CPython 3.11")
ACKS = "auto-ack-100"


def a_run(*rounds: Round, rivals: tuple[str, ...] = ("RabbitMQ 4.0.5",)) -> Run:
    return Run("2025-01-01T00:00:00+00:00", MACHINE, 1.0, 3, ("amqpbroker", *rivals), rounds)


def a_round(number: int, broker: str, rate: float, *faults: str) -> Round:
    return Round(ACKS, number, broker, {"delivered_per_s": rate}, faults)


def test_a_ratio_says_how_many_times_better_we_are() -> None:
    assert RATE.ratio(ours=400, theirs=100) == 4
    assert COST.ratio(ours=5, theirs=20) == 4


def test_there_is_no_ratio_to_nothing() -> None:
    assert RATE.ratio(ours=1, theirs=0) is None
    assert COST.ratio(ours=0, theirs=1) is None
    assert median_ratio(RATE, []) is None


def test_the_ratio_is_the_median_of_the_rounds_not_the_ratio_of_the_medians() -> None:
    rounds = [(100.0, 10.0), (400.0, 100.0), (300.0, 60.0)]  # 10, 4 and 5 times

    assert median_ratio(RATE, rounds) == 5


@pytest.mark.parametrize(
    ("figure", "ours", "ratio", "expected"),
    [
        (RATE, 1.0, 4.0, Verdict.MET),
        (RATE, 1.0, 3.99, Verdict.SHORT),
        (RATE, 1.0, None, Verdict.OPEN),
        (Figure("x", "x", "ms", Better.LOWER, value_target=10), 10.0, None, Verdict.MET),
        (Figure("x", "x", "ms", Better.LOWER, value_target=10), 10.1, 99.0, Verdict.SHORT),
        (Figure("x", "x", "", value_target=0.95), 0.94, None, Verdict.SHORT),
        (Figure("x", "x", "", value_target=0.95), None, None, Verdict.OPEN),
        (Figure("x", "x", ""), 1.0, 1.0, Verdict.OPEN),
    ],
)
def test_a_figure_is_held_against_what_was_promised(
    figure: Figure, ours: float | None, ratio: float | None, expected: Verdict
) -> None:
    assert figure.judge(ours, ratio) is expected


def test_only_rounds_that_both_have_are_compared() -> None:
    run = a_run(
        a_round(1, "amqpbroker", 500),
        a_round(1, "RabbitMQ 4.0.5", 100),
        a_round(2, "amqpbroker", 900),
    )

    row = rows(run)[0]

    assert (row.ours, row.theirs, row.ratios) == (
        700,
        {"RabbitMQ 4.0.5": 100},
        {"RabbitMQ 4.0.5": 5},
    )
    assert row.verdict is Verdict.MET


def test_promises_are_judged_against_the_first_rival() -> None:
    run = a_run(
        a_round(1, "amqpbroker", 500),
        a_round(1, "one", 200),
        a_round(1, "two", 100),
        rivals=("one", "two"),
    )

    assert rows(run)[0].verdict is Verdict.SHORT


def test_a_round_that_lost_messages_meets_no_promise() -> None:
    run = a_run(a_round(1, "amqpbroker", 500, "3 are missing"), a_round(1, "RabbitMQ 4.0.5", 1))

    assert rows(run)[0].verdict is Verdict.FAULTY
    assert run.faults() == [f"{ACKS}, round 1, amqpbroker: 3 are missing"]


def test_a_run_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    run = a_run(a_round(1, "amqpbroker", 500.5, "a fault"), a_round(1, "RabbitMQ 4.0.5", 100))
    path = tmp_path / "run.json"
    run.save(path)

    assert Run.load(path) == run


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 0}', '{"format": 1}'])
def test_a_file_that_is_no_run_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(content)

    with pytest.raises(BenchError, match=r"run\.json"):
        Run.load(path)


def test_workloads_are_found_by_name_in_the_order_asked_for() -> None:
    assert [w.name for w in find_workloads(["mixed", "start", "mixed"])] == ["mixed", "start"]
    assert find_workloads([]) == list(WORKLOADS)
    with pytest.raises(BenchError, match="no workload nonsense"):
        find_workloads(["nonsense"])


def test_every_workload_has_a_name_of_its_own_and_figures() -> None:
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
    assert all(workload.figures for workload in WORKLOADS)
