"""Runs somebody's pytest suite in a process of its own, and judges it by the manifest.

Clients' tests give themselves so many seconds of real time, which on a busy machine is sometimes
not enough.  So a few failures are tried once more, one after the other in one process; what passes
only then is told apart from what passed at once.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from interop import manifest, process
from interop.manifest import TestOutcome
from interop.results import Result, Verdict

PLUGIN = Path(__file__).parent / "plugin"
TEST_SECONDS_MAX = 60  # none needs a third of that on an idle machine
SECOND_TRIES_MAX = 10

_FINISHED = {0, 1}  # pytest's statuses when all tests were run


@frozen
class Suite:
    """How to start a suite, and for how long it may run."""

    name: str
    python: Path
    directory: Path
    tests: str  # a directory
    options: tuple[str, ...]  # for pytest
    parallel: tuple[str, ...]  # likewise, left out at the second try
    environment: Mapping[str, str]
    seconds_max: float


def perform(suite: Suite, *, given: bool, say: Callable[[str], None], result: Result) -> None:
    """Run *suite*, against a *given* broker or ours, and put what came of it into *result*."""
    entries = manifest.load(suite.name, given=given)
    outcome, tests = _run(suite, [suite.tests, *suite.parallel], say)
    finished = outcome.status in _FINISHED
    judgement = manifest.judge(tests.values(), entries, finished=finished)
    result.seconds = outcome.seconds
    if finished and 0 < len(judgement.failed) <= SECOND_TRIES_MAX:
        say(f"  once more: {', '.join(judgement.failed)}")
        outcome, second = _run(suite, judgement.failed, say)
        again = [test for test in judgement.failed if _passed(second.get(test))]
        finished = outcome.status in _FINISHED
        judgement = manifest.judge({**tests, **second}.values(), entries, finished=finished)
        judgement.second_try_count = len(again)
        result.seconds += outcome.seconds
        result.details += [f"passed at a second try: {test}" for test in again]
    if not finished:
        judgement.faults.insert(0, f"the suite did not run to its end: {outcome.reason()}")
        result.details.append(outcome.last_lines())
    result.verdict = Verdict.FAILED if judgement.faults else Verdict.PASSED
    result.remark = judgement.remark()
    result.details += judgement.faults


def _run(
    suite: Suite, arguments: Sequence[str], say: Callable[[str], None]
) -> tuple[process.Outcome, dict[str, TestOutcome]]:
    """Run pytest with *arguments*; return how it ended, and {test: what became of it}."""
    options = ["-q", "-p", "interop_report", "-p", "no:cacheprovider", *suite.options]
    # Rendering source lines while aio-pika's tests trace memory takes a second each.
    options += ["--timeout", str(TEST_SECONDS_MAX), "--tb", "native"]
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report"
        outcome = process.run(
            [suite.python, "-m", "pytest", *options, *arguments],
            seconds_max=suite.seconds_max,
            directory=suite.directory,
            environment={**suite.environment, "INTEROP_REPORT": str(report)},
            on_progress=lambda seconds: say(_progress(_read(report), seconds)),
        )
        return outcome, _read(report)


def _read(report: Path) -> dict[str, TestOutcome]:
    """Read what the plugin noted: the last note on each test counts."""
    if not report.exists():
        return {}
    # A line that is being written at this moment has no end yet.
    lines = report.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    return {note["test"]: TestOutcome(**note) for note in map(json.loads, lines)}


def _passed(outcome: TestOutcome | None) -> bool:
    return outcome is not None and outcome.outcome == "passed"


def _progress(tests: Mapping[str, TestOutcome], seconds: float) -> str:
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for outcome in tests.values():
        if outcome.outcome in counts:
            counts[outcome.outcome] += 1
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return f"  {seconds:.0f} s: {told}"
