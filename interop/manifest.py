"""Which tests of which suite cannot pass, and the judgement of a suite's outcomes by that.

(M1) A failure that no entry explains is a failure of the run.
(M2) A test that an entry explains, and that passes, is one too: the entry has become wrong.
(M3) So is an entry that matches no test of a suite that ran to its end.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

MANIFEST = Path(__file__).parent / "manifest.toml"


@frozen
class Explanation:
    """One entry of the manifest."""

    suite: str
    needs: str  # a few words: what the broker, or the machine, would have to have
    reason: str
    tests: tuple[str, ...]
    but_not: tuple[str, ...] = ()
    broker: str = "any"  # or "given" by its URL, or "ours": the only kind that it holds for
    sometimes: bool = False  # whether passing is as good as failing

    def covers(self, test: str) -> bool:
        return _matches_any(self.tests, test) and not _matches_any(self.but_not, test)


@frozen
class TestOutcome:
    """What became of one test: ``passed``, ``failed``, ``skipped``, or ``started`` and no more."""

    test: str
    outcome: str
    reason: str = ""


@define
class Judgement:
    """A suite's outcomes, sorted by what they mean for us."""

    passed_count: int = 0
    skipped_count: int = 0
    explained: Counter[str] = field(factory=Counter[str])  # {need: how many tests lack it}
    failed: list[str] = field(factory=list[str])  # tests that should have passed
    second_try_count: int = 0  # how many of the passed passed only at the second try
    faults: list[str] = field(factory=list[str])  # one line each: what makes the run fail

    def remark(self) -> str:
        """Tell the counts in a few words."""
        parts = [f"{self.passed_count} passed", f"{self.skipped_count} skipped"]
        if self.second_try_count:
            parts.insert(1, f"{self.second_try_count} at a second try")
        parts += [f"{count} need {need}" for need, count in sorted(self.explained.items())]
        if self.faults:
            parts.insert(0, f"{len(self.faults)} not as expected")
        return ", ".join(parts)


def load(suite: str, *, given: bool) -> list[Explanation]:
    """Read the entries for *suite* that hold for a *given* broker, or for one of ours."""
    document = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))
    entries = [_explanation(entry) for entry in document.get("explained", [])]
    kind = "given" if given else "ours"
    return [entry for entry in entries if entry.suite == suite and entry.broker in {"any", kind}]


def judge(
    outcomes: Iterable[TestOutcome], entries: Sequence[Explanation], *, finished: bool
) -> Judgement:
    """Hold *outcomes* against *entries*; *finished* tells whether the suite came to its end."""
    judgement = Judgement()
    used: set[Explanation] = set()
    for outcome in outcomes:
        entry = next((entry for entry in entries if entry.covers(outcome.test)), None)
        if entry is not None:
            used.add(entry)
        _judge_one(outcome, entry, judgement)
    if finished:
        judgement.faults += [
            f"manifest.toml explains {', '.join(entry.tests)}, which is no test of {entry.suite}"
            for entry in entries
            if entry not in used
        ]
    return judgement


def _judge_one(outcome: TestOutcome, entry: Explanation | None, judgement: Judgement) -> None:
    if outcome.outcome == "skipped":
        judgement.skipped_count += 1
    elif outcome.outcome == "passed":
        judgement.passed_count += 1
        if entry is not None and not entry.sometimes:
            judgement.faults.append(f"{outcome.test} passes, and is explained: {entry.reason}")
    elif outcome.outcome == "started":
        judgement.faults.append(f"{outcome.test} never ended")
    elif entry is not None:
        judgement.explained[entry.needs] += 1
    else:
        judgement.failed.append(outcome.test)
        judgement.faults.append(f"{outcome.test}: {outcome.reason}")


def _explanation(entry: Mapping[str, Any]) -> Explanation:
    fields = dict(entry)
    fields["tests"] = tuple(fields["tests"])
    fields["but_not"] = tuple(fields.pop("except", ()))
    return Explanation(**fields)


def _matches_any(patterns: Sequence[str], test: str) -> bool:
    # Tests' names have brackets in them, so these are not the shell's patterns: only * is special.
    return any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), test) for pattern in patterns
    )
